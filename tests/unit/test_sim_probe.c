/* SPDX-License-Identifier: MIT */
/* All-ones and the sentinel on the simulated device, which nobody tells of the library.
 */
#include "sim_rig.h"

#include <vfiosafe/vfiosafe.h>

#define MAGIC 0x5a5a1234u

struct guarded {
	struct rig rig; /* the same device, without the library */
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
};

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct guarded *g = ctx;

	(void)dev;
	return vfiosafe_bar_view(g->bar, &g->view)
		       ?: vfiosafe_write32(&g->view, VFIOSAFE_SIM_REG_HOLD, MAGIC);
}

static void guarded_open(struct guarded *g, uint32_t window_us)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	rig_open(&g->rig, VFIOSAFE_SIM_ALL_ONES, window_us, 0);
	opts.sys = g->rig.sys;
	assert_int_equal(vfiosafe_device_from_fd(&g->dev, g->rig.fd, &opts), 0);
	assert_int_equal(vfiosafe_bar_map(&g->bar, g->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(g->dev, &ops, g), 0);
	assert_int_equal(reinit(g->dev, g), 0);
}

static void guarded_close(struct guarded *g)
{
	assert_int_equal(vfiosafe_device_close(g->dev, 1000), 0);
	rig_close(&g->rig);
}

static void set_sentinel(struct guarded *g)
{
	struct vfiosafe_sentinel s = {
		.size = sizeof(s),
		.bar = g->bar,
		.offset = VFIOSAFE_SIM_REG_HOLD64,
		.width = 8,
		.mask = UINT64_MAX,
		.writable = true,
	};

	assert_int_equal(vfiosafe_set_sentinel(g->dev, &s), 0);
}

static struct vfiosafe_view ports(struct guarded *g)
{
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;

	assert_int_equal(vfiosafe_bar_map(&bar, g->dev, 4, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_bar_view(bar, &view), 0);
	return view;
}

static void is_lost(const struct guarded *g, enum vfiosafe_cause cause)
{
	assert_int_equal(vfiosafe_device_state(g->dev), VFIOSAFE_FAULT);
	assert_int_equal(vfiosafe_device_cause(g->dev), cause);
}

static void a_legitimate_all_ones_register_is_delivered(void **state)
{
	struct vfiosafe_probe_counts counts;
	struct guarded g;
	uint32_t value;

	(void)state;
	guarded_open(&g, 1);
	set_sentinel(&g);
	for (int i = 0; i < 1000; i++) {
		value = 0;
		assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_ONES, &value),
				 0);
		assert_int_equal(value, UINT32_MAX);
	}
	vfiosafe_probe_counts(g.dev, &counts);
	assert_int_equal(counts.suspicions, 1000);
	assert_int_equal(counts.real, 1000);
	assert_int_equal(vfiosafe_device_state(g.dev), VFIOSAFE_LIVE);
	guarded_close(&g);
}

static void a_device_that_was_pulled_out_is_lost(void **state)
{
	struct guarded g;
	uint32_t value = 5;

	(void)state;
	guarded_open(&g, 1);
	vfiosafe_sim_unplug(g.rig.sim);
	assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value), -EIO);
	assert_int_equal(value, 5);
	is_lost(&g, VFIOSAFE_CAUSE_DEAD);
	guarded_close(&g);
}

/* As QEMU has it: only who names 0 as poison gets to know. */
static void a_dead_device_that_reads_as_zero_is_lost_if_that_is_poison(void **state)
{
	const struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts),
						    .flags = VFIOSAFE_SIM_DEAD_ZEROS };
	const uint64_t zero = 0;

	(void)state;
	for (int named = 0; named <= 1; named++) {
		struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
		struct vfiosafe_sim *sim;
		struct vfiosafe_device *dev;
		struct vfiosafe_bar *bar;
		struct vfiosafe_view view;
		uint32_t value = 5;

		assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &sim_opts), 0);
		opts.sys = vfiosafe_sim_sys(sim);
		assert_int_equal(vfiosafe_device_open(&dev, vfiosafe_sim_address(sim), &opts),
				 0);
		if (named)
			assert_int_equal(vfiosafe_set_poison(dev, &zero, 1), 0);
		assert_int_equal(vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0), 0);
		assert_int_equal(vfiosafe_bar_view(bar, &view), 0);
		/* A register that is 0 is delivered, named or not. */
		assert_int_equal(vfiosafe_read32(&view, VFIOSAFE_SIM_REG_HOLD, &value), 0);
		assert_int_equal(value, 0);
		vfiosafe_sim_unplug(sim);
		assert_int_equal(vfiosafe_read32(&view, VFIOSAFE_SIM_REG_ID, &value),
				 named ? -EIO : 0);
		assert_int_equal(vfiosafe_probe(dev), -EIO);
		assert_int_equal(vfiosafe_device_close(dev, 1000), 0);
		vfiosafe_sim_close(sim);
	}
}

static void a_link_that_was_reset_for_an_error_leaves_its_decode_off(void **state)
{
	struct guarded g;
	uint32_t value = 5;

	(void)state;
	guarded_open(&g, 1);
	vfiosafe_sim_aer(g.rig.sim, true);
	assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value), -EIO);
	assert_int_equal(value, 5);
	is_lost(&g, VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(vfiosafe_recover(g.dev, NULL), 0);
	assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value), 0);
	assert_int_equal(value, MAGIC);
	guarded_close(&g);
}

