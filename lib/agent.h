/* SPDX-License-Identifier: MIT */
/* The thread that speaks with the other processes, where a program asked for one. */
#ifndef VSF_AGENT_H
#define VSF_AGENT_H

struct vfiosafe_device;

/*
 * At close, when the device is GONE: the thread leaves, at the latest when it has done
 * what it is at. Until then it counts as inside. Then its end is waited for.
 */
void vsf_agent_stop(struct vfiosafe_device *dev);
void vsf_agent_free(struct vfiosafe_device *dev);

#endif
