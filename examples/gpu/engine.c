/* SPDX-License-Identifier: MIT */
/*
 * engine.c - the importer of the dma-buf. Of the display's resets it has two callbacks: DMA
 * into the display stops, DMA may go on. Its own device is not reset.
 */
#include <errno.h>
#include <stdio.h>
#include "engine.h"

#define PAGE 4096u
#define WAIT_MS 60000

#define EDU_DMA_SRC 0x80
#define EDU_DMA_DST 0x88
#define EDU_DMA_LEN 0x90
#define EDU_DMA_CMD 0x98
#define EDU_BUFFER 0x40000 /* of its own, one page */
#define EDU_START 1u
#define EDU_FROM_BUFFER 2u

static int copy(const struct engine *engine, uint64_t from, uint64_t to, uint32_t command)
{
	const struct vfiosafe_view *regs = &engine->regs;
	int rc = vfiosafe_write64(regs, EDU_DMA_SRC, from);

	if (rc == 0)
		rc = vfiosafe_write64(regs, EDU_DMA_DST, to);
	if (rc == 0)
		rc = vfiosafe_write64(regs, EDU_DMA_LEN, PAGE);
	if (rc == 0)
		rc = vfiosafe_write64(regs, EDU_DMA_CMD, command | EDU_START);
	return rc < 0 ? rc
		      : vfiosafe_poll32(regs, EDU_DMA_CMD, EDU_START, 0,
					vfiosafe_deadline_in_ms(WAIT_MS), NULL);
}

static bool may_draw(const struct engine *engine)
{
	return __atomic_load_n(&engine->may_draw, __ATOMIC_ACQUIRE);
}

/* The window of the display waits in p2p_stop() until the page is through. Lock held. */
static int draw_page(struct engine *engine, uint64_t page)
{
	int rc;

	if (!may_draw(engine))
		return -EAGAIN;
	rc = copy(engine, engine->band.iova + page, EDU_BUFFER, 0);
	if (rc == 0)
		rc = copy(engine, EDU_BUFFER, engine->frame + engine->at + page,
			  EDU_FROM_BUFFER);
	return rc;
}

static int draw(struct engine *engine)
{
	int rc = 0;

	for (uint64_t page = 0; page < engine->band.len && rc == 0; page += PAGE)
		rc = draw_page(engine, page);
	return rc;
}

static void *run(void *arg)
{
	struct engine *engine = arg;

	pthread_mutex_lock(&engine->lock);
	while (!engine->end && engine->error == 0) {
		unsigned int wanted = engine->wanted;
		int rc = engine->drawn == wanted ? -EAGAIN : draw(engine);

		if (rc == 0) {
			engine->drawn = wanted;
			pthread_cond_broadcast(&engine->changed);
		} else if (rc == -EAGAIN) {
			pthread_cond_wait(&engine->changed, &engine->lock);
		} else {
			engine->error = rc;
			fprintf(stderr, "gpu: engine: %s\n", vfiosafe_error_text());
		}
	}
	pthread_mutex_unlock(&engine->lock);
	return NULL;
}

/* A page under way is through when the lock is ours; the next one does not begin. */
static int p2p_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct engine *engine = ctx;

	(void)dev, (void)map;
	__atomic_store_n(&engine->may_draw, false, __ATOMIC_RELEASE);
	pthread_mutex_lock(&engine->lock);
	pthread_mutex_unlock(&engine->lock);
	return 0;
}

static int p2p_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct engine *engine = ctx;

	(void)dev, (void)map;
	__atomic_store_n(&engine->may_draw, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&engine->lock);
	engine->wanted++;
	pthread_cond_broadcast(&engine->changed);
	pthread_mutex_unlock(&engine->lock);
	return 0;
}

/* edu reaches 28 bits of address. */
static int map_both(struct engine *engine, const struct display *display)
{
	const struct picture *picture = &display->picture;
	struct picture_box band = picture_band(picture);
	const struct vfiosafe_iommu_opts opts = { .size = sizeof(opts),
						  .below = UINT64_C(1) << 28 };
	uint64_t line = picture->width * 4ul;
	int rc = vfiosafe_dma_alloc(&engine->band, engine->dev, band.height * line, 0);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < band.height; i++)
		picture_line(picture, &band, i,
			     (uint32_t *)(void *)((uint8_t *)engine->band.addr + i * line));
	engine->at = band.y * line;
	return vfiosafe_p2p_map(&engine->map, engine->dev, display->export, &opts,
				&engine->frame);
}

int engine_start(struct engine *engine, struct vfiosafe_device *edu,
		 const struct display *display)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.p2p_stop = p2p_stop,
							.p2p_start = p2p_start };
	int rc;

	*engine = (struct engine){ .dev = edu, .wanted = 1, .may_draw = true };
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->changed, NULL);
	rc = vfiosafe_bar_map(&engine->bar, edu, 0, 0, 0, 0);
	if (rc == 0)
		rc = vfiosafe_bar_view(engine->bar, &engine->regs);
	if (rc == 0)
		rc = vfiosafe_set_bus_master(edu, true);
	if (rc == 0)
		rc = vfiosafe_device_set_driver(edu, &ops, engine);
	if (rc == 0)
		rc = map_both(engine, display);
	if (rc == 0)
		rc = -pthread_create(&engine->thread, NULL, run, engine);
	return rc < 0 ? rc : engine_wait(engine);
}

int engine_wait(struct engine *engine)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&engine->lock);
	while (rc == 0 && engine->error == 0 && engine->drawn != engine->wanted)
		rc = -pthread_cond_timedwait(&engine->changed, &engine->lock, &end);
	rc = engine->error ? engine->error : rc;
	pthread_mutex_unlock(&engine->lock);
	return rc;
}

void engine_stop(struct engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine->end = true;
	pthread_cond_broadcast(&engine->changed);
	pthread_mutex_unlock(&engine->lock);
	pthread_join(engine->thread, NULL);
	if (vfiosafe_p2p_unmap(engine->map) < 0)
		fprintf(stderr, "gpu: engine: %s\n", vfiosafe_error_text());
}
