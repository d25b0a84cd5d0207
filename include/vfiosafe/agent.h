/* SPDX-License-Identifier: MIT */
/*
 * agent.h - who speaks with the other processes that share a device.
 *
 * Both the owner and its clients (share.h) have to answer each other. Either an event
 * loop does:
 *
 *      poll() says that vfiosafe_agent_fd(dev) is readable:
 *      rc = vfiosafe_agent_dispatch(dev);
 *
 * or a thread that the library starts: vfiosafe_agent_start(dev). Calls that wait for
 * another process (vfiosafe_reset(), vfiosafe_wait()...) look after its messages
 * themselves while they wait.
 *
 * In a client, callbacks of the driver run on the thread that dispatches.
 */
#ifndef VFIOSAFE_AGENT_H
#define VFIOSAFE_AGENT_H

#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

/**
 * vfiosafe_agent_fd - a file descriptor that is readable when there is something to do
 *
 * Return: an fd that is the library's, good until the device is closed; -EINVAL if the
 * device is not shared (yet).
 * Context: any thread.
 */
VFIOSAFE_API int vfiosafe_agent_fd(const struct vfiosafe_device *dev);

/**
 * vfiosafe_agent_dispatch - do what there is to do
 *
 * Does not wait for other processes. It may take as long as a callback of the driver, in
 * an owner as long as the reset that a client asked for, or as an access of a client to
 * a device that is being reset behind the library.
 *
 * Return: 0; -EAGAIN another thread is at it; -EOWNERDEAD (a client) the owner has ended;
 * -ENODEV the device is gone; -EINVAL it is not shared; -EDEADLK inside a section or a
 * callback.
 * Context: any thread, outside of sections and callbacks.
 */
VFIOSAFE_API int vfiosafe_agent_dispatch(struct vfiosafe_device *dev);

/**
 * vfiosafe_agent_start - a thread that dispatches until the device is closed
 *
 * All signals are blocked in it but those of faults.
 *
 * Return: 0, also if it runs; -EINVAL the device is not shared; -EAGAIN no more threads.
 * Context: any thread, outside of sections and callbacks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_agent_start(struct vfiosafe_device *dev);

VFIOSAFE_END_DECLS

#endif
