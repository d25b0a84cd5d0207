/* SPDX-License-Identifier: MIT */
/*
 * sim.c - open and close a simulated device, and talk to it behind its back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "dmabuf.h"
#include "internal.h"

#define DEFAULT_WINDOW_US 100
#define DEFAULT_VECTORS 16
#define KNOWN_FLAGS                                                                      \
	(VFIOSAFE_SIM_DEAD_ZEROS | VFIOSAFE_SIM_NO_SOFT_RESET | VFIOSAFE_SIM_D3COLD |    \
	 VFIOSAFE_SIM_MSIX_NORESIZE)

int64_t vsim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void vsim_nap(int64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000) };

	/* Cut short by a signal: the callers look at the clock themselves. */
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static const struct vsim_model *model_by_name(const char *name)
{
	static const struct vsim_model *const models[] = { &vsim_model_reg,
						       &vsim_model_nvme,
						       &vsim_model_nic,
						       &vsim_model_gpu };

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(models[i]->name, name) == 0)
			return models[i];
	return NULL;
}

/* Members that we do not know may only say what they say by default. */
static int opts_copy(struct vfiosafe_sim_opts *to, const struct vfiosafe_sim_opts *from)
{
	const char *bytes = (const char *)from;

	if (from) {
		if (from->size < sizeof(from->size))
			return -EINVAL;
		for (size_t i = sizeof(*to); i < from->size; i++)
			if (bytes[i])
				return -EINVAL;
		memcpy(to, from, from->size < sizeof(*to) ? from->size : sizeof(*to));
	}
	if ((unsigned int)to->window > VFIOSAFE_SIM_ALL_KINDS)
		return -EINVAL;
	if (to->flags & ~KNOWN_FLAGS || to->vectors > VSIM_VECTORS ||
	    to->disk_len % 512)
		return -EINVAL;
	if (to->window_us == 0)
		to->window_us = DEFAULT_WINDOW_US;
	if (to->vectors == 0)
		to->vectors = DEFAULT_VECTORS;
	return 0;
}

/* A pipe: any real fd will do, and this one refuses mmap and pread by itself. */
static int device_fd_open(struct vfiosafe_sim *sim)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	close(ends[1]);
	sim->device_fd = ends[0];
	sim->pid = getpid();
	if (fstat(ends[0], &sim->device_stat) < 0)
		return -errno;
	vsim_file_adopt(sim);
	return 0;
}

static int bar_map_memfd(struct vsim_bar *bar, uint64_t len)
{
	struct stat st;
	void *mem;

	bar->fd = memfd_create("vfiosafe-sim-bar", MFD_CLOEXEC);
	if (bar->fd < 0 || ftruncate(bar->fd, (off_t)len) < 0 || fstat(bar->fd, &st) < 0)
		return -errno;
	bar->dev = st.st_dev;
	bar->ino = st.st_ino;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bar->fd, 0);
	if (mem == MAP_FAILED)
		return -errno;
	bar->mem = bar->mapped = mem;
	bar->aside = calloc(1, len);
	return bar->aside ? 0 : -ENOMEM;
}

