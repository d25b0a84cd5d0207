/* SPDX-License-Identifier: MIT */
/* The simulated device raises SIGBUS as the kernel does for one that is away. */
#include "fault_rig.h"

#include <errno.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf out;
static volatile uintptr_t faulted;
static volatile int code;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	faulted = (uintptr_t)info->si_addr;
	code = info->si_code;
	siglongjmp(out, 1);
}

static struct sigaction catch_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO };
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	return before;
}

static bool load(volatile uint32_t *at, uint32_t *value)
{
	if (sigsetjmp(out, 1) == 0) {
		*value = *at;
		return true;
	}
	assert_int_equal(code, BUS_ADRERR);
	assert_int_equal(faulted, (uintptr_t)at);
	return false;
}

static bool load_faults(volatile uint32_t *at)
{
	uint32_t value;

	return !load(at, &value);
}

struct raw {
	struct rig rig;
	uint8_t *bar;
	struct sigaction before;
};

static volatile uint32_t *reg(const struct raw *raw, uint32_t offset)
{
	return (volatile uint32_t *)(void *)(raw->bar + offset);
}

static void raw_open(struct raw *raw, const struct rig_opts *opts)
{
	const struct vfiosafe_sys *sys;
	struct rig_opts no_bar = { .no_bar = true };
	void *bar = NULL;

	if (opts)
		no_bar = *opts;
	no_bar.no_bar = true;
	rig_open(&raw->rig, &no_bar);
	sys = raw->rig.sys;
	assert_int_equal(sys->mmap(sys->ctx, &bar, BAR_LEN, PROT_READ | PROT_WRITE,
				   MAP_SHARED, vfiosafe_sim_device_fd(raw->rig.sim), 0),
			 0);
	raw->bar = bar;
	raw->before = catch_sigbus();
}

static void raw_close(struct raw *raw)
{
	const struct vfiosafe_sys *sys = raw->rig.sys;

	assert_int_equal(sigaction(SIGBUS, &raw->before, NULL), 0);
	assert_int_equal(sys->munmap(sys->ctx, raw->bar, BAR_LEN), 0);
	rig_close(&raw->rig);
}

static ssize_t bar_pread(const struct raw *raw, uint32_t *value)
{
	const struct vfiosafe_sys *sys = raw->rig.sys;

	return sys->pread(sys->ctx, vfiosafe_sim_device_fd(raw->rig.sim), value, 4,
			  VFIOSAFE_SIM_REG_HOLD);
}

