/* SPDX-License-Identifier: MIT */
#include <sched.h>

#include "dmabuf_side.h"

static void let(struct side *side, bool may)
{
	__atomic_store_n(&side->may, may, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&side->lock);
	if (may)
		side->starts++;
	pthread_cond_broadcast(&side->moved);
	pthread_mutex_unlock(&side->lock);
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	let(ctx, false);
	return 0;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct side *side = ctx;
	int rc;

	(void)dev;
	pthread_mutex_lock(&side->lock);
	side->reinits++;
	rc = disk_start(&side->disk);
	pthread_mutex_unlock(&side->lock);
	return rc;
}

static int p2p_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct side *side = ctx;
	void (*in_stop)(struct side *side) = side->in_stop;

	(void)dev;
	(void)map;
	let(side, false);
	side->stops++;
	side->in_stop = NULL;
	if (in_stop)
		in_stop(side);
	return 0;
}

static int p2p_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct side *side = ctx;

	(void)dev;
	if (vfiosafe_p2p_iova(map) != side->iova)
		return -EINVAL;
	let(side, true);
	return 0;
}

/* Consecutive pages of the drive differ: what is left of the last one is wrong. */
static void read_one(struct side *side)
{
	unsigned int page = (unsigned int)(side->reads % DISK_PAGES);
	uint8_t want[PAGE];
	int rc = disk_read(&side->disk, page, side->iova + PAGE);

	if (rc != 0) {
		/* Refused: a window of its own was announced. */
		side->failed += rc > 0;
		return;
	}
	pattern(want, page);
	rc = differs(&side->other->disk.d.view, 3 * PAGE, want);
	if (rc < 0) {
		side->unseen++;
		return;
	}
	side->wrong += (unsigned long)rc;
	__atomic_fetch_add(&side->reads, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *arg)
{
	struct side *side = arg;

	pthread_mutex_lock(&side->lock);
	while (!__atomic_load_n(&side->end, __ATOMIC_SEQ_CST)) {
		if (!__atomic_load_n(&side->may, __ATOMIC_SEQ_CST)) {
			pthread_cond_wait(&side->moved, &side->lock);
			continue;
		}
		read_one(side);
		pthread_mutex_unlock(&side->lock);
		sched_yield();
		pthread_mutex_lock(&side->lock);
	}
	pthread_mutex_unlock(&side->lock);
	return NULL;
}

bool side_open(struct side *side, struct side *other, const char *address,
	       enum vfiosafe_door door)
{
	static const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = quiesce,
		.reinit = reinit,
		.p2p_stop = p2p_stop,
		.p2p_start = p2p_start,
	};

	memset(side, 0, sizeof(*side));
	side->other = other;
	pthread_mutex_init(&side->lock, NULL);
	pthread_cond_init(&side->moved, NULL);
	return disk_open(&side->disk, address, door) &&
	       check(vfiosafe_device_set_driver(side->disk.d.dev, &ops, side) == 0 &&
			     export(&side->disk.d, 2 * PAGE, 4 * PAGE) == 0,
		     "disk %s has a driver, four pages of its CMB are exported", address);
}

void side_close(struct side *side)
{
	disk_close(&side->disk);
	pthread_cond_destroy(&side->moved);
	pthread_mutex_destroy(&side->lock);
}

bool side_begin(struct side *side)
{
	int rc = vfiosafe_p2p_map(&side->map, side->disk.d.dev, side->other->disk.d.buf,
				  NULL, &side->iova);

	side->end = false;
	side->may = rc == 0;
	if (rc == 0)
		rc = -pthread_create(&side->thread, NULL, work, side);
	return check(rc == 0, "%s is mapped for %s", side->other->disk.d.address,
		     side->disk.d.address);
}

bool side_end(struct side *side)
{
	__atomic_store_n(&side->end, true, __ATOMIC_SEQ_CST);
	let(side, false);
	pthread_join(side->thread, NULL);
	return vfiosafe_p2p_unmap(side->map) == 0;
}

/* Without the lock: the thread has it nearly all the time. */
bool side_reads(struct side *side, unsigned long n)
{
	int64_t deadline = vfiosafe_deadline_in_ms(SOON_MS);
	unsigned long before = __atomic_load_n(&side->reads, __ATOMIC_SEQ_CST);

	while (__atomic_load_n(&side->reads, __ATOMIC_SEQ_CST) - before < n) {
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return false;
		sched_yield();
	}
	return true;
}
