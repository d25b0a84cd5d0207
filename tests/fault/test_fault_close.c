/* SPDX-License-Identifier: MIT */
/*
 * The kernel wants its device back while sections are open: it gets it within a second,
 * and they run on over private memory.
 */
#include "fault_holding.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_section_does_not_keep_the_kernels_device),
		cmocka_unit_test(nor_that_of_an_adopted_one),
		cmocka_unit_test(a_close_in_the_middle_of_faults),
		cmocka_unit_test(accesses_under_way_end_with_gone_and_no_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
