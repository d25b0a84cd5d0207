/* SPDX-License-Identifier: MIT */
/* From a line of the policy to a device that is open, and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/sys.h>

#include "broker.h"

#define CLOSE_MS 5000

/* The broker's own part is done when the device answers: what clients set up is theirs. */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	return 0;
}

/* "sim:reg:label" is a sim:reg. */
static int open_simulated(struct device *device, struct vfiosafe_device_opts *opts)
{
	const char *name = device->policy->name;
	const char *label = strchr(name + strlen("sim:"), ':');
	char model[POLICY_NAME];
	int rc;

	snprintf(model, sizeof(model), "%.*s", (int)(label ? label - name : POLICY_NAME), name);
	rc = vfiosafe_sim_open(&device->sim, model, NULL);
	if (rc < 0)
		return rc;
	device->sys = strangers_closed(vfiosafe_sim_sys(device->sim));
	opts->sys = &device->sys;
	return vfiosafe_device_open(&device->dev, vfiosafe_sim_address(device->sim), opts);
}

/*
 * One address space for what has to have one (an IOMMU group), and for what is reset
 * together if its users may share one: the kernel then makes hot resets.
 */
static unsigned int find_context(const struct broker *broker, const struct device *device)
{
	const struct device *other;

	for (unsigned int i = 0; i < device->index; i++)
		if (spaces_joined(&broker->policy, vfiosafe_sys_default(), i, device->index))
			return broker->device[i].context;
	for (unsigned int i = 0; i < device->index; i++) {
		other = &broker->device[i];
		if (!other->sim && context_may_have(broker, other->context, device->index) &&
		    device_takes_down(other, device->policy->name))
			return other->context;
	}
	return device->index;
}

static int open_device(struct broker *broker, struct device *device)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts),
					     .door = device->policy->door };
	int rc;

	if (strncmp(device->policy->name, "sim:", 4) == 0) {
		rc = open_simulated(device, &opts);
	} else {
		device->sys = strangers_closed(vfiosafe_sys_default());
		opts.sys = &device->sys;
		device->context = find_context(broker, device);
		if (device->context != device->index)
			opts.iommu_of = broker->device[device->context].dev;
		rc = vfiosafe_device_open(&device->dev, device->policy->name, &opts);
	}
	return rc < 0 ? rc : vfiosafe_device_set_driver(device->dev, &ops, NULL);
}

static int open_one(struct broker *broker, struct device *device)
{
	int rc = open_device(broker, device);
	char quoted[LOG_QUOTED];

	if (rc < 0) {
		log_event(LOG_ERR, "refused", "device=%s result=%d text=%s",
			  device->policy->name, rc, log_quote(quoted, vfiosafe_error_text()));
		return rc;
	}
	/* Its last client may have been another broker's. */
	device->due = true;
	log_event(LOG_INFO, "opened", "device=%s door=%s context=%u", device->policy->name,
		  vfiosafe_device_door(device->dev) == VFIOSAFE_DOOR_GROUP ? "group" : "cdev",
		  device->context);
	return 0;
}

static int make_list(struct broker *broker)
{
	unsigned int n = broker->policy.devices;

	broker->device = calloc(n, sizeof(*broker->device));
	if (!broker->device) {
		log_event(LOG_ERR, "refused", "text=\"out of memory\"");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < n; i++)
		broker->device[i] = (struct device){ .policy = &broker->policy.device[i],
						     .index = i,
						     .context = i,
						     .listener = -1 };
	return 0;
}

int devices_open(struct broker *broker)
{
	char quoted[LOG_QUOTED];
	int rc = make_list(broker);

	for (unsigned int i = 0; i < broker->policy.devices && rc == 0; i++)
		rc = open_one(broker, &broker->device[i]);
	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < broker->policy.devices && rc == 0; i++)
		rc = device_fits(broker, &broker->device[i]);
	if (rc == 0)
		rc = contexts_check(broker);
	if (rc < 0)
		log_event(LOG_ERR, "bad-policy", "text=%s",
			  log_quote(quoted, broker->policy.error));
	return rc;
}

static void forget_clients(struct device *device)
{
	while (device->clients) {
		struct client *client = device->clients;

		device->clients = client->next;
		free(client);
	}
	device->count = 0;
}

/* Clients are told by the close, and hung up on. */
void device_close(struct broker *broker, struct device *device)
{
	char quoted[LOG_QUOTED];
	int rc;

	(void)broker;
	socket_close(device);
	vfiosafe_window_end(device->win);
	device->win = NULL;
	device->due = false;
	if (device->dev) {
		rc = vfiosafe_device_close(device->dev, CLOSE_MS);
		log_event(rc < 0 ? LOG_ERR : LOG_INFO, "closed",
			  "device=%s clients=%u result=%d text=%s", device->policy->name,
			  device->count, rc,
			  log_quote(quoted, rc < 0 ? vfiosafe_error_text() : ""));
		device->dev = NULL;
	}
	forget_clients(device);
	if (device->sim)
		vfiosafe_sim_close(device->sim);
	device->sim = NULL;
}
