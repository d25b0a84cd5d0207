/* SPDX-License-Identifier: MIT */
/*
 * region.c - pread and pwrite of regions, by the rules of the kernel.
 */
#include <errno.h>
#include <uapi.h>
#include <string.h>
#include "internal.h"
#include "memory.h"

/* The widest access that is naturally aligned at @pos and fits. */
static unsigned int unit_width(uint64_t pos, size_t left)
{
	unsigned int width = 8;

	while (width > left || pos % width)
		width /= 2;
	return width;
}

static uint64_t dead(const struct vfiosafe_sim *sim, bool ports)
{
	return ports ? VSIM_ONES64 : vsim_dead(sim);
}

/*
 * One unit, decided and made under the lock: a long pread can straddle a reset
 * between units, as in the kernel, but a unit cannot.
 *
 * Memory waits for the end of a reset that VFIO makes, and is refused while the
 * decode is off; ports have no gate at all. A store into an open window goes to
 * memory that the reset's end clears.
 */
static int unit_access(struct vfiosafe_sim *sim, uint64_t index, uint64_t pos,
		       unsigned int width, uint64_t *value, bool write)
{
	bool ports = sim->model->bar[index].ports;
	bool answers;
	uint8_t *at;
	int rc = 0;

	pthread_mutex_lock(&sim->lock);
	while (!ports && sim->memory_locked)
		pthread_cond_wait(&sim->changed, &sim->lock);
	at = sim->bar[index].mem + pos;
	answers = ports ? vsim_config_ports_on(sim) : vsim_config_memory_on(sim);
	if (!answers && !ports)
		rc = -EIO;
	else if (write && answers)
		vsim_store(at, width, *value);
	else if (!write)
		*value = answers && !sim->down ? vsim_load(at, width) : dead(sim, ports);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

/* 0, or how many bytes of @len lie in the BAR. */
static ssize_t bar_check(const struct vfiosafe_sim *sim, uint64_t index, uint64_t pos,
			 size_t len)
{
	uint64_t end;

	if (index >= VSIM_BARS)
		return -EINVAL;
	end = sim->model->bar[index].len;
	if (pos >= end)
		return -EINVAL;
	return (ssize_t)(len < end - pos ? len : end - pos);
}

/* By design VFIO hides the table from pread and pwrite; mappings show it. */
static bool in_msix_table(const struct vfiosafe_sim *sim, uint64_t index, uint64_t pos)
{
	const struct vsim_model *model = sim->model;

	return index == model->msix_bar && pos >= model->msix_table &&
	       pos < model->msix_table + sim->opts.vectors * VSIM_MSIX_ENTRY;
}

static ssize_t bar_read(struct vfiosafe_sim *sim, uint64_t index, uint8_t *buf,
			size_t len, uint64_t pos)
{
	ssize_t total = bar_check(sim, index, pos, len);

	for (ssize_t done = 0; done < total;) {
		uint64_t at = pos + (uint64_t)done;
		unsigned int width = unit_width(at, (size_t)(total - done));
		uint64_t value = 0;
		int rc = unit_access(sim, index, at, width, &value, false);

		if (rc < 0)
			return rc;
		if (in_msix_table(sim, index, at))
			value = VSIM_ONES64;
		/* Not under the lock: @buf may lie in a mapping that stalls. */
		memcpy(buf + done, &value, width);
		done += width;
	}
	return total;
}

static ssize_t bar_write(struct vfiosafe_sim *sim, uint64_t index, const uint8_t *buf,
			 size_t len, uint64_t pos)
{
	ssize_t total = bar_check(sim, index, pos, len);

	for (ssize_t done = 0; done < total;) {
		uint64_t at = pos + (uint64_t)done;
		unsigned int width = unit_width(at, (size_t)(total - done));
		uint64_t value = 0;
		int rc = 0;

		memcpy(&value, buf + done, width);
		if (!in_msix_table(sim, index, at))
			rc = unit_access(sim, index, at, width, &value, true);
		if (rc < 0)
			return rc;
		done += width;
	}
	return total;
}

static int begin_access(struct vfiosafe_sim *sim, enum vfiosafe_sim_call call)
{
	int rc;

	pthread_mutex_lock(&sim->lock);
	vsim_resume(sim);
	rc = vsim_fail_once(sim, call);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

ssize_t vsim_read(struct vfiosafe_sim *sim, void *buf, size_t len, uint64_t offset)
{
	uint64_t index = offset >> VSIM_REGION_SHIFT;
	uint64_t pos = offset & ((1ull << VSIM_REGION_SHIFT) - 1);
	int rc = begin_access(sim, VFIOSAFE_SIM_CALL_PREAD);

	if (rc < 0 || len == 0)
		return rc;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return vsim_config_read(sim, buf, len, pos);
	return bar_read(sim, index, buf, len, pos);
}

ssize_t vsim_write(struct vfiosafe_sim *sim, const void *buf, size_t len, uint64_t offset)
{
	uint64_t index = offset >> VSIM_REGION_SHIFT;
	uint64_t pos = offset & ((1ull << VSIM_REGION_SHIFT) - 1);
	int rc = begin_access(sim, VFIOSAFE_SIM_CALL_PWRITE);

	if (rc < 0 || len == 0)
		return rc;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return vsim_config_write(sim, buf, len, pos);
	return bar_write(sim, index, buf, len, pos);
}
