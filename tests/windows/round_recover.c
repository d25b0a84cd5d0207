/* SPDX-License-Identifier: MIT */
/*
 * round_recover.c - windows, losses and errors after which the device works again: LIVE
 * in the generation that is due, its BAR where it was, every thread at work.
 */
#include <errno.h>

#include "cause.h"

struct before {
	uint64_t generation;
	volatile void *address;
	int64_t start_ns;
};

static struct before look_around(struct rig *rig)
{
	notice_begin(rig);
	return (struct before){
		.generation = vfiosafe_device_generation(rig->dev),
		.address = vfiosafe_bar_address(rig->bar),
		.start_ns = now_ns(),
	};
}

static const char *works_again(struct rig *rig, struct row *row,
			       const struct before *before, bool kept)
{
	uint64_t generation = vfiosafe_device_generation(rig->dev);

	if (vfiosafe_device_state(rig->dev) != VFIOSAFE_LIVE)
		return "not LIVE";
	if (generation != before->generation + !kept)
		return kept ? "another generation, though nothing was lost"
			    : "not one generation on";
	if (vfiosafe_bar_address(rig->bar) != before->address)
		return "its BAR is at another address";
	if (workers_await(rig, WORKERS) < 0)
		return "a reader or the writer did not go on";
	row->recovered++;
	return NULL;
}

static const char *recovers(struct rig *rig, struct row *row, const struct before *before)
{
	if (vfiosafe_recover(rig->dev, NULL) < 0)
		return "recovery failed";
	return works_again(rig, row, before, false);
}

static bool is_parked(struct rig *rig)
{
	uint32_t value;

	return vfiosafe_device_state(rig->dev) == VFIOSAFE_RESETTING &&
	       vfiosafe_read32(&rig->regs, rig->truth.reg[0].offset, &value) == -EAGAIN;
}

const char *round_ours(struct rig *rig, const struct cause *cause, struct row *row,
		       unsigned int n)
{
	bool kept = cause->keeps && cause->keeps(rig);
	struct before before = look_around(rig);

	(void)n;
	if (cause->leave(rig) < 0)
		return "the call failed";
	if (cause->come_back && !is_parked(rig))
		return "not parked";
	if (cause->come_back && cause->come_back(rig) < 0)
		return "the way back failed";
	if (!notice_now(rig, row, before.start_ns))
		return "no event";
	return works_again(rig, row, &before, kept);
}

static int order(struct rig *rig, const struct cause *cause, bool undo)
{
	int rc = rig->bed->other_order(rig, cause->deed, undo);

	return rc < 0 ? rc : rig->bed->other_done(rig);
}

/* What can be undone is, every second time; else recovery has to see to it. */
const char *round_behind(struct rig *rig, const struct cause *cause, struct row *row,
			 unsigned int n)
{
	struct before before = look_around(rig);

	if (rig->bed->other_order(rig, cause->deed, false) < 0)
		return "nobody does it";
	if (!notice_await(rig, row, before.start_ns))
		return "not noticed";
	if (rig->bed->other_done(rig) < 0)
		return "it could not be done";
	if (cause->can_be_undone && n % 2 && order(rig, cause, true) < 0)
		return "it could not be undone";
	return recovers(rig, row, &before);
}

/* Both readers take values for good, unless somebody notices after all. */
static void let_them_read(struct rig *rig)
{
	if (vfiosafe_device_state(rig->dev) == VFIOSAFE_LIVE)
		(void)workers_await(rig, WORKERS - 1);
}

const char *round_blind(struct rig *rig, const struct cause *cause, struct row *row,
			unsigned int n)
{
	struct before before = look_around(rig);

	(void)n;
	if (order(rig, cause, false) < 0)
		return "it could not be done";
	let_them_read(rig);
	if (!notice_now(rig, row, before.start_ns))
		row->how[HOW_NOT]++;
	if (vfiosafe_mark_lost(rig->dev, "somebody else has reset it") < 0)
		return "it cannot be marked";
	return recovers(rig, row, &before);
}

const char *round_error(struct rig *rig, const struct cause *cause, struct row *row,
			unsigned int n)
{
	struct before before = look_around(rig);

	(void)n;
	if (rig->bed->error(rig, cause->harsh) < 0)
		return "no error was made";
	if (!notice_await(rig, row, before.start_ns))
		return "not noticed";
	return recovers(rig, row, &before);
}
