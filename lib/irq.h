/* SPDX-License-Identifier: MIT */
/* Which interrupts of a device are enabled, and how the kernel is told. */
#ifndef VSF_IRQ_H
#define VSF_IRQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/irq.h>

struct vfio_irq_set;
struct vfiosafe_device;
struct vsf_run;

#define VSF_IRQ_KINDS 3

struct vsf_irqs {
	/*
	 * Held across SET_IRQS, so that the kernel has what is noted here. Nothing
	 * that a reset waits for is waited for under it.
	 */
	pthread_mutex_t lock;

	/*
	 * What is enabled: the request that enables it, with our own duplicates of
	 * the eventfds in it; NULL = nothing. Always at hand, so that nothing has to
	 * be allocated to repeat it.
	 */
	struct vfio_irq_set *set;
	bool off;     /* in the kernel it is off, until the reset that comes */
	bool carried; /* repeated by a window: its reinit may replace it */
	bool masked;  /* INTx, by the program */

	/* What the device has; asked while it answers. */
	struct vsf_irq_info {
		bool known, maskable, grows;
		uint32_t count;
	} info[VSF_IRQ_KINDS];
};

/* irq.c */
void vsf_irqs_init(struct vfiosafe_device *dev);
/* Closes our eventfds; the kernel has let go of them, or does so now. */
void vsf_irqs_free(struct vfiosafe_device *dev);
const char *vsf_irq_name(uint32_t kind);

/*
 * Begins a call: counted, so that close waits for it, and with the lock held. A window
 * that has begun meanwhile finds what the call made. @slow: its name, if it may take
 * milliseconds. 0 or -errno with a text.
 */
int vsf_irq_enter(struct vfiosafe_device *dev, enum vfiosafe_irq_kind kind,
		  const char *slow);
/* Ends it; returns @rc. */
int vsf_irq_leave(struct vfiosafe_device *dev, int rc);
/* What an access would meet: 0 if LIVE, or in a callback of the window. */
int vsf_irq_refuse(const struct vfiosafe_device *dev);
int vsf_irq_refuse_vector(const struct vfiosafe_device *dev, uint32_t kind,
			  uint32_t count);
/* *@own: a duplicate of @fd, or -1 for -1 */
int vsf_irq_duplicate(const struct vfiosafe_device *dev, int fd, uint32_t vector,
		      int32_t *own);

/* irq_set.c: the kernel's side, under the lock. 0, -errno, or a positive number of
 * vectors. */
int vsf_irq_info(struct vfiosafe_device *dev, uint32_t kind,
		 const struct vsf_irq_info **info);
struct vfio_irq_set *vsf_irq_set_new(uint32_t kind, uint32_t vectors);
int32_t *vsf_irq_fds(const struct vfio_irq_set *set);
int vsf_irq_arm(const struct vfiosafe_device *dev, struct vfio_irq_set *set);
int vsf_irq_arm_one(const struct vfiosafe_device *dev, uint32_t kind, uint32_t vector,
		    int32_t fd);
int vsf_irq_off(const struct vfiosafe_device *dev, uint32_t kind);
/* @action: VFIO_IRQ_SET_ACTION_*, without data */
int vsf_irq_act(const struct vfiosafe_device *dev, uint32_t kind, uint32_t vector,
		uint32_t action);
/* Why vsf_irq_arm() did not return 0, in words; -errno. */
int vsf_irq_arm_failed(const struct vfiosafe_device *dev, const struct vfio_irq_set *set,
		       int rc);

/*
 * irq_window.c: around a reset. Before, on the way out of FAULT, interrupts go off: an
 * AER recovery has taken MSI-X away in the device alone. Afterwards, with the BARs back
 * and bus mastering off, they are as they were. -errno with a text.
 */
void vsf_irq_before_reset(const struct vsf_run *run);
int vsf_irq_after_reset(struct vfiosafe_device *dev);

/* Of an adopted device, before its fd is given up: others go on to hold it. */
void vsf_irq_disarm(struct vfiosafe_device *dev);

#endif
