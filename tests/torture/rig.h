/* SPDX-License-Identifier: MIT */
/* A driver of sim:reg, small enough to be tortured. */
#ifndef TORTURE_RIG_H
#define TORTURE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

/* The high half says the generation, so that a wrong one is seen. */
#define RIG_MAGIC 0x5a000000u

struct rig {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view; /* shared; renewed by reinit */
	uint32_t want;		   /* HOLD's value in this generation */
	uint64_t generation;	   /* from 0, as the device counts */
};

/* Runs alone: no section of the device is open while it changes what they read. */
static inline int rig_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct rig *rig = ctx;
	int rc = vfiosafe_bar_view(rig->bar, &rig->view);

	if (rc < 0)
		return rc;
	rig->generation = vfiosafe_device_generation(dev) - 1;
	rig->want = RIG_MAGIC | (uint32_t)(rig->generation & 0xffffff);
	return vfiosafe_write32(&rig->view, VFIOSAFE_SIM_REG_HOLD, rig->want);
}

static inline void rig_open(struct rig *rig, const struct vfiosafe_sim_opts *sim_opts)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = rig_reinit };

	assert_int_equal(vfiosafe_sim_open(&rig->sim, "sim:reg", sim_opts), 0);
	opts.sys = vfiosafe_sim_sys(rig->sim);
	assert_int_equal(vfiosafe_device_from_fd(&rig->dev, vfiosafe_sim_device_fd(rig->sim),
						 &opts),
			 0);
	assert_int_equal(vfiosafe_bar_map(&rig->bar, rig->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_device_set_driver(rig->dev, &ops, rig), 0);
	assert_int_equal(rig_reinit(rig->dev, rig), 0);
}

static inline void rig_close(struct rig *rig)
{
	assert_int_equal(vfiosafe_device_close(rig->dev, 1000), 0);
	vfiosafe_sim_close(rig->sim);
}

#endif
