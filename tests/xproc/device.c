/* SPDX-License-Identifier: MIT */
/* The device of the storm, and the owner's part of its driver. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "storm.h"

static int read_store(struct storm *storm, uint32_t *value)
{
	int rc = vfiosafe_read32(&storm->view, storm->model->store, value);

	*value &= storm->model->store_mask;
	return rc;
}

/* Nobody else is let in: what clients stored must be of this generation. */
static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct storm *storm = ctx;
	uint32_t value, want;
	int rc;

	if (storm->model->log)
		return 0;
	rc = read_store(storm, &value);
	want = store_value(storm->model, vfiosafe_device_generation(dev));
	if (rc == 0 && value != storm->at_reset && value != want) {
		printf("store register: 0x%x, not 0x%x\n", value, want);
		storm->foreign++;
	}
	return rc;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct storm *storm = ctx;
	uint32_t value = mark(vfiosafe_device_generation(dev));
	int rc = vfiosafe_bar_view(storm->bar, &storm->view);

	if (rc == 0 && storm->model->hold_clear)
		rc = vfiosafe_write32(&storm->view, storm->model->hold_clear, UINT32_MAX);
	if (rc == 0)
		rc = vfiosafe_write32(&storm->view, storm->model->hold, value);
	if (rc == 0 && !storm->model->log)
		rc = read_store(storm, &storm->at_reset);
	return rc;
}

static int open_sim(struct storm *storm)
{
	const struct vfiosafe_sim_opts sim = { .size = sizeof(sim), .window_us = 50 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .address = "sim" };

	if (vfiosafe_sim_open(&storm->sim, "sim:reg", &sim) < 0)
		die("no simulated device");
	opts.sys = vfiosafe_sim_sys(storm->sim);
	return vfiosafe_device_from_fd(&storm->dev, vfiosafe_sim_device_fd(storm->sim), &opts);
}

static int open_real(struct storm *storm, const char *address, const char *door)
{
	const struct vfiosafe_device_opts opts = {
		.size = sizeof(opts),
		.door = strcmp(door, "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP,
	};

	return vfiosafe_device_open(&storm->dev, address, &opts);
}

void open_device(struct storm *storm, const char *address, const char *door)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.quiesce = quiesce,
							.reinit = reinit };
	int rc = strcmp(address, "sim") == 0 ? open_sim(storm)
					     : open_real(storm, address, door);

	if (rc < 0)
		die(address);
	storm->model = model_of(storm->dev);
	if (!storm->model)
		die("this device is none that the storm knows");
	if (vfiosafe_bar_map(&storm->bar, storm->dev, 0, 0, 0, 0) < 0 ||
	    vfiosafe_device_set_driver(storm->dev, &ops, storm) < 0 ||
	    reinit(storm->dev, storm) < 0)
		die("the device does not start");
}
