/* SPDX-License-Identifier: MIT */
/* Handlers installed after ours that call it with whatever they have. */
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static struct sigaction before;
static siginfo_t *handed_on;
static volatile int app_calls, app_code;
static volatile uint8_t *volatile foreign;

static void careless(int sig, siginfo_t *info, void *context)
{
	(void)info;
	before.sa_sigaction(sig, handed_on, context);
}

static void careless_after_ours(struct rig *rig)
{
	struct sigaction action = { .sa_sigaction = careless, .sa_flags = SA_SIGINFO };

	rig_install();
	rig_open(rig, NULL);
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
}

/* Ours takes it for nobody's, whatever the pointer is. */
static void touch_with(siginfo_t *info)
{
	struct rig rig;
	uint32_t value;

	handed_on = info;
	careless_after_ours(&rig);
	rig_away(&rig, DECODE_OFF);
	(void)rig_touch(&rig, VFIOSAFE_SIM_REG_HOLD, &value);
}

static void with_null(void)
{
	touch_with(NULL);
}

static void with_a_small_number(void)
{
	touch_with((siginfo_t *)(uintptr_t)16);
}

static void with_an_odd_pointer(void)
{
	static char bytes[sizeof(siginfo_t) + 1];

	touch_with((siginfo_t *)(void *)(bytes + 1));
}

static void with_memory_that_ends(void)
{
	uint8_t *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
	/* The number and the code, but no address. */
	*(int *)(void *)(page + PAGE - 16) = SIGBUS;
	*(int *)(void *)(page + PAGE - 16 + offsetof(siginfo_t, si_code)) = BUS_ADRERR;
	touch_with((siginfo_t *)(void *)(page + PAGE - 16));
}

static void with_something_else(void)
{
	static siginfo_t zeroes;

	touch_with(&zeroes);
}

static void app_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	assert_null(context);
	app_calls++;
	app_code = info->si_code;
	foreign_repair(foreign);
}

static void the_application_gets_one_it_can_read(void)
{
	struct sigaction action = { .sa_sigaction = app_handler, .sa_flags = SA_SIGINFO };
	struct rig rig;

	assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
	handed_on = (siginfo_t *)(uintptr_t)16;
	careless_after_ours(&rig);
	foreign = foreign_page();
	assert_int_equal(foreign[0], 0);
	assert_int_equal(app_calls, 1);
	assert_int_equal(app_code, SI_KERNEL);
	rig_close(&rig);
}

static void installed_again(void)
{
	struct sigaction now;
	struct rig rig;

	handed_on = (siginfo_t *)(uintptr_t)16;
	careless_after_ours(&rig);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	assert_int_equal(vfiosafe_sigbus_install(), -EALREADY);
	bar_faults_are_survived(&rig, 20);
	rig_restore();
	assert_int_equal(vfiosafe_sigbus_restore(), -EBUSY);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	bar_faults_are_survived(&rig, 1);
	rig_restore();
	assert_int_equal(vfiosafe_sigbus_restore(), -ENOENT);
	assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL);
	rig_close(&rig);
}

static void chain_on(int sig, siginfo_t *info, void *context)
{
	before.sa_sigaction(sig, info, context);
}

/* A handler that needs no second install: it must not go in circles. */
static void around_one_that_chains(void)
{
	struct sigaction action = { .sa_sigaction = chain_on, .sa_flags = SA_SIGINFO };
	struct rig rig;

	rig_install();
	rig_open(&rig, NULL);
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	bar_faults_are_survived(&rig, 5);
	(void)foreign_page()[0];
}

static void a_third_time(void)
{
	struct rig rig;

	careless_after_ours(&rig);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	signal(SIGBUS, SIG_IGN);
	assert_int_equal(vfiosafe_sigbus_install(), -EBUSY);
	rig_close(&rig);
}

static const struct scene scenes[] = {
	{ "without a siginfo: SIGBUS", with_null, DIES_OF_SIGBUS, NULL },
	{ "with a small number: SIGBUS", with_a_small_number, DIES_OF_SIGBUS, NULL },
	{ "with an odd pointer: SIGBUS", with_an_odd_pointer, DIES_OF_SIGBUS, NULL },
	{ "with memory that ends: SIGBUS", with_memory_that_ends, DIES_OF_SIGBUS, NULL },
	{ "with something else: SIGBUS", with_something_else, DIES_OF_SIGBUS, NULL },
	{ "the handler before ours gets a siginfo that it can read",
	  the_application_gets_one_it_can_read, RETURNS, NULL },
	{ "installed again: faults are survived, two restores", installed_again, RETURNS,
	  NULL },
	{ "installed again around one that chains: a foreign fault is SIGBUS",
	  around_one_that_chains, DIES_OF_SIGBUS, NULL },
	{ "a third handler of ours is refused", a_third_time, RETURNS, NULL },
};

int main(void)
{
	return scenes_run(scenes, sizeof(scenes) / sizeof(scenes[0]));
}
