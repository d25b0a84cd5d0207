/* SPDX-License-Identifier: MIT */
/* Who connects, what it gets, and its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker.h"

#define NO_FDS_MS 1000

static void turned_away(const struct device *device, const struct ucred *who, const char *why)
{
	char quoted[LOG_QUOTED];

	log_event(LOG_WARNING, "refused", "device=%s pid=%d uid=%u text=%s",
		  device->policy->name, (int)who->pid, (unsigned int)who->uid,
		  log_quote(quoted, why));
}

static int serve(struct device *device, int fd, const struct ucred *who,
		 const struct policy_grant *grant, uint64_t cookie)
{
	const struct vfiosafe_grant what = {
		.size = sizeof(what),
		.rights = grant->rights | (grant->dma ? VFIOSAFE_GRANT_DMA : 0),
		.range_count = grant->count,
		.ranges = grant->range,
		.check_uid = true,
		.uid = who->uid,
		.reset_interval_ms = grant->interval,
		.dma_limit = grant->dma,
		.cookie = cookie,
	};

	return vfiosafe_share_serve(device->dev, fd, &what);
}

/* Config space is not a client's: without this its DMA would go nowhere. */
static int master(struct device *device)
{
	int rc = device->master ? 0 : vfiosafe_set_bus_master(device->dev, true);

	device->master |= rc == 0;
	return rc;
}

static int add(struct broker *broker, struct device *device, int fd, const struct ucred *who,
	       const struct policy_grant *grant)
{
	struct client *client = malloc(sizeof(*client));
	int rc;

	if (!client)
		return -ENOMEM;
	*client = (struct client){ .next = device->clients,
				   .cookie = ++broker->cookies,
				   .pid = who->pid,
				   .uid = who->uid,
				   .writes = grant->writes,
				   .dma = grant->dma > 0 };
	rc = grant->dma ? master(device) : 0;
	if (rc == 0)
		rc = serve(device, fd, who, grant, client->cookie);
	if (rc < 0) {
		free(client);
		return rc;
	}
	device->clients = client;
	device->count++;
	device->served = true;
	log_event(LOG_INFO, "accepted", "device=%s pid=%d user=%s ranges=%u clients=%u",
		  device->policy->name, (int)who->pid, grant->user, grant->count,
		  device->count);
	return 0;
}

/* Also by connections that have not said a word: those are in the way of nobody else. */
static unsigned int places_of(const struct device *device, uid_t uid)
{
	unsigned int n = 0;

	for (const struct client *client = device->clients; client; client = client->next)
		n += client->uid == uid;
	return n;
}

/* 0: the socket is the library's now. */
static int let_in(struct broker *broker, struct device *device, int fd)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	struct policy_grant grant;
	int rc = -EPERM;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		turned_away(device, &who, "the kernel does not say who it is");
	else if (!policy_grant(&broker->policy, device->index, who.uid, &grant))
		turned_away(device, &who, "the policy has no line for this user");
	else if (places_of(device, who.uid) >= device->policy->clients)
		turned_away(device, &who, "it has as many clients as the policy allows");
	else if (grant.dma && strangers_wait())
		turned_away(device, &who, "clients have sent files that do not close");
	else if ((rc = add(broker, device, fd, &who, &grant)) < 0)
		turned_away(device, &who, rc == -ENOMEM ? "out of memory" : vfiosafe_error_text());
	return rc;
}

void client_accept(struct broker *broker, struct device *device)
{
	int fd = accept4(device->listener, NULL, NULL, SOCK_CLOEXEC);
	char quoted[LOG_QUOTED];

	if (fd >= 0) {
		if (let_in(broker, device, fd) < 0)
			close(fd);
		return;
	}
	if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
		return;
	/* It waits in the queue until there are file descriptors. */
	log_event(LOG_ERR, "accept-failed", "device=%s text=%s", device->policy->name,
		  log_quote(quoted, strerror(errno)));
	device->accept_at = vfiosafe_deadline_in_ms(NO_FDS_MS);
}

static void ended(struct device *device, const struct vfiosafe_event *event)
{
	struct client **at = &device->clients, *client;

	while ((client = *at) != NULL && client->cookie != event->cookie)
		at = &client->next;
	if (!client)
		return;
	*at = client->next;
	device->count--;
	log_event(event->result ? LOG_NOTICE : LOG_INFO, "left",
		  "device=%s pid=%d uid=%u result=%d clients=%u", device->policy->name,
		  (int)client->pid, (unsigned int)client->uid, event->result, device->count);
	/* -EPERM: it was not let in. */
	if (client->writes && event->result != -EPERM)
		device->due = true;
	free(client);
}

static void in_fault(struct device *device)
{
	log_event(LOG_WARNING, "fault", "device=%s cause=\"%s\"", device->policy->name,
		  vfiosafe_cause_name(vfiosafe_device_cause(device->dev)));
	device->due = true;
}

/*
 * Of one dispatch there are less events than the queue has places for: POLICY_CLIENTS
 * ends, and a few of windows. So none is lost.
 */
void device_events(struct broker *broker, struct device *device)
{
	struct vfiosafe_event event;

	while (device->dev &&
	       vfiosafe_event_read(device->dev, &event, 1, sizeof(event)) == 1) {
		if (event.type == VFIOSAFE_EVENT_PEER)
			ended(device, &event);
		else if (event.type == VFIOSAFE_EVENT_FAULT && !device->win)
			in_fault(device);
		else if (event.type == VFIOSAFE_EVENT_RELEASE) {
			log_event(LOG_NOTICE, "release", "device=%s", device->policy->name);
			device_close(broker, device);
		}
	}
}
