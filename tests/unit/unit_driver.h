/* SPDX-License-Identifier: MIT */
/* unit_driver.h - a driver that does what a test tells it, and logs its callbacks. */
#ifndef UNIT_DRIVER_H
#define UNIT_DRIVER_H

#include "unit.h"

enum callback { QUIESCE, RESUME, READY, REINIT, LOST, CALLBACKS };

struct driver {
	int rc[CALLBACKS];	       /* to be returned */
	unsigned int times[CALLBACKS]; /* so often, then 0; 0 = always */
	int64_t takes_ms[CALLBACKS];
	/* Called inside of each callback, after it was logged. */
	void (*inside)(struct vfiosafe_device *dev, enum callback which);
	unsigned int count[CALLBACKS];
	enum vfiosafe_cause cause; /* of the last lost */
};

extern struct driver driver;

/* Device open with the driver set, which does nothing yet. */
int driver_setup(void **state);
/* Sets it once more, on a device that was opened again. */
int driver_set(void);

/* vfiosafe_reset() with a deadline; the log holds what happened in it. */
int reset_ms(uint32_t ms);

/* Step by step: a window that was begun, and one that was committed too. */
struct vfiosafe_window *window_begin(uint32_t timeout_ms);
struct vfiosafe_window *window_committed(void);

#define assert_log(expected) assert_string_equal(bench.k.log, (expected))

#endif
