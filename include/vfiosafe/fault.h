/* SPDX-License-Identifier: MIT */
/*
 * fault.h - SIGBUS in a mapped BAR does not kill the process.
 *
 * The kernel raises SIGBUS when a thread touches a BAR whose memory decode is off,
 * or whose device sleeps. The signal belongs to the application. Either its own
 * handler offers each SIGBUS to vfiosafe_sigbus_handle(), or it asks for
 * vfiosafe_sigbus_install(), which does so and chains to what was there before.
 *
 * A fault inside a BAR of this library closes the gate of that device in this
 * process (accesses get -EIO, state FAULT), maps private memory full of ones over
 * the place and lets the faulting code run on; its section reports -EIO at the
 * end, so nothing it read is used. vfiosafe_recover() maps the BAR back at the
 * same address. A fault elsewhere is not touched.
 *
 * A thread must not block SIGBUS: the kernel kills a process whose thread faults
 * with the signal blocked. The library warns (log.h) when such a thread uses it
 * for the first time or maps a BAR, and when the disposition at map or at a window
 * could not reach it.
 */
#ifndef VFIOSAFE_FAULT_H
#define VFIOSAFE_FAULT_H

#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_device;

/**
 * vfiosafe_sigbus_handle - is this fault ours? then repair it
 * @sig: as the two others, from the handler's arguments
 * @info: its siginfo_t (not named here: strict C11 does not know the type)
 * @context: its third argument
 *
 *      static void on_sigbus(int sig, siginfo_t *info, void *context)
 *      {
 *              if (vfiosafe_sigbus_handle(sig, info, context))
 *                      return;
 *              ...the application's own business...
 *      }
 *
 * Return: 1: handled, return from the handler, the access runs on; 0: not in a BAR
 * of this library (or it could not be repaired): nothing was changed.
 * Context: signal handlers, any stack; async-signal-safe; keeps errno. May wait
 * for the kernel's mmap lock while another thread is blocked in a BAR fault.
 */
VFIOSAFE_API int vfiosafe_sigbus_handle(int sig, void *info, void *context);

/**
 * vfiosafe_sigbus_install - install a SIGBUS handler for this process
 *
 * What it does not handle goes to the disposition that was there before, as that
 * was set up: with one or three arguments, its mask, its flags; by default the
 * process dies as it would have. Handlers installed later should do the same for
 * ours, or call vfiosafe_sigbus_handle(). For one that does not (DPDK's), call this
 * again: ours goes in front of it too. Once; docs/integrating.md has the cases.
 *
 * Return: 0; -EALREADY if it is in front already; -EBUSY if a handler was installed
 * after it for the second time; other errors of sigaction(2).
 * Context: any thread; not signal-safe.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_sigbus_install(void);

/**
 * vfiosafe_sigbus_restore - put the former disposition back; once per install
 *
 * Return: 0; -EBUSY if somebody installed another handler since: nothing was
 * changed, that one may be chaining to ours; -ENOENT if none is installed.
 * Context: as vfiosafe_sigbus_install().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_sigbus_restore(void);

/**
 * vfiosafe_fault_fd - an eventfd that a fault in a BAR of this device makes readable
 *
 * For an event loop, where no thread may be accessing the device: code that knows
 * nothing of the library may have run into the fault. When it is readable, read
 * eight bytes from it, then call vfiosafe_fault_notice(). Not needed by a program that
 * reads events (event.h): vfiosafe_event_read() does both.
 *
 * Return: an fd owned by @dev, non-blocking; do not close it.
 * Context: any.
 */
VFIOSAFE_API int vfiosafe_fault_fd(const struct vfiosafe_device *dev);

/**
 * vfiosafe_fault_notice - let the device follow a gate that a fault has closed
 *
 * The device goes to FAULT and the lost callback runs, if a fault closed the gate
 * and nobody has noticed yet. Any access that fails, wait, reset and recover do the
 * same by themselves.
 *
 * Context: any thread; inside a section nothing happens. Not signal-safe.
 */
VFIOSAFE_API void vfiosafe_fault_notice(struct vfiosafe_device *dev);

VFIOSAFE_END_DECLS

#endif
