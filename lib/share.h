/* SPDX-License-Identifier: MIT */
/*
 * The owner's side of a device that is shared, as the rest of the library sees it. All
 * of these do nothing if the device is not shared.
 */
#ifndef VSF_SHARE_H
#define VSF_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct vfiosafe_device;
struct vsf_run;

/*
 * The word keeps everybody out: asks the clients to leave. Not for windows in which the
 * device keeps its state and nothing is made to it (EXCLUSIVE), nor from parked.
 */
void vsf_share_prepare(struct vsf_run *run);

/*
 * Looks for answers. 0: all clients that were asked agree, or have ended; -EAGAIN;
 * -ECANCELED with a text: one refuses.
 */
int vsf_share_votes(struct vsf_run *run);

/* Fails with @err, naming a client that is in the way; 0: there is none. */
int vsf_share_refuse(struct vsf_run *run, int err);

/*
 * At the deadline of a reset by force: clients that have not answered are cut off or
 * killed, as their grants say. What is left then keeps vsf_share_stragglers() busy.
 */
void vsf_share_force(struct vsf_run *run);

/* After a reset by force: 0 if no client is left that may reach the device; -EAGAIN. */
int vsf_share_stragglers(struct vsf_run *run);

/*
 * A window is over, and the word where it stays: tells the clients, and lets those in
 * that came meanwhile. Unless the next has begun: then at the end of that.
 */
void vsf_share_over(struct vfiosafe_device *dev, uint64_t window, int result);

/* The word moved without a window. */
void vsf_share_tell(struct vfiosafe_device *dev);

/* The device is GONE: what is driven for clients ends. */
void vsf_share_gone(struct vfiosafe_device *dev);

/* Hangs up, and frees what there is. */
void vsf_share_end(struct vfiosafe_device *dev);

/* agent.c asks these two: the fd, and one round. -EINVAL: not shared. */
int vsf_share_fd(const struct vfiosafe_device *dev);
int vsf_share_dispatch(struct vfiosafe_device *dev);

#endif