static void goes_away_and_comes_back(struct raw *raw, enum way way)
{
	uint64_t resets = rig_counts(&raw->rig).resets;
	uint32_t value = 0;

	*reg(raw, VFIOSAFE_SIM_REG_HOLD) = 0x77;
	*reg(raw, 0xf000) = 0x78;
	rig_away(&raw->rig, way);
	for (uint32_t at = 0; at < BAR_LEN; at += PAGE)
		assert_true(load_faults(reg(raw, at)));
	/* The kernel resumes a device in low power for a pread; not the others. */
	assert_int_equal(bar_pread(raw, &value), way == LOW_POWER ? 4 : -EIO);
	rig_back(&raw->rig, way);
	for (uint32_t at = 0; at < BAR_LEN; at += PAGE)
		assert_false(load_faults(reg(raw, at)));
	assert_int_equal(*reg(raw, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	assert_int_equal(*reg(raw, VFIOSAFE_SIM_REG_HOLD), way == D3HOT ? 0 : 0x77);
	assert_int_equal(*reg(raw, 0xf000), way == D3HOT ? 0 : 0x78);
	assert_int_equal(rig_counts(&raw->rig).resets, resets + (way == D3HOT));
}

static void a_bar_that_is_away_faults_and_comes_back(void **state)
{
	struct raw raw;

	(void)state;
	raw_open(&raw, NULL);
	for (int i = 0; i < 3; i++)
		for (enum way way = 0; way < WAYS; way++)
			goes_away_and_comes_back(&raw, way);
	raw_close(&raw);
}

static void the_same_with_mappings_that_can_stall(void **state)
{
	struct rig_opts opts = { .window = VFIOSAFE_SIM_STALL };
	struct raw raw;

	(void)state;
	raw_open(&raw, &opts);
	for (enum way way = 0; way < WAYS; way++)
		goes_away_and_comes_back(&raw, way);
	raw_close(&raw);
}

static void it_is_back_only_when_nothing_keeps_it_away(void **state)
{
	struct raw raw;

	(void)state;
	raw_open(&raw, NULL);
	for (enum way way = 0; way < WAYS; way++)
		rig_away(&raw.rig, way == D3HOT	      ? LOW_POWER
				   : way == LOW_POWER ? D3HOT
						      : way);
	for (enum way way = 0; way < WAYS; way++) {
		assert_true(load_faults(reg(&raw, 0)));
		rig_back(&raw.rig, way);
	}
	assert_false(load_faults(reg(&raw, 0)));
	raw_close(&raw);
}

static int raw_reset(const struct raw *raw)
{
	const struct vfiosafe_sys *sys = raw->rig.sys;

	return sys->ioctl(sys->ctx, vfiosafe_sim_device_fd(raw->rig.sim),
			  VFIO_DEVICE_RESET, NULL);
}

static void a_reset_ends_d3hot_only(void **state)
{
	struct raw raw;

	(void)state;
	raw_open(&raw, NULL);
	for (enum way way = 0; way < WAYS; way++) {
		uint64_t resets = rig_counts(&raw.rig).resets;

		*reg(&raw, VFIOSAFE_SIM_REG_HOLD) = 0x79;
		rig_away(&raw.rig, way);
		assert_int_equal(raw_reset(&raw), 0);
		assert_int_equal(load_faults(reg(&raw, 0)), way != D3HOT);
		/* Out of D3hot it loses its state once more. */
		assert_int_equal(rig_counts(&raw.rig).resets,
				 resets + 1 + (way == D3HOT));
		rig_back(&raw.rig, way);
		assert_int_equal(*reg(&raw, VFIOSAFE_SIM_REG_HOLD), 0);
	}
	raw_close(&raw);
}

static int feature(const struct raw *raw, uint32_t flags)
{
	const struct vfiosafe_sys *sys = raw->rig.sys;
	struct vfio_device_feature arg = { .argsz = sizeof(arg), .flags = flags };

	return sys->ioctl(sys->ctx, vfiosafe_sim_device_fd(raw->rig.sim),
			  VFIO_DEVICE_FEATURE, &arg);
}

static void low_power_follows_the_kernels_rules(void **state)
{
	const uint32_t entry = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	const uint32_t leave = VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
	const uint32_t set = VFIO_DEVICE_FEATURE_SET, get = VFIO_DEVICE_FEATURE_GET;
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE;
	struct raw raw;

	(void)state;
	raw_open(&raw, NULL);
	assert_int_equal(feature(&raw, probe | entry), 0);
	assert_int_equal(feature(&raw, probe | set | leave), 0);
	assert_int_equal(feature(&raw, probe | get | entry), -EINVAL);
	assert_int_equal(feature(&raw, get | entry), -EINVAL);
	assert_int_equal(feature(&raw, get | set | entry), -EINVAL);
	assert_int_equal(feature(&raw, entry), -EINVAL);
	assert_int_equal(feature(&raw, probe | VFIO_DEVICE_FEATURE_MIGRATION), -ENOTTY);
	assert_false(load_faults(reg(&raw, 0)));
	assert_int_equal(feature(&raw, set | entry), 0);
	assert_int_equal(feature(&raw, set | entry), -EINVAL);
	assert_int_equal(feature(&raw, set | leave), 0);
	assert_int_equal(feature(&raw, set | leave), 0);
	assert_false(load_faults(reg(&raw, 0)));
	raw_close(&raw);
}

struct storer {
	volatile uint64_t *word;
	uint64_t last; /* stored without a fault */
};

/* Stores until it faults; only the thread that runs jumps. */
static void *store_until_fault(void *arg)
{
	struct storer *storer = arg;
	volatile uint64_t next = 0;

	if (sigsetjmp(out, 1) == 0)
		for (;;) {
			__atomic_store_n(storer->word, next + 1, __ATOMIC_RELAXED);
			next++;
		}
	storer->last = next;
	return NULL;
}

static void a_store_that_did_not_fault_is_kept(void **state)
{
	struct raw raw;

	(void)state;
	raw_open(&raw, NULL);
	for (int i = 0; i < 200; i++) {
		struct storer storer = {
			.word = (volatile uint64_t *)(void *)(raw.bar + 0xa000 +
							      i % 16 * 8),
		};
		uint64_t at_begin = *storer.word;
		pthread_t thread;

		assert_int_equal(
			pthread_create(&thread, NULL, store_until_fault, &storer), 0);
		until(__atomic_load_n(storer.word, __ATOMIC_RELAXED) != at_begin);
		rig_away(&raw.rig, i & 1 ? DECODE_OFF : LOW_POWER);
		assert_int_equal(pthread_join(thread, NULL), 0);
		rig_back(&raw.rig, i & 1 ? DECODE_OFF : LOW_POWER);
		assert_true(*storer.word == storer.last);
	}
	raw_close(&raw);
}

static void *reset_behind(void *arg)
{
	vfiosafe_sim_reset_behind(arg);
	return NULL;
}

/* How often a load of each kind was met in one window behind VFIO. */
static void look_through_window(struct raw *raw, unsigned int *ones, unsigned int *faults)
{
	uint64_t resets = rig_counts(&raw->rig).resets;
	uint32_t value;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, reset_behind, raw->rig.sim), 0);
	while (rig_counts(&raw->rig).resets == resets)
		if (load(reg(raw, 0), &value))
			*ones += value == UINT32_MAX;
		else
			++*faults;
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void a_window_of_kind_sigbus_faults_and_ends(void **state)
{
	struct rig_opts opts = { .window = VFIOSAFE_SIM_SIGBUS, .window_us = 20000 };
	unsigned int ones = 0, faults = 0;
	struct raw raw;

	(void)state;
	raw_open(&raw, &opts);
	for (int i = 0; i < 3; i++)
		look_through_window(&raw, &ones, &faults);
	assert_int_equal(ones, 0);
	assert_true(faults > 0);
	assert_false(load_faults(reg(&raw, 0)));
	assert_int_equal(*reg(&raw, 0), VFIOSAFE_SIM_ID);
	raw_close(&raw);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_bar_that_is_away_faults_and_comes_back),
	cmocka_unit_test(the_same_with_mappings_that_can_stall),
	cmocka_unit_test(it_is_back_only_when_nothing_keeps_it_away),
	cmocka_unit_test(a_reset_ends_d3hot_only),
	cmocka_unit_test(low_power_follows_the_kernels_rules),
	cmocka_unit_test(a_store_that_did_not_fault_is_kept),
	cmocka_unit_test(a_window_of_kind_sigbus_faults_and_ends),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
