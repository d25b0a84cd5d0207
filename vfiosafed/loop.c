/* SPDX-License-Identifier: MIT */
/* One thread, one poll(): a signal, and of each device its events, agent and socket. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker.h"

#define PER_DEVICE 3
#define SETTLE_MAX 64 /* rounds; a socket has room for fewer bursts of messages */

enum { EVENTS, AGENT, LISTENER };

static bool is_readable(int fd)
{
	struct pollfd one = { fd, POLLIN, 0 };

	return poll(&one, 1, 0) > 0;
}

static void look(struct broker *broker, struct device *device)
{
	if (device->dev && device->served)
		(void)vfiosafe_agent_dispatch(device->dev);
	device_events(broker, device);
}

/* Before somebody is let in: that one before him has ended may come after much else. */
void device_settle(struct broker *broker, struct device *device)
{
	for (int i = 0; i < SETTLE_MAX && device->dev && device->served &&
			is_readable(vfiosafe_agent_fd(device->dev));
	     i++)
		look(broker, device);
}

static bool may_accept(const struct device *device)
{
	return device->dev && !device->due && !device->win &&
	       vfiosafe_device_state(device->dev) == VFIOSAFE_LIVE &&
	       now_ns() >= device->accept_at;
}

static void look_after(struct broker *broker, struct device *device, bool knocks)
{
	look(broker, device);
	if (knocks)
		device_settle(broker, device);
	if (device->dev)
		device_reset(device);
	if (knocks && may_accept(device))
		client_accept(broker, device);
}

/* The agent has an fd from the first client on. */
static void watch(const struct device *device, struct pollfd *fds)
{
	fds[EVENTS] = (struct pollfd){ -1, POLLIN, 0 };
	fds[AGENT] = fds[LISTENER] = fds[EVENTS];
	if (!device->dev)
		return;
	fds[EVENTS].fd = vfiosafe_event_fd(device->dev);
	if (device->served)
		fds[AGENT].fd = vfiosafe_agent_fd(device->dev);
	if (may_accept(device))
		fds[LISTENER].fd = device->listener;
}

static int64_t next_of(const struct device *device)
{
	int64_t next = device->dev ? device_reset_next(device) : VFIOSAFE_FOREVER;

	if (device->dev && device->accept_at > now_ns() && device->accept_at < next)
		next = device->accept_at;
	return next;
}

static int timeout(const struct broker *broker)
{
	int64_t next = VFIOSAFE_FOREVER, left;

	for (unsigned int i = 0; i < broker->policy.devices; i++)
		if (next_of(&broker->device[i]) < next)
			next = next_of(&broker->device[i]);
	if (next == VFIOSAFE_FOREVER)
		return -1;
	left = next - now_ns();
	return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

static bool any_left(const struct broker *broker)
{
	for (unsigned int i = 0; i < broker->policy.devices; i++)
		if (broker->device[i].dev)
			return true;
	return false;
}

static void take_signal(struct broker *broker)
{
	struct signalfd_siginfo info;

	if (read(broker->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_event(LOG_NOTICE, "signal", "signal=%u pid=%u", info.ssi_signo, info.ssi_pid);
	broker->stop = true;
}

void broker_run(struct broker *broker)
{
	struct pollfd fds[1 + POLICY_MAX * PER_DEVICE];
	unsigned int n = broker->policy.devices;

	for (unsigned int i = 0; i < n; i++)
		device_reset(&broker->device[i]);
	while (!broker->stop && any_left(broker)) {
		fds[0] = (struct pollfd){ broker->signal_fd, POLLIN, 0 };
		for (unsigned int i = 0; i < n; i++)
			watch(&broker->device[i], &fds[1 + i * PER_DEVICE]);
		if (poll(fds, 1 + n * PER_DEVICE, timeout(broker)) < 0 && errno != EINTR)
			break;
		for (unsigned int i = 0; i < n; i++)
			look_after(broker, &broker->device[i],
				   fds[1 + i * PER_DEVICE + LISTENER].revents != 0);
		if (fds[0].revents)
			take_signal(broker);
	}
}
