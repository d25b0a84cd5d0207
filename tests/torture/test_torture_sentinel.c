/* SPDX-License-Identifier: MIT */
/*
 * A storm of resets behind the library. Readers that end their sections with a look at
 * the sentinel are never told a wrong value; a reader beside them that does not look is,
 * which shows that there was something to be seen.
 *
 * The sentinel is HOLD, what is read is HOLD64: the simulated device goes down and
 * comes up register by register, in this order, where a real one does both at once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#define STORM 1000
#define READERS 2
#define MAGIC UINT64_C(0x5afe00000000)

struct rig {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint64_t want; /* changed by reinit, alone */
	bool stop;
};

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct rig *rig = ctx;
	struct vfiosafe_sentinel s = { .size = sizeof(s),
				       .bar = rig->bar,
				       .offset = VFIOSAFE_SIM_REG_HOLD,
				       .width = 4,
				       .mask = UINT32_MAX,
				       .writable = true };

	rig->want = MAGIC | vfiosafe_device_generation(dev);
	/* First: what follows is vouched for. */
	return vfiosafe_set_sentinel(dev, &s) ?:
	       vfiosafe_bar_view(rig->bar, &rig->view) ?:
	       vfiosafe_write64(&rig->view, VFIOSAFE_SIM_REG_HOLD64, rig->want);
}

static void rig_open(struct rig *rig)
{
	const struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts),
						    .window_us = 20 };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .recover_on_wait = true };

	assert_int_equal(vfiosafe_sim_open(&rig->sim, "sim:reg", &sim_opts), 0);
	opts.sys = vfiosafe_sim_sys(rig->sim);
	assert_int_equal(vfiosafe_device_from_fd(&rig->dev,
						 vfiosafe_sim_device_fd(rig->sim), &opts),
			 0);
	assert_int_equal(vfiosafe_bar_map(&rig->bar, rig->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(rig->dev, &ops, rig), 0);
	assert_int_equal(reinit(rig->dev, rig), 0);
}

struct reader {
	struct rig *rig;
	bool checks;
	uint64_t good, wrong;
	int unexpected;
};

/* A register read, and what reinit left there, of one generation; or an error. */
static int read_once(struct reader *r)
{
	volatile uint8_t *regs;
	struct vfiosafe_section sec;
	uint64_t want, got;
	int rc = vfiosafe_begin(&r->rig->view, &sec);

	if (rc < 0)
		return rc;
	regs = vfiosafe_ptr(&sec);
	want = r->rig->want;
	got = __atomic_load_n((volatile uint64_t *)(regs + VFIOSAFE_SIM_REG_HOLD64),
			      __ATOMIC_RELAXED);
	rc = r->checks ? vfiosafe_end_checked(&sec) : vfiosafe_end(&sec);
	if (rc == 0) {
		r->good += got == want;
		r->wrong += got != want;
	}
	return rc;
}

/* Until the device is LIVE again; a reset may well come in the middle of that. */
static int wait_live(struct reader *r)
{
	int rc;

	do
		rc = vfiosafe_wait(r->rig->dev, vfiosafe_deadline_in_ms(20000));
	while (rc == -EIO && !__atomic_load_n(&r->rig->stop, __ATOMIC_ACQUIRE));
	return rc;
}

static void *reader(void *arg)
{
	struct reader *r = arg;
	int rc;

	while (!__atomic_load_n(&r->rig->stop, __ATOMIC_ACQUIRE) && !r->unexpected) {
		rc = read_once(r);
		if (rc == 0)
			continue;
		if (rc == -EIO || rc == -EAGAIN || rc == -ESTALE)
			rc = wait_live(r);
		if (rc < 0 && rc != -EIO)
			r->unexpected = rc;
	}
	return NULL;
}

static void *storm(void *arg)
{
	struct rig *rig = arg;
	unsigned int seed = 1;

	/* Windows of all phases of the readers, the recovery included. */
	for (int i = 0; i < STORM; i++) {
		vfiosafe_sim_reset_behind(rig->sim);
		for (int pause = rand_r(&seed) % 400; pause > 0; pause -= 100)
			vfiosafe_sys_default()->sleep_ns(NULL, 1000);
	}
	return NULL;
}

static void no_wrong_value_passes_a_checked_end(void **state)
{
	struct rig rig = { 0 };
	struct reader r[READERS + 1] = { 0 };
	struct vfiosafe_probe_counts counts;
	pthread_t thread[READERS + 2];

	(void)state;
	rig_open(&rig);
	for (int i = 0; i <= READERS; i++) {
		r[i].rig = &rig;
		r[i].checks = i < READERS;
		pthread_create(&thread[i], NULL, reader, &r[i]);
	}
	pthread_create(&thread[READERS + 1], NULL, storm, &rig);
	pthread_join(thread[READERS + 1], NULL);
	__atomic_store_n(&rig.stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i <= READERS; i++)
		pthread_join(thread[i], NULL);
	vfiosafe_probe_counts(rig.dev, &counts);
	print_message("checked: %llu good, %llu wrong; unchecked: %llu good, %llu wrong; "
		      "%llu resets behind the library noticed\n",
		      (unsigned long long)(r[0].good + r[1].good),
		      (unsigned long long)(r[0].wrong + r[1].wrong),
		      (unsigned long long)r[READERS].good,
		      (unsigned long long)r[READERS].wrong,
		      (unsigned long long)counts.sentinel);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(r[i].unexpected, 0);
		assert_int_equal(r[i].wrong, 0);
		assert_true(r[i].good > 0);
	}
	assert_int_equal(r[READERS].unexpected, 0);
	assert_true(r[READERS].wrong > 0);
	assert_true(counts.sentinel > 0);
	assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
	vfiosafe_sim_close(rig.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_wrong_value_passes_a_checked_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
