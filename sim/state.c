/* SPDX-License-Identifier: MIT */
/*
 * state.c - whether the registers answer, and what they do when that changes.
 */
#include <linux/pci_regs.h>
#include "internal.h"
#include "memory.h"

uint64_t vsim_dead(const struct vfiosafe_sim *sim)
{
	return sim->opts.flags & VFIOSAFE_SIM_DEAD_ZEROS ? 0 : VSIM_ONES64;
}

bool vsim_awake(const struct vfiosafe_sim *sim)
{
	return !sim->down && !sim->low_power && vsim_power_state(sim) == 0;
}

bool vsim_bus_master(const struct vfiosafe_sim *sim)
{
	return vsim_awake(sim) && (sim->config[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

void vsim_tick(struct vfiosafe_sim *sim)
{
	sim->model->tick(sim);
	vsim_msix_tick(sim);
}

void vsim_stay_down(struct vfiosafe_sim *sim)
{
	sim->model->stay_down(sim);
	vsim_msix_stay_down(sim);
}

static void go_down(struct vfiosafe_sim *sim)
{
	sim->model->down(sim);
	vsim_msix_down(sim);
	sim->down = true;
}

/*
 * The table comes before the registers: who sees those sees all of the device.
 * Whoever restores configuration space restores MSI-X too, from what the kernel
 * knows; nobody does after a link reset.
 */
static void come_up(struct vfiosafe_sim *sim, bool restored)
{
	vsim_msix_up(sim, restored);
	sim->model->up(sim);
	sim->down = false;
}

void vsim_settle(struct vfiosafe_sim *sim, bool restored)
{
	bool down = sim->in_window || sim->deaf || sim->gone;

	if (down && !sim->down)
		go_down(sim);
	else if (!down && sim->down)
		come_up(sim, restored);
}

/* One that is dead anyway has nothing left to lose. */
void vsim_lose_state(struct vfiosafe_sim *sim)
{
	if (sim->down)
		return;
	sim->counts.windows++;
	go_down(sim);
	sim->counts.resets++;
	come_up(sim, true);
}

/* Not counted. A window that is open ends in the same. */
void vsim_power_on(struct vfiosafe_sim *sim)
{
	if (!sim->down)
		go_down(sim);
	vsim_settle(sim, false);
}
