/* SPDX-License-Identifier: MIT */
/*
 * The kernel wants its device back while sections are open: it gets it within a second,
 * and they run on over private memory.
 */
#include "fault_rig.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIM_MAP "vfiosafe-sim-bar"

/* A thread that stays in a section, storing into its half of LOG and loading ID. */
struct straggler {
	struct rig *rig;
	uint32_t half;
	bool stop;
	uint64_t stores;
	uint32_t seen;
	int end;
	pthread_t thread;
};

static void *stay(void *arg)
{
	struct straggler *s = arg;
	uint64_t stamp = s->rig->generation << 32;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&s->rig->view, &sec);
	uint32_t n = 0;

	while (rc == 0 && !__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		*rig_log(s->rig, 2 * n + s->half) = stamp | 1;
		__atomic_store_n(&s->seen, *rig_reg32(s->rig, VFIOSAFE_SIM_REG_ID),
				 __ATOMIC_RELAXED);
		__atomic_store_n(&s->stores, ++n, __ATOMIC_RELEASE);
	}
	s->end = rc < 0 ? rc : vfiosafe_end(&sec);
	return NULL;
}

static uint64_t stores(const struct straggler *s)
{
	return __atomic_load_n(&s->stores, __ATOMIC_ACQUIRE);
}

static void straggle(struct straggler *s, struct rig *rig, uint32_t half)
{
	*s = (struct straggler){ .rig = rig, .half = half };
	assert_int_equal(pthread_create(&s->thread, NULL, stay, s), 0);
	until(stores(s) > 0);
}

static void goes_on(const struct straggler *s)
{
	uint64_t before = stores(s);

	until(stores(s) > before + 1000);
}

static void leave(struct straggler *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
}

/* How many fds of this process are the simulated device. */
static unsigned int count_fds(const struct rig *rig)
{
	DIR *dir = opendir("/proc/self/fd");
	struct stat device, other;
	unsigned int n = 0;
	struct dirent *entry;

	assert_non_null(dir);
	assert_int_equal(fstat(vfiosafe_sim_device_fd(rig->sim), &device), 0);
	while ((entry = readdir(dir)))
		n += fstatat(dirfd(dir), entry->d_name, &other, 0) == 0 &&
		     other.st_ino == device.st_ino && other.st_dev == device.st_dev;
	closedir(dir);
	return n;
}

/* By the simulation's books, and by what /proc says of this process. */
struct holding {
	struct vfiosafe_sim_held held;
	unsigned int fds, maps;
};

static struct holding holding(const struct rig *rig)
{
	struct holding now = { .fds = count_fds(rig), .maps = count_maps(SIM_MAP) };

	vfiosafe_sim_held(rig->sim, &now.held);
	return now;
}

static void assert_holds_nothing(const struct rig *rig, const struct holding *before)
{
	struct holding now = holding(rig);

	assert_int_equal(now.held.fds, 0);
	assert_int_equal(now.held.mappings, 0);
	assert_int_equal(now.fds, before->fds);
	assert_int_equal(now.maps, before->maps);
}

static void wait_for_request(const struct rig *rig)
{
	struct pollfd p = { .fd = vfiosafe_event_fd(rig->dev), .events = POLLIN };
	struct vfiosafe_event event = { 0 };

	do {
		assert_int_equal(poll(&p, 1, 30000), 1);
		assert_int_equal(vfiosafe_event_read(rig->dev, &event, 1, sizeof(event)),
				 1);
	} while (event.type != VFIOSAFE_EVENT_RELEASE);
}

/* What the simulation itself has of the device. */
static void sim_alone(struct rig *rig, struct holding *before)
{
	struct rig_opts bare = { .no_bar = true, .by_address = true };

	rig_open(rig, &bare);
	assert_int_equal(vfiosafe_device_close(rig->dev, 1000), 0);
	*before = holding(rig);
	vfiosafe_sim_close(rig->sim);
}

