/* SPDX-License-Identifier: MIT */
/*
 * irq.h - interrupts: what VFIO set up, and how the device raises them.
 *
 * All calls are made with sim->lock held, unless they say otherwise.
 */
#ifndef VSIM_IRQ_H
#define VSIM_IRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VSIM_VECTORS 64u    /* of MSI-X, at most: bits of a word */
#define VSIM_MSI_VECTORS 4u /* of MSI: a power of two */
#define VSIM_NO_IRQ UINT32_MAX
#define VSIM_MSIX_ENTRY 16ul

struct vfio_irq_info;
struct vfio_irq_set;
struct vfiosafe_sim;

struct vsim_irqs {
	uint32_t kind;	      /* the index that is enabled, or VSIM_NO_IRQ */
	uint64_t allocated;   /* MSI, MSI-X: vectors that the host gave */
	bool enabled;	      /* MSI, MSI-X: the enable bit in hardware */
	uint64_t pending;     /* MSI-X: raised while masked in the table */
	int fd[VSIM_VECTORS]; /* our duplicates of eventfds, or -1 */
	bool masked;	      /* INTx */
	bool line;	      /* INTx: the device asserts it */
	int err_fd;
	int req_fd;
};

void vsim_irqs_init(struct vsim_irqs *irqs);
/* the last user closed the device */
void vsim_irqs_release(struct vfiosafe_sim *sim);
/* the eventfds alone: the simulation ends; no lock needed */
void vsim_irqs_close(struct vsim_irqs *irqs);

/* eventfd.c: a duplicate of @fd; -EBADF, -EINVAL if it is no eventfd */
int vsim_eventfd_get(int fd);
void vsim_eventfd_put(int *fd);
void vsim_eventfd_signal(int fd);

/* irq_set.c: the two ioctls; lock not held */
int vsim_get_irq_info(struct vfiosafe_sim *sim, struct vfio_irq_info *arg);
int vsim_set_irqs(struct vfiosafe_sim *sim, const struct vfio_irq_set *set);
uint32_t vsim_irq_count(const struct vfiosafe_sim *sim, uint32_t index);

/* msi.c: TRIGGER of MSI and MSI-X */
int vsim_msi_set(struct vfiosafe_sim *sim, const struct vfio_irq_set *set);
void vsim_msi_off(struct vfiosafe_sim *sim);

/* intx.c */
int vsim_intx_set(struct vfiosafe_sim *sim, const struct vfio_irq_set *set);
void vsim_intx_off(struct vfiosafe_sim *sim);
void vsim_intx_line(struct vfiosafe_sim *sim, bool asserted);
/* something changed: signals if it now has to be */
void vsim_intx_look(struct vfiosafe_sim *sim);
/* INTX_DISABLE in COMMAND was written */
void vsim_intx_disable_bit(struct vfiosafe_sim *sim);

/* msix.c: the device's side */
void vsim_irq_raise(struct vfiosafe_sim *sim, uint32_t vector);
void vsim_msix_write(struct vfiosafe_sim *sim, uint32_t vector);
void vsim_msix_down(struct vfiosafe_sim *sim);
void vsim_msix_stay_down(struct vfiosafe_sim *sim);
/* @restored: with what the kernel knows; else as after power-on */
void vsim_msix_up(struct vfiosafe_sim *sim, bool restored);
/* vectors that were unmasked in the table */
void vsim_msix_tick(struct vfiosafe_sim *sim);

#endif
