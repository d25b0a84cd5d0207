/* SPDX-License-Identifier: MIT */
/*
 * msi.c - MSI and MSI-X by VFIO_DEVICE_SET_IRQS: vectors, and their eventfds.
 *
 * Vectors are the host's to give. The first call gets as many as it names or is
 * told how many there are; with MSI-X later calls may get more.
 */
#include <errno.h>
#include <uapi.h>
#include <string.h>
#include "internal.h"

static uint64_t first_vectors(uint64_t count)
{
	return count < 64 ? (1ull << count) - 1 : UINT64_MAX;
}

static uint64_t free_vectors(const struct vfiosafe_sim *sim)
{
	uint64_t given = (uint64_t)__builtin_popcountll(sim->irqs.allocated);

	return sim->vectors_free > given ? sim->vectors_free - given : 0;
}

/* 0; or, with nothing enabled, how many vectors there are. */
static int msi_on(struct vfiosafe_sim *sim, uint32_t index, uint64_t count)
{
	uint64_t most =
		index == VFIO_PCI_MSI_IRQ_INDEX ? VSIM_MSI_VECTORS : sim->opts.vectors;

	if (count == 0)
		return -ERANGE;
	if (most > sim->vectors_free)
		most = sim->vectors_free;
	if (most == 0)
		return -ENOSPC;
	if (most < count)
		return (int)most;
	sim->irqs.kind = index;
	sim->irqs.allocated = first_vectors(count);
	sim->irqs.enabled = !sim->down;
	for (uint32_t i = 0; i < sim->opts.vectors; i++)
		vsim_msix_write(sim, i);
	return 0;
}

static int more_vectors(struct vfiosafe_sim *sim, uint32_t vector)
{
	bool fixed = sim->irqs.kind == VFIO_PCI_MSI_IRQ_INDEX ||
		     (sim->opts.flags & VFIOSAFE_SIM_MSIX_NORESIZE);

	if (sim->irqs.allocated & (1ull << vector))
		return 0;
	if (fixed)
		return -EINVAL;
	if (free_vectors(sim) == 0)
		return -ENOSPC;
	sim->irqs.allocated |= 1ull << vector;
	return 0;
}

/* Whatever the vector had is gone, also if this fails. */
static int set_vector(struct vfiosafe_sim *sim, uint32_t vector, int fd)
{
	int rc = 0;

	/* One that is gone says that it has thousands. */
	if (vector >= VSIM_VECTORS)
		return fd < 0 ? 0 : -EINVAL;
	vsim_eventfd_put(&sim->irqs.fd[vector]);
	if (fd >= 0)
		rc = more_vectors(sim, vector);
	if (fd >= 0 && rc == 0)
		rc = vsim_eventfd_get(fd);
	if (rc > 0)
		sim->irqs.fd[vector] = rc;
	vsim_msix_write(sim, vector);
	return rc < 0 ? rc : 0;
}

static int set_fds(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	uint32_t done = 0;
	int rc = 0;

	while (done < set->count && rc == 0) {
		int32_t fd;

		memcpy(&fd, set->data + done * sizeof(fd), sizeof(fd));
		rc = set_vector(sim, set->start + done++, fd);
	}
	for (uint32_t i = 0; rc < 0 && i < done; i++)
		(void)set_vector(sim, set->start + i, -1);
	return rc;
}

static int enable(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	int rc = msi_on(sim, set->index, (uint64_t)set->start + set->count);

	if (rc == 0) {
		rc = set_fds(sim, set);
		if (rc < 0)
			vsim_msi_off(sim);
	}
	return rc;
}

static void loop_back(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	bool all = set->flags & VFIO_IRQ_SET_DATA_NONE;

	for (uint32_t i = 0; i < set->count && set->start + i < VSIM_VECTORS; i++)
		if (all || set->data[i])
			vsim_eventfd_signal(sim->irqs.fd[set->start + i]);
}

int vsim_msi_set(struct vfiosafe_sim *sim, const struct vfio_irq_set *set)
{
	bool on = sim->irqs.kind == set->index;

	if (on && set->count == 0 && (set->flags & VFIO_IRQ_SET_DATA_NONE)) {
		vsim_msi_off(sim);
		return 0;
	}
	if (!on && sim->irqs.kind != VSIM_NO_IRQ)
		return -EINVAL;
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return on ? set_fds(sim, set) : enable(sim, set);
	if (!on)
		return -EINVAL;
	loop_back(sim, set);
	return 0;
}

void vsim_msi_off(struct vfiosafe_sim *sim)
{
	struct vsim_irqs *irqs = &sim->irqs;

	if (irqs->kind != VFIO_PCI_MSI_IRQ_INDEX && irqs->kind != VFIO_PCI_MSIX_IRQ_INDEX)
		return;
	irqs->enabled = false;
	irqs->pending = 0;
	for (uint32_t i = 0; i < VSIM_VECTORS; i++)
		vsim_eventfd_put(&irqs->fd[i]);
	for (uint32_t i = 0; i < sim->opts.vectors; i++)
		vsim_msix_write(sim, i);
	irqs->allocated = 0;
	irqs->kind = VSIM_NO_IRQ;
}
