/* SPDX-License-Identifier: MIT */
/* Readers, writers and resetters against each other, on the simulated device. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "rig.h"

#define WINDOWS 2000

static const struct vfiosafe_sim_opts fast = {
	.size = sizeof(fast),
	.window = VFIOSAFE_SIM_ALL_ONES,
	.window_us = 20,
};

struct worker {
	struct rig *rig;
	const bool *stop;
	unsigned int seed;
	uint64_t good, refused, wrong;
	int unexpected; /* an error that no reset explains */
};

static bool stopped(const bool *stop)
{
	return __atomic_load_n(stop, __ATOMIC_ACQUIRE);
}

/* A refusal that a window explains; waits until it is over. */
static bool refused(struct worker *w, int rc)
{
	if (rc != -EAGAIN && rc != -ESTALE) {
		w->unexpected = rc;
		return false;
	}
	w->refused++;
	rc = vfiosafe_wait(w->rig->dev, vfiosafe_deadline_in_ms(10000));
	if (rc < 0)
		w->unexpected = rc;
	return rc == 0;
}

/* One section: what reinit stored and what the register holds must agree. */
static int read_section(struct worker *w)
{
	volatile uint8_t *regs;
	struct vfiosafe_section sec;
	uint32_t want, got;
	int rc = vfiosafe_begin(&w->rig->view, &sec);

	if (rc < 0)
		return rc;
	regs = vfiosafe_ptr(&sec);
	want = w->rig->want;
	got = __atomic_load_n((volatile uint32_t *)(regs + VFIOSAFE_SIM_REG_HOLD),
			      __ATOMIC_RELAXED);
	rc = vfiosafe_end(&sec);
	if (rc == 0) {
		w->good++;
		w->wrong += got != want;
	}
	return rc;
}

/* One store into the device's log, in a section that also reads the generation. */
static int log_store(struct worker *w, uint32_t slot)
{
	volatile uint8_t *regs;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&w->rig->view, &sec);

	if (rc < 0)
		return rc;
	regs = vfiosafe_ptr(&sec);
	__atomic_store_n((volatile uint64_t *)(regs + VFIOSAFE_SIM_REG_LOG) +
				 slot % VFIOSAFE_SIM_LOG_SLOTS,
			 w->rig->generation << 32 | 1, __ATOMIC_RELAXED);
	rc = vfiosafe_end(&sec);
	w->good += rc == 0;
	return rc;
}

static void *reader(void *arg)
{
	struct worker *w = arg;
	int rc;

	while (!stopped(w->stop)) {
		rc = read_section(w);
		if (rc < 0 && !refused(w, rc))
			break;
	}
	return NULL;
}

static void *writer(void *arg)
{
	struct worker *w = arg;
	uint32_t slot = w->seed;
	int rc;

	while (!stopped(w->stop)) {
		rc = log_store(w, slot++);
		if (rc < 0 && !refused(w, rc))
			break;
	}
	return NULL;
}

static void guarded_threads_never_see_another_generation(void **state)
{
	struct vfiosafe_sim_counts counts;
	struct rig rig = { 0 };
	bool stop = false;
	struct worker w[3] = {
		{ .rig = &rig, .stop = &stop },
		{ .rig = &rig, .stop = &stop },
		{ .rig = &rig, .stop = &stop, .seed = 7 },
	};
	pthread_t thread[3];

	(void)state;
	rig_open(&rig, &fast);
	pthread_create(&thread[0], NULL, reader, &w[0]);
	pthread_create(&thread[1], NULL, reader, &w[1]);
	pthread_create(&thread[2], NULL, writer, &w[2]);
	for (int i = 0; i < WINDOWS; i++)
		assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(w[i].unexpected, 0);
		assert_int_equal(w[i].wrong, 0);
		assert_true(w[i].good > 0);
	}
	vfiosafe_sim_counts(rig.sim, &counts);
	assert_int_equal(counts.resets, WINDOWS);
	assert_int_equal(counts.foreign_stores, 0);
	assert_true(counts.stores > 0);
	assert_int_equal(vfiosafe_device_generation(rig.dev), WINDOWS + 1);
	rig_close(&rig);
}

struct parked {
	struct rig *rig;
	pthread_barrier_t in, out;
	int end;
};

