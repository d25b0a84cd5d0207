/* SPDX-License-Identifier: MIT */
/*
 * intx.c - the interrupt line: a level. VFIO masks it whenever it signals; the
 * program unmasks it, and is told again at once if the line is still asserted.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <uapi.h>
#include <string.h>
#include "internal.h"

static bool is_on(const struct vfiosafe_sim *sim)
{
	return sim->irqs.kind == VFIO_PCI_INTX_IRQ_INDEX;
}

static bool is_disabled(const struct vfiosafe_sim *sim)
{
	return sim->shadow & PCI_COMMAND_INTX_DISABLE;
}

static void signal_intx(struct vfiosafe_sim *sim)
{
	if (is_disabled(sim) || sim->irqs.fd[0] < 0)
		return;
	sim->counts.interrupts++;
	vsim_eventfd_signal(sim->irqs.fd[0]);
}

void vsim_intx_look(struct vfiosafe_sim *sim)
{
	if (!is_on(sim) || sim->irqs.masked || !sim->irqs.line || !vsim_awake(sim))
		return;
	sim->irqs.masked = true;
	signal_intx(sim);
}

void vsim_intx_line(struct vfiosafe_sim *sim, bool asserted)
{
	sim->irqs.line = asserted;
	vsim_intx_look(sim);
}

static void unmask(struct vfiosafe_sim *sim)
{
	if (is_disabled(sim))
		return;
	sim->irqs.masked = false;
	vsim_intx_look(sim);
}

void vsim_intx_disable_bit(struct vfiosafe_sim *sim)
{
	if (!is_on(sim))
		return;
	if (is_disabled(sim))
		sim->irqs.masked = true;
	else
		unmask(sim);
}

void vsim_intx_off(struct vfiosafe_sim *sim)
{
	if (!is_on(sim))
		return;
	vsim_eventfd_put(&sim->irqs.fd[0]);
	sim->irqs.kind = VSIM_NO_IRQ;
}

static int set_fd(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	int copy = -1;
	int32_t fd;

	memcpy(&fd, set->data, sizeof(fd));
	if (fd >= 0)
		copy = vsim_eventfd_get(fd);
	if (fd >= 0 && copy < 0)
		return copy;
	vsim_eventfd_put(&sim->irqs.fd[0]);
	sim->irqs.fd[0] = copy;
	if (is_on(sim))
		return 0;
	sim->irqs.kind = VFIO_PCI_INTX_IRQ_INDEX;
	sim->irqs.masked = is_disabled(sim);
	vsim_intx_look(sim);
	return 0;
}

static int trigger(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	if (is_on(sim) && set->count == 0 && (set->flags & VFIO_IRQ_SET_DATA_NONE)) {
		vsim_intx_off(sim);
		return 0;
	}
	if ((!is_on(sim) && sim->irqs.kind != VSIM_NO_IRQ) || set->count != 1)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_fd(sim, set);
	if (!is_on(sim))
		return -EINVAL;
	if ((set->flags & VFIO_IRQ_SET_DATA_NONE) || set->data[0])
		signal_intx(sim);
	return 0;
}

/* Unmasking by an eventfd, which the kernel knows too, is left out. */
int vsim_intx_set(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	uint32_t action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
		return trigger(sim, set);
	if (action != VFIO_IRQ_SET_ACTION_MASK && action != VFIO_IRQ_SET_ACTION_UNMASK)
		return -ENOTTY;
	if (!is_on(sim) || set->count != 1)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	if ((set->flags & VFIO_IRQ_SET_DATA_BOOL) && !set->data[0])
		return 0;
	if (action == VFIO_IRQ_SET_ACTION_MASK)
		sim->irqs.masked = true;
	else
		unmask(sim);
	return 0;
}
