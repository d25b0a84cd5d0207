/* SPDX-License-Identifier: MIT */
/* notice.c - which event told that the device went away. */
#include <errno.h>
#include <poll.h>

#include "cause.h"

static enum how how_of_fault(uint32_t cause)
{
	switch (cause) {
	case VFIOSAFE_CAUSE_FAULT:
		return HOW_FAULT;
	case VFIOSAFE_CAUSE_DEAD:
	case VFIOSAFE_CAUSE_ACCESS:
		return HOW_VALUE;
	case VFIOSAFE_CAUSE_SENTINEL:
		return HOW_SENTINEL;
	case VFIOSAFE_CAUSE_AER:
		return HOW_EVENT;
	default:
		return HOWS;
	}
}

/* HOWS: it says nothing of the kind. */
static enum how how_noticed(const struct vfiosafe_event *event)
{
	switch (event->type) {
	case VFIOSAFE_EVENT_WINDOW_OPENED:
		return HOW_COOPERATIVE;
	case VFIOSAFE_EVENT_AER:
	case VFIOSAFE_EVENT_RELEASE:
		return HOW_EVENT;
	case VFIOSAFE_EVENT_FAULT:
		return how_of_fault(event->cause);
	default:
		return HOWS;
	}
}

void notice_begin(struct rig *rig)
{
	struct vfiosafe_event event;

	while (vfiosafe_event_read(rig->dev, &event, 1, sizeof(event)) > 0)
		;
}

bool notice_now(struct rig *rig, struct row *row, int64_t start_ns)
{
	struct vfiosafe_event event;
	enum how how = HOWS;

	while (how == HOWS &&
	       vfiosafe_event_read(rig->dev, &event, 1, sizeof(event)) > 0)
		how = how_noticed(&event);
	if (how == HOWS)
		return false;
	tally_notice(row, how, event.time_ns - start_ns);
	return true;
}

bool notice_await(struct rig *rig, struct row *row, int64_t start_ns)
{
	struct pollfd fd = { .fd = vfiosafe_event_fd(rig->dev), .events = POLLIN };
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);

	while (!notice_now(rig, row, start_ns)) {
		if (now_ns() > deadline)
			return false;
		if (poll(&fd, 1, PATIENCE_MS) < 0 && errno != EINTR)
			return false;
	}
	return true;
}
