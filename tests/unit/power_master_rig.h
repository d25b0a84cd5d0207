/* SPDX-License-Identifier: MIT */
/* power_master_rig.h - bus mastering of the bench's device. */
#ifndef POWER_MASTER_RIG_H
#define POWER_MASTER_RIG_H

#include "power_rig.h"

#define MASTER 0x4

static inline bool is_master(void)
{
	return fake_command(bench.fn) & MASTER;
}

static inline int set(bool on)
{
	return vfiosafe_set_bus_master(bench.dev, on);
}

#endif
