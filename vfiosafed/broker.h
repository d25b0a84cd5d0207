/* SPDX-License-Identifier: MIT */
/*
 * broker.h - the devices of a policy, who has them, and the one thread that looks after
 * all of them.
 *
 * A device goes round like this; while it is due nobody is let in:
 *
 *      due      at start, in FAULT, and when a client that may write has ended
 *      window   the reset is made, step by step; other clients are asked, as by any
 *      clean    connections are accepted
 */
#ifndef VFIOSAFED_BROKER_H
#define VFIOSAFED_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>
#include <vfiosafe/sys.h>

#include "log.h"
#include "policy.h"

struct vfiosafe_sim;

/* A connection that was accepted; freed when the library says that it has ended. */
struct client {
	struct client *next;
	uint64_t cookie;
	pid_t pid;
	uid_t uid;
	bool writes, dma;
};

struct device {
	const struct policy_device *policy;
	unsigned int index; /* in the policy */
	struct vfiosafe_sim *sim; /* or NULL */
	struct vfiosafe_sys sys;  /* strangers.c */
	struct vfiosafe_device *dev; /* NULL: the kernel has it back */
	unsigned int context;	     /* index of the first with its IOMMU context */

	int listener;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to be removed; "" */
	int64_t accept_at; /* not before: no file descriptors; 0 */

	struct client *clients;
	unsigned int count;
	bool served; /* it has an agent */
	bool master; /* bus mastering is on: a client may have memory for DMA */

	bool due;
	struct vfiosafe_window *win; /* of the reset that is being made */
	unsigned int tries;	     /* that failed, of this one */
	int64_t reset_at;	     /* not before */
};

struct broker {
	struct policy policy;
	struct device *device; /* as many as the policy has */
	uint64_t cookies;      /* given so far */
	int signal_fd;
	bool stop;
};

/* device.c: opens all, and looks whether the policy fits them. Has told why not. */
int devices_open(struct broker *broker);
void device_close(struct broker *broker, struct device *device);
/* space.c: pairs that the kernel puts into one address space, without opening them. */
int spaces_check(struct policy *policy, const struct vfiosafe_sys *sys);
/* Are both in one IOMMU group? */
bool spaces_joined(const struct policy *policy, const struct vfiosafe_sys *sys,
		   unsigned int a, unsigned int b);
/* Of devices that have their contexts: may @index be a further one of @context? */
bool context_may_have(const struct broker *broker, unsigned int context,
		      unsigned int index);
/* -EINVAL with policy->error: one context has users that may not share it. */
int contexts_check(struct broker *broker);
/* fit.c: policy lines of a device that is open. -EINVAL with policy->error. */
int device_fits(struct broker *broker, const struct device *device);
/* Does a hot reset of @device reset @address too? */
bool device_takes_down(const struct device *device, const char *address);

/* socket.c: those that were inherited, and one in @dir for each other device. */
int sockets_open(struct broker *broker, const char *dir);
void socket_close(struct device *device);

/*
 * strangers.c: *@sys, but that closes what clients send in the place of memory on threads
 * of their own: a file may keep who closes it waiting for ever.
 */
struct vfiosafe_sys strangers_closed(const struct vfiosafe_sys *sys);
/* Too many wait: no more such clients. */
bool strangers_wait(void);

/* client.c */
void client_accept(struct broker *broker, struct device *device);
/* What the library tells: who has ended, what became of the device. */
void device_events(struct broker *broker, struct device *device);

/* reset.c: goes on with what is due. */
void device_reset(struct device *device);
/* When it wants to be called again; VFIOSAFE_FOREVER. */
int64_t device_reset_next(const struct device *device);

/* loop.c: until a signal, or no device is left. */
void broker_run(struct broker *broker);
/* Answers all that clients have said up to now. */
void device_settle(struct broker *broker, struct device *device);

/* notify.c: tells systemd, if it is that which started us. */
void notify(const char *state);

static inline int64_t now_ns(void)
{
	return vfiosafe_deadline_in_ms(0);
}

#endif
