/* SPDX-License-Identifier: MIT */
/*
 * card.c - the control path of a driver that survives resets.
 *
 * card_reinit() programs the device, at first start and after every reset. The
 * rest of it is what any driver does; vfiosafe_reset() does what is special.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "guarded.h"

#define FAULT_MS 60000

/* In the callback no other thread is in; before LIVE none gets in. */
static int card_reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct card *card = ctx;
	const struct storm_model *model = card->storm->device.model;
	uint32_t left = 0;
	int rc = vfiosafe_bar_view(card->bar, &card->regs);

	card->generation = vfiosafe_device_generation(dev);
	card->programmed = storm_hold_value(card->generation);
	/* Not cleared by the reset: a store of before it came after it. */
	if (rc == 0 && !model->log)
		rc = vfiosafe_read32(&card->regs, model->store, &left);
	if (left && card->generation > 1)
		storm_count(&card->storm->tally->hand[0].foreign, 1);
	if (rc == 0 && model->hold_clear)
		rc = vfiosafe_write32(&card->regs, model->hold_clear, UINT32_MAX);
	if (rc == 0)
		rc = vfiosafe_write32(&card->regs, model->hold, card->programmed);
	return rc;
}

static int card_start(struct card *card)
{
	const struct storm_device *device = &card->storm->device;
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
						 .reinit = card_reinit };
	int rc;

	card->dev = device->dev;
	/* A program that has a SIGBUS handler calls vfiosafe_sigbus_handle() in it. */
	rc = vfiosafe_sigbus_install();
	if (rc < 0)
		return rc;
	rc = vfiosafe_bar_map(&card->bar, card->dev, device->model->bar, 0, 0, 0);
	if (rc < 0)
		return rc;
	card->address = vfiosafe_bar_address(card->bar);
	if (!card->address) /* then only by the accessors of mmio.h */
		return storm_fail(card->storm, -EOPNOTSUPP, "the BAR cannot be mapped");
	rc = vfiosafe_device_set_driver(card->dev, &ops, card);
	if (rc < 0)
		return rc;
	return card_reinit(card->dev, card);
}

/* Somebody else's reset, of which the library is told when it is over. */
static int bystander_reset(struct card *card)
{
	const struct vfiosafe_sys *sys = card->storm->device.sys;
	int rc;

	__atomic_fetch_add(&card->storm->behind, 1, __ATOMIC_SEQ_CST);
	do
		rc = sys->ioctl(sys->ctx, card->bystander_fd, VFIO_DEVICE_RESET, NULL);
	while (rc == -EAGAIN);
	if (rc == 0)
		rc = vfiosafe_mark_lost(card->dev, "a bystander reset the device");
	__atomic_fetch_add(&card->storm->behind, 1, __ATOMIC_SEQ_CST);
	if (rc < 0)
		return storm_fail(card->storm, rc, "the bystander's reset: %s",
				  strerror(-rc));
	if (vfiosafe_device_state(card->dev) != VFIOSAFE_FAULT)
		return storm_fail(card->storm, -EPROTO, "not in FAULT after mark_lost");
	return vfiosafe_recover(card->dev, NULL);
}

static void count_recovered(const struct card *card, uint64_t before)
{
	if (vfiosafe_device_state(card->dev) == VFIOSAFE_LIVE &&
	    vfiosafe_device_generation(card->dev) == before + 1 &&
	    vfiosafe_bar_address(card->bar) == card->address)
		storm_count(&card->storm->tally->recovered, 1);
}

static int guarded_window(struct storm *storm)
{
	struct card *card = storm->driver;
	uint64_t before = vfiosafe_device_generation(card->dev);
	int rc;

	if (storm->options->method == STORM_BYSTANDER)
		rc = bystander_reset(card);
	else
		rc = vfiosafe_reset(card->dev, NULL);
	if (rc < 0)
		return storm_fail(storm, rc, "reset: %s", vfiosafe_error_text());
	storm_count(&storm->tally->windows, 1);
	count_recovered(card, before);
	return 0;
}

/* Until a thread met the SIGBUS: readers and the writer see -EIO, and wait. */
static int await_fault(const struct card *card)
{
	const struct timespec time = { .tv_nsec = 50000 };
	int64_t deadline = vfiosafe_deadline_in_ms(FAULT_MS);

	while (vfiosafe_device_state(card->dev) != VFIOSAFE_FAULT) {
		if (storm_now_ns() > deadline)
			return -ETIMEDOUT;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	}
	return 0;
}

/*
 * Nobody tells the library. That is no gap in what it promises, nor in how values
 * are judged: registers keep their values without decode, so that what is read
 * before and after is right, and in between nothing can be read. Only the recovery
 * resets the device, and begins the next generation.
 */
static int guarded_fault(struct storm *storm)
{
	struct card *card = storm->driver;
	uint64_t before = vfiosafe_device_generation(card->dev);
	int rc = storm_decode(&storm->device, card->bystander_fd, false);

	if (rc == 0)
		rc = await_fault(card);
	if (rc == 0)
		rc = storm_decode(&storm->device, card->bystander_fd, true);
	if (rc < 0)
		return storm_fail(storm, rc, "memory decode: %s", strerror(-rc));
	rc = vfiosafe_recover(card->dev, NULL);
	if (rc < 0)
		return storm_fail(storm, rc, "recover: %s", vfiosafe_error_text());
	count_recovered(card, before);
	return 0;
}

static int guarded_start(struct storm *storm)
{
	const struct vfiosafe_sys *sys = storm->device.sys;
	struct card *card = calloc(1, sizeof(*card));
	int rc;

	if (!card)
		return storm_fail(storm, -ENOMEM, "out of memory");
	storm->driver = card;
	card->storm = storm;
	card->bystander_fd = sys->dup(sys->ctx, vfiosafe_device_fd(storm->device.dev));
	rc = card_start(card);
	if (rc < 0)
		return storm_fail(storm, rc, "start: %s", vfiosafe_error_text());
	return 0;
}

static void guarded_finish(struct storm *storm)
{
	const struct vfiosafe_sys *sys = storm->device.sys;
	struct card *card = storm->driver;

	if (!card)
		return;
	if (card->bystander_fd >= 0)
		sys->close(sys->ctx, card->bystander_fd);
	free(card);
}

const struct storm_side storm_guarded = {
	.name = "guarded",
	.start = guarded_start,
	.window = guarded_window,
	.fault = guarded_fault,
	.read = guarded_read,
	.write = guarded_write,
	.finish = guarded_finish,
};
