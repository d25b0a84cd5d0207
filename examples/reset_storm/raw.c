/* SPDX-License-Identifier: MIT */
/*
 * raw.c - the storm by hand: the BAR mapped, registers read and written by plain
 * volatile pointers, the device reset by the ioctl. libvfiosafe only opened it.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include "storm.h"

struct raw_driver {
	volatile uint8_t *regs;
	uint64_t len;
	int reset_fd;	     /* the device's, or a duplicate: the bystander's */
	uint64_t generation; /* atomic; how often the driver has programmed the device */
};

static uint64_t generation(const struct raw_driver *drv)
{
	return __atomic_load_n(&drv->generation, __ATOMIC_ACQUIRE);
}

/* The driver's own knowledge first: what is read from here on should be that. */
static void program(struct storm *storm)
{
	struct raw_driver *drv = storm->driver;
	const struct storm_model *model = storm->device.model;
	uint64_t next = drv->generation + 1;

	__atomic_store_n(&drv->generation, next, __ATOMIC_RELEASE);
	if (model->hold_clear)
		storm_store32(drv->regs, model->hold_clear, UINT32_MAX);
	storm_store32(drv->regs, model->hold, storm_hold_value(next));
}

static int map_bar(struct storm *storm)
{
	const struct storm_device *device = &storm->device;
	const struct vfiosafe_sys *sys = device->sys;
	struct raw_driver *drv = storm->driver;
	void *addr = NULL;
	uint64_t offset;
	int rc = storm_region(device, device->model->bar, &offset, &drv->len);

	if (rc == 0)
		rc = sys->mmap(sys->ctx, &addr, drv->len, PROT_READ | PROT_WRITE,
			       MAP_SHARED, vfiosafe_device_fd(device->dev), offset);
	if (rc < 0)
		return storm_fail(storm, rc, "cannot map the BAR: %s", strerror(-rc));
	drv->regs = addr;
	return 0;
}

static int raw_start(struct storm *storm)
{
	const struct vfiosafe_sys *sys = storm->device.sys;
	struct raw_driver *drv = calloc(1, sizeof(*drv));
	int rc;

	if (!drv)
		return storm_fail(storm, -ENOMEM, "out of memory");
	storm->driver = drv;
	drv->reset_fd = vfiosafe_device_fd(storm->device.dev);
	if (storm->options->method != STORM_RESET)
		drv->reset_fd = sys->dup(sys->ctx, drv->reset_fd);
	if (drv->reset_fd < 0)
		return storm_fail(storm, drv->reset_fd, "dup failed");
	rc = map_bar(storm);
	if (rc == 0)
		program(storm);
	return rc;
}

static void raw_finish(struct storm *storm)
{
	const struct vfiosafe_sys *sys = storm->device.sys;
	struct raw_driver *drv = storm->driver;

	if (drv && drv->regs)
		sys->munmap(sys->ctx, (void *)(uintptr_t)drv->regs, drv->len);
	if (drv && drv->reset_fd >= 0 &&
	    drv->reset_fd != vfiosafe_device_fd(storm->device.dev))
		sys->close(sys->ctx, drv->reset_fd);
	free(drv);
}

static int raw_window(struct storm *storm)
{
	const struct vfiosafe_sys *sys = storm->device.sys;
	const struct storm_model *model = storm->device.model;
	struct raw_driver *drv = storm->driver;
	int rc;

	do
		rc = sys->ioctl(sys->ctx, drv->reset_fd, VFIO_DEVICE_RESET, NULL);
	while (rc == -EAGAIN);
	if (rc < 0)
		return storm_fail(storm, rc, "VFIO_DEVICE_RESET: %s", strerror(-rc));
	storm_count(&storm->tally->windows, 1);
	/* Not cleared: a store of before the reset came after it. */
	if (!model->log && storm_load32(drv->regs, model->store))
		storm_count(&storm->tally->hand[0].foreign, 1);
	program(storm);
	if (storm_load32(drv->regs, model->hold) == storm_hold_value(generation(drv)))
		storm_count(&storm->tally->recovered, 1);
	return 0;
}

/* The first thread that touches the BAR now ends this process. */
static int raw_fault(struct storm *storm)
{
	const struct timespec time = { .tv_sec = 60 };
	const struct raw_driver *drv = storm->driver;
	int rc = storm_decode(&storm->device, drv->reset_fd, false);

	if (rc < 0)
		return storm_fail(storm, rc, "memory decode off: %s", strerror(-rc));
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	return storm_fail(storm, -ETIMEDOUT, "nobody missed the BAR in a minute");
}

/* Right is what the driver programmed before or during the load. */
static void judge(struct storm_hand *hand, uint32_t value, uint64_t before,
		  uint64_t after)
{
	storm_count(&hand->reads, 1);
	for (uint64_t generation = before; generation <= after; generation++)
		if (value == storm_hold_value(generation))
			return;
	storm_count_wrong(hand, value);
}

static void raw_read(struct storm *storm, struct storm_hand *hand, unsigned int index)
{
	const struct raw_driver *drv = storm->driver;
	uint32_t hold = storm->device.model->hold;

	(void)index;
	while (!storm_stopped(storm)) {
		struct storm_burst burst;

		storm_burst_begin(&burst);
		for (unsigned int i = 0; i < STORM_BURST; i++) {
			uint64_t before = generation(drv);
			uint32_t value;

			storm_access_begin(&burst);
			value = storm_load32(drv->regs, hold);
			storm_access_end(&burst);
			judge(hand, value, before, generation(drv));
		}
		storm_burst_end(&burst, hand);
	}
}

/* What was stored is what is read, whichever generation that was. */
static void store_and_look(struct storm *storm, struct storm_hand *hand, uint64_t n)
{
	const struct raw_driver *drv = storm->driver;
	const struct storm_model *model = storm->device.model;
	uint32_t value = storm_store_value(model, generation(drv), n), back;

	storm_store32(drv->regs, model->store, value);
	back = storm_load32(drv->regs, model->store);
	storm_count(&hand->reads, 1);
	if (back != value)
		storm_count_wrong(hand, back);
}

static void raw_write(struct storm *storm, struct storm_hand *hand)
{
	const struct raw_driver *drv = storm->driver;
	const struct storm_model *model = storm->device.model;

	for (uint64_t n = 0; !storm_stopped(storm); n++) {
		if (model->log)
			storm_store64(drv->regs, storm_log_slot(model, n),
				      storm_log_value(generation(drv) - 1, n));
		else
			store_and_look(storm, hand, n);
		storm_count(&hand->stores, 1);
	}
}

const struct storm_side storm_raw = {
	.name = "raw",
	.start = raw_start,
	.window = raw_window,
	.fault = raw_fault,
	.read = raw_read,
	.write = raw_write,
	.finish = raw_finish,
};
