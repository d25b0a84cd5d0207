/* SPDX-License-Identifier: MIT */
/* A fault at the worst moment: when one BAR is mapped back, and the other not yet. */
#include "fault_rig.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#define OFFSET 8

static const struct vfiosafe_sys *host;
static struct rig rig;
static struct vfiosafe_bar *first; /* to be mapped back: made last */
static int armed;		   /* for the mapping that makes it 0 */
static bool go;
static uint64_t handled;

static void count_and_handle(int sig, siginfo_t *info, void *context)
{
	if (vfiosafe_sigbus_handle(sig, info, context))
		__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
	else
		signal(sig, SIG_DFL);
}

static void touch(const struct vfiosafe_bar *bar)
{
	volatile uint8_t *base = vfiosafe_bar_address(bar);

	(void)*(volatile uint32_t *)(volatile void *)(base + OFFSET);
}

/* A raw pointer outside of sections, where it should not be. */
static void *touch_raw(void *arg)
{
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		sched_yield();
	touch(first);
	return arg;
}

/* The BAR is back: it goes away, somebody faults, it comes back. */
static void meet_a_fault(void)
{
	uint64_t before = __atomic_load_n(&handled, __ATOMIC_SEQ_CST);

	rig_away(&rig, DECODE_OFF);
	__atomic_store_n(&go, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&handled, __ATOMIC_SEQ_CST) == before)
		sched_yield();
	rig_back(&rig, DECODE_OFF);
}

static int armed_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		      uint64_t offset)
{
	int rc = host->mmap(ctx, addr, len, prot, flags, fd, offset);

	if (rc == 0 && armed > 0 && (flags & MAP_FIXED) && --armed == 0)
		meet_a_fault();
	return rc;
}

static void open_armed(struct vfiosafe_sys *sys)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .sys = sys };
	struct rig_opts no_bar = { .no_bar = true };

	rig_open(&rig, &no_bar);
	assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
	host = rig.sys;
	*sys = *host;
	sys->mmap = armed_mmap;
	assert_int_equal(
		vfiosafe_device_from_fd(&rig.dev, vfiosafe_sim_device_fd(rig.sim), &opts),
		0);
	assert_int_equal(vfiosafe_bar_map(&rig.bar, rig.dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_bar_map(&first, rig.dev, 0, 3 * PAGE, PAGE, 0), 0);
}

/* Recovers until a value is delivered; that one has to be the device's. */
static uint32_t recovered_value(void)
{
	uint32_t value = 1;

	do {
		while (vfiosafe_recover(rig.dev, NULL) < 0)
			;
		/* The other thread may fault as soon as the device is LIVE. */
	} while (vfiosafe_bar_view(first, &rig.view) < 0 ||
		 vfiosafe_read32(&rig.view, OFFSET, &value) < 0);
	return value;
}

/* LIVE over the real BAR, or FAULT: never LIVE over private ones. */
static void no_device_is_live_over_private_memory(void **state)
{
	struct sigaction action = { .sa_sigaction = count_and_handle,
				    .sa_flags = SA_SIGINFO };
	struct sigaction before;
	struct vfiosafe_sys sys;

	(void)state;
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	open_armed(&sys);
	for (int i = 0; i < 50; i++) {
		pthread_t thread;

		go = false;
		assert_int_equal(pthread_create(&thread, NULL, touch_raw, NULL), 0);
		rig_away(&rig, DECODE_OFF);
		touch(first);
		touch(rig.bar);
		armed = 2;
		assert_int_equal(recovered_value(), 0);
		assert_int_equal(armed, 0);
		pthread_join(thread, NULL);
		assert_int_equal(recovered_value(), 0);
		assert_int_equal(count_maps(ONES_MAP), 0);
	}
	rig_close(&rig);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_device_is_live_over_private_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
