/* SPDX-License-Identifier: MIT */
/*
 * set_rig.h - two functions of one bus, by the door that a test asks for, each with BAR 0,
 * a view, and a driver that logs its callbacks with the function's number behind them.
 */
#ifndef SET_RIG_H
#define SET_RIG_H

#include "sys.h"
#include "uapi.h"
#include "unit_driver.h"

#define DEVICES "/sys/bus/pci/devices"
#define HOT VFIO_DEVICE_PCI_HOT_RESET

struct set_member {
	struct fake_function *fn;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;

	/* Its driver. */
	int rc[CALLBACKS];
	unsigned int times[CALLBACKS]; /* so often, then 0; 0 = always */
	int64_t takes_ms[CALLBACKS];
	unsigned int count[CALLBACKS];
	void (*inside)(struct set_member *m, enum callback which);
};

/* One for each test program; set up afresh for each test. */
static struct {
	struct set_member m[2];
	struct vfiosafe_set *set;
} rig;

static inline int set_run_callback(struct set_member *m, enum callback which)
{
	static const char *const names[] = { "quiesce", "resume", "ready", "reinit",
					     "lost" };
	unsigned int n = ++m->count[which];

	fake_note(&bench.k, "%s%d", names[which], (int)(m - rig.m));
	fake_advance_ms(&bench.k, m->takes_ms[which]);
	if (m->inside)
		m->inside(m, which);
	return m->times[which] && n > m->times[which] ? 0 : m->rc[which];
}

static inline int set_quiesce(struct vfiosafe_device *dev, void *ctx)
{
	assert_int_equal(vfiosafe_device_state(dev), VFIOSAFE_QUIESCE);
	return set_run_callback(ctx, QUIESCE);
}

static inline int set_resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return set_run_callback(ctx, RESUME);
}

static inline int set_ready(struct vfiosafe_device *dev, void *ctx)
{
	assert_int_equal(vfiosafe_device_state(dev), VFIOSAFE_REINIT);
	return set_run_callback(ctx, READY);
}

static inline int set_reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	return set_run_callback(ctx, REINIT);
}

static inline void set_lost(struct vfiosafe_device *dev, void *ctx,
			    enum vfiosafe_cause cause)
{
	(void)dev;
	(void)cause;
	(void)set_run_callback(ctx, LOST);
}

static const struct vfiosafe_driver_ops set_ops = {
	.size = sizeof(set_ops),
	.quiesce = set_quiesce,
	.resume = set_resume,
	.ready = set_ready,
	.reinit = set_reinit,
	.lost = set_lost,
};

/* With its driver; the second in the context of the first. */
static inline void set_open(unsigned int i)
{
	struct set_member *m = &rig.m[i];

	bench.opts.iommu_of = i > 0 ? rig.m[0].dev : NULL;
	assert_ok(vfiosafe_device_open(&m->dev, i > 0 ? SIBLING : ADDRESS, &bench.opts));
	assert_ok(vfiosafe_bar_map(&m->bar, m->dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(m->bar, &m->view));
	assert_ok(vfiosafe_device_set_driver(m->dev, &set_ops, m));
}

static inline void set_close(unsigned int i)
{
	if (rig.m[i].dev && vfiosafe_device_close(rig.m[i].dev, 1000) < 0)
		print_error("close: %s\n", vfiosafe_error_text());
	rig.m[i].dev = NULL;
}

/* *@state: a door. Nothing is open yet. */
static inline int set_setup_closed(void **state)
{
	enum vfiosafe_door door = (enum vfiosafe_door)(uintptr_t)*state;

	memset(&rig, 0, sizeof(rig));
	bench_setup(state);
	fake_processes_start(&bench.k);
	bench.opts.door = door;
	rig.m[0].fn = bench.fn;
	rig.m[1].fn = fake_add(&bench.k, SIBLING, 7, 4);
	for (unsigned int i = 0; i < 2; i++) {
		rig.m[i].fn->bus_reset = 1;
		fake_put(&bench.k, FAKE_TEXT, "flr bus\n", DEVICES "/%s/reset_method",
			 rig.m[i].fn->address);
	}
	return 0;
}

static inline int set_setup_open(void **state)
{
	set_setup_closed(state);
	set_open(0);
	set_open(1);
	return 0;
}

static inline int set_setup(void **state)
{
	set_setup_open(state);
	assert_ok(vfiosafe_set_of(&rig.set, rig.m[0].dev));
	fake_log_clear(&bench.k);
	return 0;
}

static inline int set_teardown(void **state)
{
	vfiosafe_set_free(rig.set);
	rig.set = NULL;
	set_close(1);
	set_close(0);
	return bench_teardown(state);
}

static inline int set_reset_ms(uint32_t ms)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = ms };

	fake_log_clear(&bench.k);
	return vfiosafe_set_reset(rig.set, &opts);
}

static inline const struct vfiosafe_set_member *set_result(unsigned int i)
{
	const struct vfiosafe_set_member *m = vfiosafe_set_members(rig.set);

	while (i-- > 0)
		m = m->next;
	return m;
}

/* State and generation of both, as "LIVE 2, FAULT 1". */
static inline const char *set_states(void)
{
	static char text[64];
	size_t used = 0;

	for (unsigned int i = 0; i < 2; i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%s %llu", i ? ", " : "",
			vfiosafe_state_name(vfiosafe_device_state(rig.m[i].dev)),
			(unsigned long long)vfiosafe_device_generation(rig.m[i].dev));
	return text;
}

#define assert_states(expected) assert_string_equal(set_states(), (expected))

/* What the set says of member @i: the error, and a word of its text. */
static inline void assert_result(unsigned int i, int err, const char *word)
{
	const struct vfiosafe_set_member *m = set_result(i);

	if (m->result != -err || !strstr(m->text, word)) {
		print_error("%s: %d \"%s\", not %d \"%s\"\n", m->address, m->result,
			    m->text, -err, word);
		fail();
	}
}

/* The callbacks and the reset in the log, without what is written to config space. */
static inline const char *set_log(void)
{
	static char text[sizeof(bench.k.log)];
	char copy[sizeof(bench.k.log)], *at = copy, *word;

	text[0] = '\0';
	memcpy(copy, bench.k.log, sizeof(copy));
	while ((word = strsep(&at, " "))) {
		if (!word[0] || strchr(word, '='))
			continue;
		if (text[0])
			strcat(text, " ");
		strcat(text, word);
	}
	return text;
}

#define assert_set_log(expected) assert_string_equal(set_log(), (expected))

#define BY(setup, name)                                                                  \
	{ #name " by cdev", name, setup, set_teardown, (void *)VFIOSAFE_DOOR_CDEV },     \
	{ #name " by group", name, setup, set_teardown, (void *)VFIOSAFE_DOOR_GROUP }
#define SET_TEST(name) BY(set_setup, name)

#endif
