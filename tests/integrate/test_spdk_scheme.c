/* SPDX-License-Identifier: MIT */
/*
 * Beside a handler after SPDK's scheme: installed before main, asks a list of takers
 * under a mutex, never chains. A taker maps ones over registers that it knows.
 */
#include "scene.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOR_EVER "the 1000th call of the scheme's handler"

static struct taker {
	void (*take)(const void *address, void *ctx);
	void *ctx;
} takers[4];
static int taker_count;
static pthread_mutex_t takers_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int scheme_calls;

static void scheme_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (++scheme_calls == 1000) {
		dprintf(STDERR_FILENO, FOR_EVER);
		_exit(1);
	}
	pthread_mutex_lock(&takers_lock);
	for (int i = 0; i < taker_count; i++)
		takers[i].take(info->si_addr, takers[i].ctx);
	pthread_mutex_unlock(&takers_lock);
}

static void scheme_install(void)
{
	struct sigaction action = { .sa_sigaction = scheme_handler,
				    .sa_flags = SA_SIGINFO };

	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

static void scheme_register(void (*take)(const void *, void *), void *ctx)
{
	pthread_mutex_lock(&takers_lock);
	takers[taker_count++] = (struct taker){ take, ctx };
	pthread_mutex_unlock(&takers_lock);
}

static void take_registers(const void *address, void *registers)
{
	uintptr_t page = (uintptr_t)address & ~(uintptr_t)(PAGE - 1);

	if (page != (uintptr_t)registers)
		return;
	foreign_repair(registers);
	memset(registers, 0xff, PAGE);
}

/* A page of its own device is gone, and its taker repairs it. */
static void own_registers_are_swapped(void)
{
	volatile uint8_t *registers = foreign_page();
	int calls = scheme_calls;

	scheme_register(take_registers, (void *)(uintptr_t)registers);
	assert_int_equal(registers[8], 0xff);
	assert_int_equal(scheme_calls, calls + 1);
}

static void ours_last(void)
{
	struct rig rig;

	scheme_install();
	rig_install();
	rig_open(&rig, NULL);
	bar_faults_are_survived(&rig, 20);
	assert_int_equal(scheme_calls, 0);
	own_registers_are_swapped();
	bar_faults_are_survived(&rig, 1);
	rig_restore();
	rig_close(&rig);
}

static void ours_last_foreign(void)
{
	scheme_install();
	rig_install();
	(void)foreign_page()[0];
}

static void scheme_after_ours(struct rig *rig)
{
	rig_install();
	rig_open(rig, NULL);
	scheme_install();
}

static void scheme_last(void)
{
	struct rig rig;
	uint32_t value;

	scheme_after_ours(&rig);
	warnings_listen("installed after ours");
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_true(warnings_heard() > 0);
	rig_away(&rig, DECODE_OFF);
	(void)rig_touch(&rig, VFIOSAFE_SIM_REG_HOLD, &value);
}

static void installed_again(void)
{
	struct rig rig;

	scheme_after_ours(&rig);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	bar_faults_are_survived(&rig, 20);
	assert_int_equal(scheme_calls, 0);
	own_registers_are_swapped();
	rig_restore();
	assert_int_equal(vfiosafe_sigbus_restore(), -EBUSY);
	rig_close(&rig);
}

/* The glue of docs/integrating.md. */
static void take_bars(const void *address, void *ctx)
{
	siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_ADRERR };

	(void)ctx;
	info.si_addr = (void *)(uintptr_t)address;
	(void)vfiosafe_sigbus_handle(SIGBUS, &info, NULL);
}

static void taker(void)
{
	struct rig rig;

	scheme_install();
	rig_open(&rig, NULL);
	scheme_register(take_bars, NULL);
	bar_faults_are_survived(&rig, 20);
	assert_int_equal(scheme_calls, 20);
	own_registers_are_swapped();
	rig_close(&rig);
}

static const struct scene scenes[] = {
	{ "ours after the scheme's: both take what is theirs", ours_last, RETURNS, NULL },
	{ "ours after the scheme's: a foreign fault comes back for ever",
	  ours_last_foreign, EXITS_1, FOR_EVER },
	{ "the scheme's after ours: the next window warns, a fault comes back for ever",
	  scheme_last, EXITS_1, FOR_EVER },
	{ "installed again: both take what is theirs", installed_again, RETURNS, NULL },
	{ "as one of its takers: both take what is theirs", taker, RETURNS, NULL },
};

int main(void)
{
	return scenes_run(scenes, sizeof(scenes) / sizeof(scenes[0]));
}
