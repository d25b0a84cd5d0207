/* SPDX-License-Identifier: MIT */
/*
 * Debian's DPDK and this library in one process; its EAL and its SIGBUS handler are
 * the real ones. The two orders and the ways out are those of docs/integrating.md.
 */
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* rte_eal.h and rte_dev.h: declared here, 200 packages come with the headers. */
int rte_eal_init(int argc, char **argv);
int rte_dev_hotplug_handle_enable(void);
int rte_dev_hotplug_handle_disable(void);

static volatile int app_calls;
static volatile uint8_t *volatile foreign;

static void eal(void)
{
	static char args[][16] = { "test", "--no-huge", "--no-pci",
				   "--no-telemetry", "--no-shconf", "-m", "8", "-l", "0" };
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = { NULL };
	int argc = 0;

	for (; argc < (int)(sizeof(args) / sizeof(args[0])); argc++)
		argv[argc] = args[argc];
	/* Otherwise it makes a directory in /var/run. */
	assert_int_equal(setenv("RUNTIME_DIRECTORY", RUNTIME_DIR, 1), 0);
	assert_true(rte_eal_init(argc, argv) >= 0);
}

static void dpdk(void)
{
	assert_int_equal(rte_dev_hotplug_handle_enable(), 0);
}

static void dpdk_off(void)
{
	assert_int_equal(rte_dev_hotplug_handle_disable(), 0);
}

static void app_handler(int sig)
{
	(void)sig;
	app_calls++;
	foreign_repair(foreign);
}

static void ours_after_dpdks(struct rig *rig)
{
	eal();
	dpdk();
	rig_install();
	rig_open(rig, NULL);
}

static void dpdks_after_ours(struct rig *rig)
{
	eal();
	rig_install();
	rig_open(rig, NULL);
	dpdk();
}

static void ours_last_survives(void)
{
	struct rig rig;

	ours_after_dpdks(&rig);
	bar_faults_are_survived(&rig, 20);
	rig_restore();
	dpdk_off();
	rig_close(&rig);
}

static void ours_last_foreign(void)
{
	struct rig rig;

	ours_after_dpdks(&rig);
	(void)foreign_page()[0];
}

static void foreign_reaches_app(void)
{
	struct rig rig;

	signal(SIGBUS, app_handler);
	ours_after_dpdks(&rig);
	foreign = foreign_page();
	assert_int_equal(foreign[0], 0);
	assert_int_equal(app_calls, 1);
	bar_faults_are_survived(&rig, 5);
	assert_int_equal(app_calls, 1);
	rig_close(&rig);
}

static void dpdks_last_warned(void)
{
	struct rig rig;

	dpdks_after_ours(&rig);
	warnings_listen("installed after ours");
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_true(warnings_heard() > 0);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_int_equal(warnings_heard(), 0);
}

static void dpdks_last_bar(void)
{
	struct rig rig;
	uint32_t value;

	dpdks_after_ours(&rig);
	rig_away(&rig, DECODE_OFF);
	(void)rig_touch(&rig, VFIOSAFE_SIM_REG_HOLD, &value);
}

static void dpdks_last_foreign(void)
{
	struct rig rig;

	dpdks_after_ours(&rig);
	(void)foreign_page()[0];
}

/* The way out that the warning names. */
static void again_survives(void)
{
	struct rig rig;

	dpdks_after_ours(&rig);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	bar_faults_are_survived(&rig, 20);
	rig_restore();
	dpdk_off();
	rig_restore();
	rig_close(&rig);
}

static void again_foreign(void)
{
	struct rig rig;

	dpdks_after_ours(&rig);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	(void)foreign_page()[0];
}

static void again_foreign_reaches_app(void)
{
	struct rig rig;

	signal(SIGBUS, app_handler);
	dpdks_after_ours(&rig);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	foreign = foreign_page();
	assert_int_equal(foreign[0], 0);
	assert_int_equal(app_calls, 1);
	bar_faults_are_survived(&rig, 5);
	rig_close(&rig);
}

/* Disabled, it puts back what it found: ours is out, and says so. */
static void disable_takes_ours_out(void)
{
	struct rig rig;

	ours_after_dpdks(&rig);
	dpdk_off();
	warnings_listen("installed after ours");
	assert_int_equal(vfiosafe_reset(rig.dev, NULL), 0);
	assert_true(warnings_heard() > 0);
	assert_int_equal(vfiosafe_sigbus_install(), 0);
	bar_faults_are_survived(&rig, 5);
	rig_close(&rig);
}

static void on_and_off(void)
{
	struct rig rig;

	eal();
	rig_install();
	rig_open(&rig, NULL);
	for (int i = 0; i < 5; i++) {
		dpdk();
		assert_int_equal(vfiosafe_sigbus_install(), 0);
		bar_faults_are_survived(&rig, 3);
		dpdk_off();
		bar_faults_are_survived(&rig, 3);
	}
	rig_close(&rig);
}

static const struct scene scenes[] = {
	{ "ours after DPDK's: a fault in a BAR is survived", ours_last_survives, RETURNS, NULL },
	{ "ours after DPDK's: of a foreign fault DPDK makes exit(1)", ours_last_foreign,
	  EXITS_1, "Failed to handle generic SIGBUS!" },
	{ "ours after DPDK's: a foreign fault reaches who was before both",
	  foreign_reaches_app, RETURNS, NULL },
	{ "DPDK's after ours: the next window warns", dpdks_last_warned, RETURNS, NULL },
	{ "DPDK's after ours: a fault in a BAR is SIGBUS", dpdks_last_bar, DIES_OF_SIGBUS,
	  NULL },
	{ "DPDK's after ours: a foreign fault is SIGBUS", dpdks_last_foreign, DIES_OF_SIGBUS,
	  NULL },
	{ "installed again: a fault in a BAR is survived", again_survives, RETURNS, NULL },
	{ "installed again: a foreign fault is SIGBUS", again_foreign, DIES_OF_SIGBUS, NULL },
	{ "installed again: a foreign fault reaches who was before both",
	  again_foreign_reaches_app, RETURNS, NULL },
	{ "DPDK's disabled: ours is out, and can be put back", disable_takes_ours_out,
	  RETURNS, NULL },
	{ "DPDK's enabled and disabled five times", on_and_off, RETURNS, NULL },
};

int main(void)
{
	return scenes_run(scenes, sizeof(scenes) / sizeof(scenes[0]));
}