static void *park_in_section(void *arg)
{
	struct parked *p = arg;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&p->rig->view, &sec);

	pthread_barrier_wait(&p->in);
	pthread_barrier_wait(&p->out);
	p->end = rc < 0 ? rc : vfiosafe_end(&sec);
	return NULL;
}

/* Ordering, not time: the resets of B all return while A's section is open. */
static void a_reader_stuck_in_one_device_does_not_delay_another(void **state)
{
	struct vfiosafe_reset_opts soon = { .size = sizeof(soon), .timeout_ms = 20 };
	struct rig a = { 0 }, b = { 0 };
	struct parked parked = { .rig = &a };
	pthread_t thread;

	(void)state;
	rig_open(&a, &fast);
	rig_open(&b, &fast);
	pthread_barrier_init(&parked.in, NULL, 2);
	pthread_barrier_init(&parked.out, NULL, 2);
	pthread_create(&thread, NULL, park_in_section, &parked);
	pthread_barrier_wait(&parked.in);
	for (int i = 0; i < 100; i++)
		assert_int_equal(vfiosafe_reset(b.dev, NULL), 0);
	assert_int_equal(vfiosafe_device_generation(b.dev), 101);
	assert_int_equal(vfiosafe_reset(a.dev, &soon), -ETIMEDOUT);
	assert_non_null(strstr(vfiosafe_error_text(), "thread"));
	assert_int_equal(vfiosafe_device_generation(a.dev), 1);
	assert_int_equal(vfiosafe_device_state(a.dev), VFIOSAFE_LIVE);
	pthread_barrier_wait(&parked.out);
	pthread_join(thread, NULL);
	assert_int_equal(parked.end, 0);
	assert_int_equal(vfiosafe_reset(a.dev, NULL), 0);
	rig_close(&a);
	rig_close(&b);
}

static void *short_lived(void *arg)
{
	struct worker *w = arg;
	int rc;

	for (int i = 0; i < 20; i++) {
		rc = read_section(w);
		if (rc < 0 && !refused(w, rc))
			break;
	}
	return NULL;
}

static void *spawner(void *arg)
{
	struct worker *w = arg;
	pthread_t thread[4];

	while (!stopped(w->stop)) {
		struct worker each[4] = { 0 };

		for (int i = 0; i < 4; i++) {
			each[i].rig = w->rig;
			pthread_create(&thread[i], NULL, short_lived, &each[i]);
		}
		for (int i = 0; i < 4; i++) {
			pthread_join(thread[i], NULL);
			w->good += each[i].good;
			w->wrong += each[i].wrong;
			w->unexpected |= each[i].unexpected;
		}
	}
	return NULL;
}

static void threads_come_and_go_during_windows(void **state)
{
	struct rig rig = { 0 };
	bool stop = false;
	struct worker w = { .rig = &rig, .stop = &stop };
	pthread_t thread;

	(void)state;
	rig_open(&rig, &fast);
	pthread_create(&thread, NULL, spawner, &w);
	for (int i = 0; i < 500; i++)
		assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(w.unexpected, 0);
	assert_int_equal(w.wrong, 0);
	assert_true(w.good > 0);
	rig_close(&rig);
}

static void *resetter(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < 200 && w->unexpected == 0; i++)
		w->unexpected = vfiosafe_reset(w->rig->dev, NULL);
	return NULL;
}

static void concurrent_resets_join_and_all_succeed(void **state)
{
	struct vfiosafe_sim_counts counts;
	struct rig rig = { 0 };
	struct worker w[4] = { 0 };
	pthread_t thread[4];

	(void)state;
	rig_open(&rig, &fast);
	for (int i = 0; i < 4; i++) {
		w[i].rig = &rig;
		pthread_create(&thread[i], NULL, resetter, &w[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(w[i].unexpected, 0);
	}
	vfiosafe_sim_counts(rig.sim, &counts);
	assert_true(counts.resets >= 200 && counts.resets <= 800);
	/* C3: as many generations as the device lost its state. */
	assert_int_equal(vfiosafe_device_generation(rig.dev), counts.resets + 1);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guarded_threads_never_see_another_generation),
		cmocka_unit_test(a_reader_stuck_in_one_device_does_not_delay_another),
		cmocka_unit_test(threads_come_and_go_during_windows),
		cmocka_unit_test(concurrent_resets_join_and_all_succeed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
