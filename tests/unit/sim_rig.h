/* SPDX-License-Identifier: MIT */
/*
 * sim_rig.h - a simulated device on the bench, and hands to work on it.
 *
 * Everything goes through the simulation's table, as the library would, or
 * through raw volatile pointers, as a driver without the library would.
 */
#ifndef SIM_RIG_H
#define SIM_RIG_H

#ifdef NDEBUG
#error "tests must not be built with NDEBUG"
#endif

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <vfiosafe/sim.h>

#define BAR0_LEN 0x10000u
#define REGION(index) ((uint64_t)(index) << 40)
#define CONFIG_PM 0x40u /* where the simulation has the capability */

struct rig {
	struct vfiosafe_sim *sim;
	const struct vfiosafe_sys *sys;
	int fd;
	void *bar;
};

static inline int rig_mmap(const struct rig *rig, void **addr, size_t len, int prot,
			   int flags, uint64_t offset)
{
	return rig->sys->mmap(rig->sys->ctx, addr, len, prot, flags, rig->fd, offset);
}

static inline void *rig_map_bar(const struct rig *rig, int prot)
{
	void *addr = NULL;

	assert_int_equal(rig_mmap(rig, &addr, BAR0_LEN, prot, MAP_SHARED, REGION(0)), 0);
	return addr;
}

static inline void rig_unmap(const struct rig *rig, void *addr, size_t len)
{
	assert_int_equal(rig->sys->munmap(rig->sys->ctx, addr, len), 0);
}

static inline void rig_open_opts(struct rig *rig, struct vfiosafe_sim_opts opts)
{
	opts.size = sizeof(opts);
	assert_int_equal(vfiosafe_sim_open(&rig->sim, "sim:reg", &opts), 0);
	rig->sys = vfiosafe_sim_sys(rig->sim);
	rig->fd = vfiosafe_sim_device_fd(rig->sim);
	rig->bar = rig_map_bar(rig, PROT_READ | PROT_WRITE);
}

static inline void rig_open(struct rig *rig, enum vfiosafe_sim_window window,
			    uint32_t window_us, uint32_t ready_us)
{
	rig_open_opts(rig, (struct vfiosafe_sim_opts){
				   .window = window,
				   .window_us = window_us,
				   .ready_us = ready_us,
			   });
}

static inline void rig_close(struct rig *rig)
{
	rig_unmap(rig, rig->bar, BAR0_LEN);
	vfiosafe_sim_close(rig->sim);
}

static inline volatile uint32_t *reg32(void *bar, uint32_t offset)
{
	return (volatile uint32_t *)(void *)((char *)bar + offset);
}

static inline volatile uint64_t *reg64(void *bar, uint32_t offset)
{
	return (volatile uint64_t *)(void *)((char *)bar + offset);
}

/* A slot of LOG, and what a writer that believes in @generation stores there. */
static inline volatile uint64_t *log_slot(void *bar, uint32_t index)
{
	return reg64(bar, VFIOSAFE_SIM_REG_LOG + index % VFIOSAFE_SIM_LOG_SLOTS * 8);
}

static inline uint64_t log_value(uint64_t generation)
{
	return generation << 32 | 1;
}

static inline int rig_ioctl(const struct rig *rig, unsigned long request, void *arg)
{
	return rig->sys->ioctl(rig->sys->ctx, rig->fd, request, arg);
}

static inline int rig_reset(const struct rig *rig)
{
	return rig_ioctl(rig, VFIO_DEVICE_RESET, NULL);
}

static inline ssize_t rig_read(const struct rig *rig, uint64_t offset, void *buf,
			       size_t len)
{
	return rig->sys->pread(rig->sys->ctx, rig->fd, buf, len, offset);
}

static inline ssize_t rig_write(const struct rig *rig, uint64_t offset, const void *buf,
				size_t len)
{
	return rig->sys->pwrite(rig->sys->ctx, rig->fd, buf, len, offset);
}

static inline uint16_t config_get16(const struct rig *rig, uint32_t at)
{
	uint16_t value = 0xdead;

	assert_int_equal(
		rig_read(rig, REGION(VFIO_PCI_CONFIG_REGION_INDEX) + at, &value, 2), 2);
	return value;
}

static inline void config_set16(const struct rig *rig, uint32_t at, uint16_t value)
{
	assert_int_equal(
		rig_write(rig, REGION(VFIO_PCI_CONFIG_REGION_INDEX) + at, &value, 2), 2);
}

static inline struct vfiosafe_sim_counts rig_counts(const struct rig *rig)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(rig->sim, &counts);
	return counts;
}

static inline int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Until something is so; 20 s without it fail the test (main thread only). */
#define until(condition)                                                                 \
	do {                                                                             \
		int64_t until_end = now_us() + 20000000;                                 \
		while (!(condition)) {                                                   \
			if (now_us() > until_end)                                        \
				fail_msg("not within 20 s: %s", #condition);             \
			sched_yield();                                                   \
		}                                                                        \
	} while (0)

/* A thread that resets the device, so that the test can act inside the window. */
struct resetter {
	const struct rig *rig;
	bool behind;
	pthread_t thread;
	int rc;
};

static inline void *resetter_run(void *arg)
{
	struct resetter *resetter = arg;

	if (resetter->behind)
		vfiosafe_sim_reset_behind(resetter->rig->sim);
	else
		resetter->rc = rig_reset(resetter->rig);
	return NULL;
}

/* Returns when the window is open. */
static inline void resetter_start(struct resetter *resetter, const struct rig *rig,
				  bool behind)
{
	uint64_t windows = rig_counts(rig).windows;

	*resetter = (struct resetter){ .rig = rig, .behind = behind };
	assert_int_equal(pthread_create(&resetter->thread, NULL, resetter_run, resetter),
			 0);
	until(rig_counts(rig).windows > windows);
}

static inline void resetter_join(struct resetter *resetter)
{
	assert_int_equal(pthread_join(resetter->thread, NULL), 0);
	assert_int_equal(resetter->rc, 0);
}

static inline bool window_open(const struct rig *rig)
{
	struct vfiosafe_sim_counts counts = rig_counts(rig);

	return counts.windows != counts.resets;
}

/* Returns whether the window was still open up to this call. */
static inline bool resetter_end(struct resetter *resetter)
{
	bool open = window_open(resetter->rig);

	resetter_join(resetter);
	return open;
}

/*
 * Some things can be judged only if all of them happened inside one window. An
 * attempt says false if its window ended too early, as it may on a busy machine;
 * then the next one gets a longer window.
 */
static inline void inside_a_window(enum vfiosafe_sim_window kind,
				   bool (*attempt)(struct rig *rig))
{
	for (uint32_t us = 10000; us < 10000000; us *= 8) {
		struct rig rig;
		bool done;

		rig_open(&rig, kind, us, 0);
		done = attempt(&rig);
		rig_close(&rig);
		if (done)
			return;
	}
	fail_msg("every window ended too early");
}

#endif
