/* SPDX-License-Identifier: MIT */
/*
 * round_remove.c - the device is taken out of its slot while a section is open. The
 * kernel has it back before that section ends; then another one is put in.
 */
#include <errno.h>

#include "cause.h"

/* Asked for, but not gone: it works until it is closed. */
static const char *works_until_closed(struct rig *rig)
{
	return workers_await(rig, 1) == 0 ? NULL : "does not work until it is closed";
}

/* With a section open: the device is given back, the memory stays. */
static const char *is_given_back(struct rig *rig)
{
	int rc = vfiosafe_device_close(rig->dev, 60);

	if (rc != -EBUSY)
		return rc == 0 ? "closed over an open section" : "cannot be closed";
	if (vfiosafe_device_state(rig->dev) != VFIOSAFE_GONE)
		return "not GONE";
	if (rig->bed->await_gone(rig) < 0)
		return "the kernel still waits for it";
	return NULL;
}

static const char *threads_end(struct rig *rig)
{
	workers_let_go(rig);
	workers_stop(rig);
	return workers_complaint(rig);
}

static const char *goes(struct rig *rig, const struct cause *cause, struct row *row)
{
	int64_t start;
	const char *what;

	if (workers_hold(rig) < 0)
		return "no section is held open";
	notice_begin(rig);
	start = now_ns();
	if (rig->bed->remove(rig, cause->harsh) < 0)
		return "not removed";
	if (!notice_await(rig, row, start))
		return "not noticed";
	what = cause->harsh ? NULL : works_until_closed(rig);
	return what ? what : is_given_back(rig);
}

static const char *comes_back(struct rig *rig)
{
	if (rig->bed->put_back(rig) < 0)
		return "not put back";
	return rig_open(rig) < 0 || workers_await(rig, WORKERS) < 0
		       ? "the one that was put in does not work"
		       : NULL;
}

const char *round_removal(struct rig *rig, const struct cause *cause, struct row *row,
			  unsigned int n)
{
	const char *what, *end;

	(void)n;
	/* He has a dup of the fd: the kernel would wait for him, too. */
	rig->bed->other_stop(rig);
	what = goes(rig, cause, row);
	end = threads_end(rig);
	if (!what)
		what = end;
	if (!what && rig_close(rig) < 0)
		what = "cannot be freed";
	if (what)
		return what;
	row->gone++;
	return comes_back(rig);
}
