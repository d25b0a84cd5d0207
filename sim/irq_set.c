/* SPDX-License-Identifier: MIT */
/*
 * irq_set.c - VFIO_DEVICE_GET_IRQ_INFO and VFIO_DEVICE_SET_IRQS: the rules of the
 * kernel, up to where the three kinds of interrupt differ.
 */
#include <errno.h>
#include <uapi.h>
#include <stddef.h>
#include <string.h>
#include "internal.h"

#define HEADER_LEN (offsetof(struct vfio_irq_set, count) + sizeof(uint32_t))

void vsim_irqs_init(struct vsim_irqs *irqs)
{
	*irqs = (struct vsim_irqs){ .kind = VSIM_NO_IRQ, .err_fd = -1, .req_fd = -1 };
	for (unsigned int i = 0; i < VSIM_VECTORS; i++)
		irqs->fd[i] = -1;
}

void vsim_irqs_release(struct vfiosafe_sim *sim)
{
	vsim_intx_off(sim);
	vsim_msi_off(sim);
	vsim_eventfd_put(&sim->irqs.err_fd);
	vsim_eventfd_put(&sim->irqs.req_fd);
}

void vsim_irqs_close(struct vsim_irqs *irqs)
{
	for (unsigned int i = 0; i < VSIM_VECTORS; i++)
		vsim_eventfd_put(&irqs->fd[i]);
	vsim_eventfd_put(&irqs->err_fd);
	vsim_eventfd_put(&irqs->req_fd);
}

/* Counts are read from the hardware: one that is gone has as many as fit. */
uint32_t vsim_irq_count(const struct vfiosafe_sim *sim, uint32_t index)
{
	switch (index) {
	case VFIO_PCI_MSI_IRQ_INDEX:
		return sim->gone ? 128 : VSIM_MSI_VECTORS;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return sim->gone ? 2048 : sim->opts.vectors;
	default:
		return 1;
	}
}

int vsim_get_irq_info(struct vfiosafe_sim *sim, struct vfio_irq_info *arg)
{
	bool grows = !(sim->opts.flags & VFIOSAFE_SIM_MSIX_NORESIZE);

	if (arg->argsz < offsetof(struct vfio_irq_info, count) + sizeof(arg->count))
		return -EINVAL;
	if (arg->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	arg->flags = VFIO_IRQ_INFO_EVENTFD;
	if (arg->index == VFIO_PCI_INTX_IRQ_INDEX)
		arg->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (arg->index != VFIO_PCI_MSIX_IRQ_INDEX || !grows)
		arg->flags |= VFIO_IRQ_INFO_NORESIZE;
	pthread_mutex_lock(&sim->lock);
	arg->count = vsim_irq_count(sim, arg->index);
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

/* What the kernel looks at before it looks at the kind of interrupt. */
static int check(const struct vfio_irq_set *set, uint32_t count)
{
	uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	uint64_t end = (uint64_t)set->start + set->count;
	size_t unit = 0;

	if (set->flags & ~known || set->start >= count || end > count)
		return -EINVAL;
	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		unit = sizeof(uint8_t);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		unit = sizeof(int32_t);
		break;
	default:
		return -EINVAL;
	}
	return set->argsz - HEADER_LEN < set->count * unit ? -EINVAL : 0;
}

static int set_single_fd(int *slot, const struct vfio_irq_set *set)
{
	int32_t fd;
	int copy = -1;

	if (set->count == 0)
		return -EINVAL;
	memcpy(&fd, set->data, sizeof(fd));
	if (fd < -1)
		return -EINVAL;
	if (fd >= 0)
		copy = vsim_eventfd_get(fd);
	if (fd >= 0 && copy < 0)
		return copy;
	vsim_eventfd_put(slot);
	*slot = copy;
	return 0;
}

/* ERR and REQ. */
static int set_single(int *slot, const struct vfio_irq_set *set)
{
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return set_single_fd(slot, set);
	if (set->flags & VFIO_IRQ_SET_DATA_BOOL) {
		if (set->count == 0)
			return -EINVAL;
		if (set->data[0])
			vsim_eventfd_signal(*slot);
		return 0;
	}
	if (*slot < 0)
		return -EINVAL;
	if (set->count)
		vsim_eventfd_signal(*slot);
	else
		vsim_eventfd_put(slot);
	return 0;
}

static int set_locked(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	uint32_t action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (set->index == VFIO_PCI_INTX_IRQ_INDEX)
		return vsim_intx_set(sim, set);
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;
	if (set->index == VFIO_PCI_ERR_IRQ_INDEX)
		return set_single(&sim->irqs.err_fd, set);
	if (set->index == VFIO_PCI_REQ_IRQ_INDEX)
		return set_single(&sim->irqs.req_fd, set);
	/* The table is behind the BAR, so behind the lock that a reset holds. */
	while (sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	return vsim_msi_set(sim, set);
}

int vsim_set_irqs(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	int rc;

	if (set->argsz < HEADER_LEN || set->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_SET_IRQS);
	if (rc == 0)
		rc = check(set, vsim_irq_count(sim, set->index));
	if (rc == 0)
		rc = set_locked(sim, set);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}
