/* SPDX-License-Identifier: MIT */
/*
 * msix.c - how the device raises interrupts, and the MSI-X table in its BAR.
 *
 * A message is a write to memory: without bus mastering it goes nowhere. After a
 * reset the table is what the kernel knows of it; what a program wrote there
 * itself is lost.
 */
#include <linux/pci_regs.h>
#include <uapi.h>
#include "internal.h"
#include "memory.h"

#define MESSAGE_ADDRESS 0xfee00000u
#define MESSAGE_DATA 0x4021u
#define PBA_LEN 8u

static uint32_t *entry(struct vfiosafe_sim *sim, uint32_t vector)
{
	const struct vsim_model *model = sim->model;
	uint8_t *table = sim->bar[model->msix_bar].mem + model->msix_table;

	return (uint32_t *)(void *)(table + vector * VSIM_MSIX_ENTRY);
}

static uint64_t *pending_bits(struct vfiosafe_sim *sim)
{
	const struct vsim_model *model = sim->model;

	return (uint64_t *)(void *)(sim->bar[model->msix_bar].mem + model->msix_pba);
}

static VSIM_BULK void write_entry(uint32_t *at, uint32_t address, uint32_t data,
				  uint32_t control)
{
	vsim_set32(at, address);
	vsim_set32(at + 1, 0);
	vsim_set32(at + 2, data);
	vsim_set32(at + 3, control);
}

static void write_vector(struct vfiosafe_sim *sim, uint32_t vector, bool known)
{
	write_entry(entry(sim, vector), known ? MESSAGE_ADDRESS : 0,
		    known ? MESSAGE_DATA + vector : 0,
		    known && sim->irqs.fd[vector] >= 0 ? 0 : PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static bool is_known(const struct vsim_irqs *irqs, uint32_t vector)
{
	return irqs->kind == VFIO_PCI_MSIX_IRQ_INDEX &&
	       (irqs->allocated & (1ull << vector));
}

/* A dead device takes no notice. */
void vsim_msix_write(struct vfiosafe_sim *sim, uint32_t vector)
{
	if (!sim->down && vector < sim->opts.vectors)
		write_vector(sim, vector, is_known(&sim->irqs, vector));
}

static VSIM_BULK void fill(struct vfiosafe_sim *sim, uint64_t value)
{
	const struct vsim_model *model = sim->model;
	uint8_t *bar = sim->bar[model->msix_bar].mem;

	for (uint32_t at = model->msix_table; at < model->msix_end; at += 8) {
		uint64_t *word = (uint64_t *)(void *)(bar + at);

		if (vsim_get64(word) != value)
			vsim_set64(word, value);
	}
}

void vsim_msix_down(struct vfiosafe_sim *sim)
{
	sim->irqs.pending = 0;
	sim->irqs.line = false;
	sim->irqs.enabled = false;
	vsim_msix_stay_down(sim);
}

void vsim_msix_stay_down(struct vfiosafe_sim *sim)
{
	fill(sim, vsim_dead(sim));
}

void vsim_msix_up(struct vfiosafe_sim *sim, bool restored)
{
	struct vsim_irqs *irqs = &sim->irqs;

	irqs->enabled = restored && (irqs->kind == VFIO_PCI_MSI_IRQ_INDEX ||
				     irqs->kind == VFIO_PCI_MSIX_IRQ_INDEX);
	fill(sim, 0);
	for (uint32_t i = 0; i < sim->opts.vectors; i++)
		write_vector(sim, i, restored && is_known(irqs, i));
}

static void set_pending(struct vfiosafe_sim *sim, uint64_t bits)
{
	sim->irqs.pending = bits;
	vsim_set64(pending_bits(sim), bits);
}

static VSIM_HARDWARE bool is_masked(struct vfiosafe_sim *sim, uint32_t vector)
{
	return vsim_get32(entry(sim, vector) + 3) & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static void send(struct vfiosafe_sim *sim, uint32_t vector)
{
	if (!vsim_bus_master(sim) || sim->irqs.fd[vector] < 0) {
		sim->counts.lost_interrupts++;
		return;
	}
	sim->counts.interrupts++;
	vsim_eventfd_signal(sim->irqs.fd[vector]);
}

static void raise_msix(struct vfiosafe_sim *sim, uint32_t vector)
{
	if (vector >= sim->opts.vectors)
		return;
	if (is_masked(sim, vector))
		set_pending(sim, sim->irqs.pending | 1ull << vector);
	else
		send(sim, vector);
}

/* With fewer messages than it wants, a device sends the last one for the rest. */
static void raise_msi(struct vfiosafe_sim *sim, uint32_t vector)
{
	uint32_t given = (uint32_t)__builtin_popcountll(sim->irqs.allocated);

	send(sim, vector < given ? vector : given - 1);
}

void vsim_irq_raise(struct vfiosafe_sim *sim, uint32_t vector)
{
	if (!vsim_awake(sim))
		return;
	if (!sim->irqs.enabled)
		vsim_intx_line(sim, true);
	else if (sim->irqs.kind == VFIO_PCI_MSIX_IRQ_INDEX)
		raise_msix(sim, vector);
	else
		raise_msi(sim, vector);
}

void vsim_msix_tick(struct vfiosafe_sim *sim)
{
	uint64_t pending = sim->irqs.pending;

	if (!pending || !sim->irqs.enabled || !vsim_awake(sim))
		return;
	for (uint32_t i = 0; i < sim->opts.vectors; i++) {
		if (!(pending & (1ull << i)) || is_masked(sim, i))
			continue;
		pending &= ~(1ull << i);
		send(sim, i);
	}
	if (pending != sim->irqs.pending)
		set_pending(sim, pending);
}
