/* SPDX-License-Identifier: MIT */
/*
 * irq.h - interrupts that come as eventfds, and come back after resets.
 *
 *      int fds[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
 *
 *      vfiosafe_irq_enable(dev, VFIOSAFE_IRQ_MSIX, 2, fds);
 *
 * What is enabled when a window opens is enabled when the device is LIVE again, with
 * the same eventfds: the kernel is told anew after the reset, before bus mastering
 * goes on and reinit runs. What the eventfds had counted by then is taken out of them,
 * since it is from before the reset: use them for interrupts only. INTx is unmasked,
 * unless the program had masked it. The reinit callback may enable interrupts all the
 * same, as at first start: that replaces what was carried over.
 *
 * In FAULT interrupts stay enabled and eventfds may still count; a recovery brings them
 * back as a reset does. A device that cannot get its interrupts back stays in FAULT.
 *
 * One kind is enabled at a time. Devices differ in whether they signal INTx while MSI
 * is off: disable what the driver does not handle in the device, too.
 *
 * Return of each call, besides what it says:
 *   -EAGAIN      a window is open, and this is no callback of it; vfiosafe_wait()
 *   -EIO         the device is in FAULT
 *   -ENODEV      the device is gone, or this is a forked child
 *   -EINVAL      no such kind; not enabled
 *   -ERANGE      the vector is beyond those there are; the text says how many
 *   other errors of the kernel
 * Context of each: any thread, callbacks (but lost) included. Those that may take
 * milliseconds (count, enable, disable, set_fd) are -EDEADLK inside a section.
 */
#ifndef VFIOSAFE_IRQ_H
#define VFIOSAFE_IRQ_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_device;

enum vfiosafe_irq_kind {
	VFIOSAFE_IRQ_INTX = 0, /* one, level, masked by the kernel when it comes */
	VFIOSAFE_IRQ_MSI = 1,
	VFIOSAFE_IRQ_MSIX = 2,
};

/**
 * vfiosafe_irq_count - how many vectors the device has
 * @count: written on success; 0 if it has none of this kind
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_irq_count(struct vfiosafe_device *dev,
							enum vfiosafe_irq_kind kind,
							uint32_t *count);

/**
 * vfiosafe_irq_enable - have interrupts signalled
 * @vectors: how many, from vector 0; 1 for INTx
 * @eventfds: one for each vector, or -1 for one that signals nothing yet. Duplicated:
 *            the caller keeps its own and may close it at any time.
 *
 * Return: 0; -EBUSY if interrupts are enabled already, of this kind or of another (the
 * text says which), except in the reinit callback, where what was carried over a reset
 * is replaced; -ENOSPC if the kernel has only so many vectors (the text says how many):
 * nothing is enabled; -EBADF if an eventfd is not open (the text says which);
 * -EOPNOTSUPP if the device has no such interrupts.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_irq_enable(struct vfiosafe_device *dev,
							 enum vfiosafe_irq_kind kind,
							 uint32_t vectors,
							 const int *eventfds);

/**
 * vfiosafe_irq_disable - no more interrupts
 *
 * Works in FAULT too: a recovery then brings none back. Eventfds keep what they have
 * counted.
 *
 * Return: 0, also if none were enabled; -EINVAL if another kind is.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_irq_disable(struct vfiosafe_device *dev,
							  enum vfiosafe_irq_kind kind);

/**
 * vfiosafe_irq_set_fd - have one vector signalled by another eventfd
 * @vector: from 0. Beyond those that were enabled it is added to them, if the kernel
 *          can do that.
 * @eventfd: duplicated; -1 = signals nothing
 *
 * Return: 0; -EBADF; -EOPNOTSUPP if vectors cannot be added: disable, and enable more.
 * If the kernel does not take @eventfd the former one stays.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_irq_set_fd(struct vfiosafe_device *dev,
							 enum vfiosafe_irq_kind kind,
							 uint32_t vector, int eventfd);

/**
 * vfiosafe_irq_mask - keep a vector from being signalled, or let it again
 * @masked: false after each INTx: the kernel masks it when it comes
 *
 * An INTx that is pending when it is unmasked is signalled at once. If a window opens
 * between an INTx and its unmasking, -EAGAIN may be ignored: the window unmasks it.
 *
 * Return: 0; -EOPNOTSUPP if the kernel cannot mask this kind (Linux 7 cannot mask MSI
 * and MSI-X): mask it in the device.
 * Context: sections included.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_irq_mask(struct vfiosafe_device *dev,
						       enum vfiosafe_irq_kind kind,
						       uint32_t vector, bool masked);

/**
 * vfiosafe_irq_trigger - signal a vector's eventfd as if the device had
 *
 * To test what listens to it.
 * Return: 0; -EINVAL if the vector has no eventfd.
 * Context: sections included.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_irq_trigger(struct vfiosafe_device *dev,
							  enum vfiosafe_irq_kind kind,
							  uint32_t vector);

VFIOSAFE_END_DECLS

#endif