static void ports_whose_decode_is_off_are_lost(void **state)
{
	struct vfiosafe_view view;
	struct guarded g;
	uint8_t value = 5;

	(void)state;
	guarded_open(&g, 1);
	view = ports(&g);
	config_set16(&g.rig, PCI_COMMAND, PCI_COMMAND_MEMORY);
	/* What the rest of the device is good for. */
	assert_int_equal(vfiosafe_probe(g.dev), 0);
	assert_int_equal(vfiosafe_read8(&view, 0, &value), -EIO);
	assert_int_equal(value, 5);
	is_lost(&g, VFIOSAFE_CAUSE_DEAD);
	guarded_close(&g);
}

/* Ports have no gate in the kernel: they read as all-ones. */
static void a_device_put_to_sleep_behind_the_library_is_lost(void **state)
{
	struct vfiosafe_view view;
	struct guarded g;
	uint32_t value = 5;

	(void)state;
	guarded_open(&g, 1);
	view = ports(&g);
	config_set16(&g.rig, CONFIG_PM + PCI_PM_CTRL, 3);
	assert_int_equal(vfiosafe_read32(&view, 0, &value), -EIO);
	assert_int_equal(value, 5);
	is_lost(&g, VFIOSAFE_CAUSE_DEAD);
	assert_int_equal(vfiosafe_recover(g.dev, NULL), 0);
	assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value), 0);
	assert_int_equal(value, MAGIC);
	guarded_close(&g);
}

static void a_reset_behind_the_library_is_caught_by_the_sentinel(void **state)
{
	struct vfiosafe_section sec;
	struct guarded g;
	uint32_t value;

	(void)state;
	guarded_open(&g, 1);
	set_sentinel(&g);
	for (int i = 0; i < 20; i++) {
		vfiosafe_sim_reset_behind(g.rig.sim);
		if (i % 2) {
			assert_int_equal(vfiosafe_probe(g.dev), -EIO);
		} else {
			assert_int_equal(vfiosafe_begin(&g.view, &sec), 0);
			assert_int_equal(vfiosafe_end_checked(&sec), -EIO);
		}
		is_lost(&g, VFIOSAFE_CAUSE_SENTINEL);
		assert_int_equal(vfiosafe_recover(g.dev, NULL), 0);
		assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value),
				 0);
		assert_int_equal(value, MAGIC);
	}
	guarded_close(&g);
}

/* What the README says: it is not promised to be seen. */
static void without_a_sentinel_a_reset_that_is_over_goes_unseen(void **state)
{
	struct guarded g;
	uint32_t value = 5;

	(void)state;
	guarded_open(&g, 1);
	vfiosafe_sim_reset_behind(g.rig.sim);
	assert_int_equal(vfiosafe_probe(g.dev), 0);
	assert_int_equal(vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value), 0);
	assert_int_equal(value, 0);
	guarded_close(&g);
}

/* All-ones out of the window: the question waits for its end, the sentinel answers. */
static bool reads_in_the_window(uint32_t window_us)
{
	struct resetter resetter;
	struct guarded g;
	uint32_t value = 5;
	int rc;

	guarded_open(&g, window_us);
	set_sentinel(&g);
	resetter_start(&resetter, &g.rig, true);
	rc = vfiosafe_read32(&g.view, VFIOSAFE_SIM_REG_HOLD, &value);
	resetter_join(&resetter);
	/* The read came too late: the value after the reset looks like any other. */
	if (rc == 0) {
		assert_int_equal(value, 0);
	} else {
		assert_int_equal(rc, -EIO);
		assert_int_equal(value, 5);
		is_lost(&g, VFIOSAFE_CAUSE_SENTINEL);
	}
	guarded_close(&g);
	return rc != 0;
}

static void all_ones_read_in_a_window_behind_the_library_is_not_delivered(void **state)
{
	(void)state;
	for (uint32_t us = 10000; us < 10000000; us *= 8)
		if (reads_in_the_window(us))
			return;
	fail_msg("every window ended too early");
}

static void a_poll_sees_what_the_device_does_by_itself(void **state)
{
	struct guarded g;
	uint32_t value;

	(void)state;
	guarded_open(&g, 1);
	assert_int_equal(vfiosafe_write32(&g.view, VFIOSAFE_SIM_REG_INVERT, 0x0f), 0);
	assert_int_equal(vfiosafe_poll32(&g.view, VFIOSAFE_SIM_REG_INVERT, 0xff, 0xf0,
					 vfiosafe_deadline_in_ms(20000), &value),
			 0);
	assert_int_equal(value, 0xfffffff0u);
	assert_int_equal(vfiosafe_poll32(&g.view, VFIOSAFE_SIM_REG_ID, UINT32_MAX, 1,
					 vfiosafe_deadline_in_ms(5), &value),
			 -ETIMEDOUT);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
	guarded_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_legitimate_all_ones_register_is_delivered),
		cmocka_unit_test(a_device_that_was_pulled_out_is_lost),
		cmocka_unit_test(a_dead_device_that_reads_as_zero_is_lost_if_that_is_poison),
		cmocka_unit_test(a_link_that_was_reset_for_an_error_leaves_its_decode_off),
		cmocka_unit_test(ports_whose_decode_is_off_are_lost),
		cmocka_unit_test(a_device_put_to_sleep_behind_the_library_is_lost),
		cmocka_unit_test(a_reset_behind_the_library_is_caught_by_the_sentinel),
		cmocka_unit_test(without_a_sentinel_a_reset_that_is_over_goes_unseen),
		cmocka_unit_test(
			all_ones_read_in_a_window_behind_the_library_is_not_delivered),
		cmocka_unit_test(a_poll_sees_what_the_device_does_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