/* Room for all pages of the largest BAR; less is a matter of precision only. */
static int pipe_open(struct vfiosafe_sim *sim)
{
	uint64_t len = 0;

	for (int i = 0; i < VSIM_BARS; i++)
		if (sim->model->bar[i].mappable && sim->model->bar[i].len > len)
			len = sim->model->bar[i].len;
	if (pipe2(sim->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    pipe2(sim->unmappable, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(sim->pipe[1], F_SETPIPE_SZ, (int)len);
	return 0;
}

static int bars_open(struct vfiosafe_sim *sim)
{
	int rc = 0;

	for (int i = 0; i < VSIM_BARS && rc == 0; i++) {
		const struct vsim_bar_kind *kind = &sim->model->bar[i];

		if (kind->mappable) {
			rc = bar_map_memfd(&sim->bar[i], kind->len);
		} else if (kind->len) {
			sim->bar[i].mem = calloc(1, kind->len);
			rc = sim->bar[i].mem ? 0 : -ENOMEM;
		}
	}
	return rc;
}

static void bars_close(struct vfiosafe_sim *sim)
{
	for (int i = 0; i < VSIM_BARS; i++) {
		struct vsim_bar *bar = &sim->bar[i];

		if (!sim->model->bar[i].mappable)
			free(bar->mem);
		else if (bar->mapped)
			munmap(bar->mapped, sim->model->bar[i].len);
		free(bar->aside);
		if (bar->fd >= 0)
			close(bar->fd);
	}
}

/* Numbers of nodes and groups, so that two devices in one program differ. */
static void give_address(struct vfiosafe_sim *sim)
{
	static unsigned int last = 5000;

	sim->number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
	snprintf(sim->address, sizeof(sim->address), "5afe:%02x:00.0", sim->number & 0xff);
}

static struct vfiosafe_sim *sim_new(const struct vsim_model *model)
{
	struct vfiosafe_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->model = model;
	sim->device_fd = -1;
	sim->pipe[0] = sim->pipe[1] = -1;
	sim->unmappable[0] = sim->unmappable[1] = -1;
	sim->stall.uffd = -1;
	sim->wake_fd = -1;
	give_address(sim);
	vsim_irqs_init(&sim->irqs);
	vsim_settings_init(sim);
	for (int i = 0; i < VSIM_BARS; i++)
		sim->bar[i].fd = -1;
	pthread_mutex_init(&sim->lock, NULL);
	pthread_cond_init(&sim->changed, NULL);
	return sim;
}

static void close_pipe(const int *ends)
{
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

static void sim_free(struct vfiosafe_sim *sim)
{
	vsim_peer_remove(sim);
	vsim_stall_close(&sim->stall);
	vsim_eventfd_put(&sim->wake_fd);
	vsim_irqs_close(&sim->irqs);
	vsim_ioas_end_all(sim, NULL);
	if (sim->model->close)
		sim->model->close(sim);
	vsim_files_close(sim);
	if (sim->device_fd >= 0)
		close(sim->device_fd);
	bars_close(sim);
	close_pipe(sim->pipe);
	close_pipe(sim->unmappable);
	pthread_cond_destroy(&sim->changed);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}

static int sim_start(struct vfiosafe_sim *sim)
{
	int rc = bars_open(sim);

	if (rc == 0 && sim->model->open)
		rc = sim->model->open(sim);
	if (rc == 0)
		rc = device_fd_open(sim);
	if (rc == 0)
		rc = pipe_open(sim);
	if (rc < 0)
		return rc;
	rc = vsim_stall_open(&sim->stall, vsim_may_stall(sim->opts.window));
	if (rc < 0)
		return rc;
	vsim_caps_init(sim);
	vsim_table_init(sim);
	sim->down = true;
	vsim_settle(sim, false);
	vsim_peer_add(sim);
	return vsim_serve_start(sim);
}

VFIOSAFE_API int vfiosafe_sim_open(struct vfiosafe_sim **sim, const char *model,
				   const struct vfiosafe_sim_opts *opts)
{
	const struct vsim_model *found;
	struct vfiosafe_sim *new;
	int rc;

	if (!sim || !model)
		return -EINVAL;
	found = model_by_name(model);
	if (!found)
		return -ENOENT;
	new = sim_new(found);
	if (!new)
		return -ENOMEM;
	rc = opts_copy(&new->opts, opts);
	if (rc == 0)
		rc = sim_start(new);
	if (rc < 0) {
		sim_free(new);
		return rc;
	}
	*sim = new;
	return 0;
}

VFIOSAFE_API void vfiosafe_sim_close(struct vfiosafe_sim *sim)
{
	if (!sim)
		return;
	vsim_serve_stop(sim);
	sim_free(sim);
}

VFIOSAFE_API const struct vfiosafe_sys *vfiosafe_sim_sys(struct vfiosafe_sim *sim)
{
	return &sim->sys;
}

VFIOSAFE_API const char *vfiosafe_sim_address(struct vfiosafe_sim *sim)
{
	return sim->address;
}

VFIOSAFE_API int vfiosafe_sim_device_fd(struct vfiosafe_sim *sim)
{
	return sim->device_fd;
}

uint32_t vsim_new_id(struct vfiosafe_sim *sim)
{
	return ++sim->last_id;
}

int vsim_fail_once(struct vfiosafe_sim *sim, enum vfiosafe_sim_call call)
{
	struct vsim_failure *failure = &sim->fail[call];

	if (failure->times == 0)
		return 0;
	failure->times--;
	return -failure->err;
}

VFIOSAFE_API void vfiosafe_sim_fail(struct vfiosafe_sim *sim, enum vfiosafe_sim_call call,
				    int err, uint32_t times)
{
	if ((unsigned int)call >= VSIM_CALLS || err <= 0)
		return;
	pthread_mutex_lock(&sim->lock);
	sim->fail[call].err = err;
	sim->fail[call].times = times;
	pthread_mutex_unlock(&sim->lock);
}

VFIOSAFE_API void vfiosafe_sim_counts(struct vfiosafe_sim *sim,
				      struct vfiosafe_sim_counts *counts)
{
	struct vfiosafe_sim_counts now;

	pthread_mutex_lock(&sim->lock);
	/* What was stored before this call is in: not up to the device's clock. */
	if (sim->down)
		vsim_stay_down(sim);
	else
		vsim_tick(sim);
	now = sim->counts;
	pthread_mutex_unlock(&sim->lock);
	*counts = now;
}