static void requested(bool by_address)
{
	struct rig_opts opts = { .by_address = by_address };
	struct holding before;
	struct straggler s;
	uint64_t arrived;
	struct rig rig;
	int64_t start;

	sim_alone(&rig, &before);
	rig_open(&rig, &opts);
	straggle(&s, &rig, 0);
	assert_true(holding(&rig).held.fds > 0);
	assert_true(holding(&rig).held.mappings > 0);
	vfiosafe_sim_request_release(rig.sim);
	if (by_address)
		wait_for_request(&rig);
	start = now_ms();
	assert_int_equal(vfiosafe_device_close(rig.dev, 100), -EBUSY);
	assert_holds_nothing(&rig, &before);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_GONE);
	assert_true(now_ms() - start < 1000);
	arrived = rig_counts(&rig).stores;
	goes_on(&s);
	assert_int_equal(__atomic_load_n(&s.seen, __ATOMIC_RELAXED), UINT32_MAX);
	assert_int_equal(rig_counts(&rig).stores, arrived);
	leave(&s);
	assert_int_equal(s.end, -ENODEV);
	rig_close(&rig);
}

static void an_open_section_does_not_keep_the_kernels_device(void **state)
{
	(void)state;
	rig_install();
	requested(true);
	rig_restore();
}

/* The simulation's own fd stands for that of whoever it was adopted from. */
static void nor_that_of_an_adopted_one(void **state)
{
	(void)state;
	rig_install();
	requested(false);
	rig_restore();
}

/* The SIGBUS handler and the close replace the same memory at the same time. */
static void a_close_in_the_middle_of_faults(void **state)
{
	struct holding before;
	struct rig rig;

	(void)state;
	rig_install();
	sim_alone(&rig, &before);
	for (int i = 0; i < 60; i++) {
		struct rig_opts opts = { .by_address = true };
		struct straggler s[2];

		rig_open(&rig, &opts);
		straggle(&s[0], &rig, 0);
		straggle(&s[1], &rig, 1);
		rig_away(&rig, (enum way)(i % WAYS));
		assert_int_equal(vfiosafe_device_close(rig.dev, 0), -EBUSY);
		assert_holds_nothing(&rig, &before);
		goes_on(&s[0]);
		leave(&s[0]);
		leave(&s[1]);
		assert_int_equal(s[0].end, -ENODEV);
		assert_int_equal(s[1].end, -ENODEV);
		rig_close(&rig);
	}
	assert_int_equal(count_maps(ONES_MAP), 0);
	rig_restore();
}

/* Threads that make single accesses, through the mapping and through the fd. */
struct worker {
	struct vfiosafe_view view;
	unsigned int width;
	bool wrong;
	uint64_t done;
	int rc;
	pthread_t thread;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint32_t id = 0;
	uint8_t byte = 0;

	do {
		w->rc = w->width == 4 ? vfiosafe_read32(&w->view, VFIOSAFE_SIM_REG_ID, &id)
				      : vfiosafe_read8(&w->view, 0, &byte);
		if (w->rc == 0)
			w->wrong |= w->width == 4 ? id != VFIOSAFE_SIM_ID : byte != 0x77;
		__atomic_add_fetch(&w->done, 1, __ATOMIC_RELEASE);
	} while (w->rc == 0);
	return NULL;
}

static void start(struct worker *w, struct vfiosafe_bar *bar, unsigned int width)
{
	*w = (struct worker){ .width = width };
	assert_int_equal(vfiosafe_bar_view(bar, &w->view), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
	until(__atomic_load_n(&w->done, __ATOMIC_ACQUIRE) > 10);
}

static void accesses_under_way_end_with_gone_and_no_value(void **state)
{
	struct rig_opts opts = { .by_address = true };
	struct rig rig;

	(void)state;
	rig_install();
	for (int i = 0; i < 100; i++) {
		struct vfiosafe_bar *memory;
		struct vfiosafe_view view;
		struct straggler s;
		struct worker w[2];

		rig_open(&rig, &opts);
		assert_int_equal(vfiosafe_bar_map(&memory, rig.dev, 2, 0, 0, 0), 0);
		assert_int_equal(vfiosafe_bar_view(memory, &view), 0);
		assert_int_equal(vfiosafe_write8(&view, 0, 0x77), 0);
		straggle(&s, &rig, 0);
		start(&w[0], rig.bar, 4);
		start(&w[1], memory, 1);
		assert_int_equal(vfiosafe_device_close(rig.dev, 0), -EBUSY);
		for (int k = 0; k < 2; k++) {
			pthread_join(w[k].thread, NULL);
			assert_int_equal(w[k].rc, -ENODEV);
			assert_false(w[k].wrong);
		}
		leave(&s);
		rig_close(&rig);
	}
	rig_restore();
}

static void *reset(void *arg)
{
	struct rig *rig = arg;

	return (void *)(intptr_t)vfiosafe_reset(rig->dev, NULL);
}

/* The call that is under way holds the device until it returns, and no longer. */
static void a_reset_under_way_is_the_last(void **state)
{
	struct rig_opts opts = { .by_address = true, .window_us = 100000 };
	struct holding before;
	pthread_t thread;
	struct rig rig;
	void *rc;

	(void)state;
	rig_install();
	sim_alone(&rig, &before);
	rig_open(&rig, &opts);
	assert_int_equal(pthread_create(&thread, NULL, reset, &rig), 0);
	until(rig_counts(&rig).windows == 1);
	assert_int_equal(vfiosafe_device_close(rig.dev, 10), -EBUSY);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -ENODEV);
	assert_int_equal(rig_counts(&rig).resets, 1);
	assert_holds_nothing(&rig, &before);
	assert_int_equal(rig.reinits, 0);
	rig_close(&rig);
	rig_restore();
}

/* Pulled out in each state that a device can be in. */
static void unplugged_in(int which)
{
	struct rig_opts opts = { .by_address = true };
	struct vfiosafe_window *win = NULL;
	struct holding before;
	struct rig rig;
	int64_t begin;

	sim_alone(&rig, &before);
	rig_open(&rig, &opts);
	if (which == 1)
		assert_int_equal(vfiosafe_mark_lost(rig.dev, NULL), 0);
	if (which == 2)
		assert_int_equal(vfiosafe_set_decode(rig.dev, false, NULL), 0);
	if (which >= 3)
		assert_int_equal(vfiosafe_window_begin(&win, rig.dev, NULL), 0);
	if (which >= 4)
		until(vfiosafe_window_poll(win) == VFIOSAFE_STEP_COMMIT);
	if (which == 5)
		assert_int_equal(vfiosafe_window_commit(win), 0);
	vfiosafe_sim_unplug(rig.sim);
	if (which == 4)
		assert_int_not_equal(vfiosafe_window_commit(win), 0);
	begin = now_ms();
	wait_for_request(&rig);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), -EBUSY);
	vfiosafe_window_end(win);
	assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
	assert_holds_nothing(&rig, &before);
	assert_true(now_ms() - begin < 1000);
	vfiosafe_sim_close(rig.sim);
}

static void a_device_that_was_pulled_out_is_closed_in_any_state(void **state)
{
	(void)state;
	rig_install();
	for (int which = 0; which <= 5; which++)
		unplugged_in(which);
	rig_restore();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_section_does_not_keep_the_kernels_device),
		cmocka_unit_test(nor_that_of_an_adopted_one),
		cmocka_unit_test(a_close_in_the_middle_of_faults),
		cmocka_unit_test(accesses_under_way_end_with_gone_and_no_value),
		cmocka_unit_test(a_reset_under_way_is_the_last),
		cmocka_unit_test(a_device_that_was_pulled_out_is_closed_in_any_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
