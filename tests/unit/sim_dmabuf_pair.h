/* SPDX-License-Identifier: MIT */
/*
 * sim_dmabuf_pair.h - two simulated devices, by the door that a test asks for: t.from
 * exports a range of its BAR 0, t.to imports it.
 */
#ifndef SIM_DMABUF_PAIR_H
#define SIM_DMABUF_PAIR_H

#include "sim_dmabuf_rig.h"

#define MEM 0x9000u /* of BAR 0: beyond LOG, plain memory */
#define LEN 0x7000u /* from there to its end */
#define IOVA 0x40000u

static struct {
	struct vfiosafe_sim *sim;
	struct door from, to; /* the exporter, and who imports */
	int fd;
} t;

static inline struct vfiosafe_sim *open_sim(void)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 1 };
	struct vfiosafe_sim *sim = NULL;

	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &opts), 0);
	return sim;
}

static inline void open_door(struct door *door, bool by_group)
{
	struct vfiosafe_sim *sim = open_sim();

	if (by_group)
		door_by_group(door, sim);
	else
		door_by_node(door, sim);
	door->rig.bar = rig_map_bar(&door->rig, PROT_READ | PROT_WRITE);
	rig_bus_master(&door->rig, true);
}

static inline int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	open_door(&t.from, false);
	open_door(&t.to, false);
	t.fd = export_range(&t.from.rig, MEM, LEN);
	*state = &t.from.rig;
	return 0;
}

static inline int setup_group(void **state)
{
	memset(&t, 0, sizeof(t));
	open_door(&t.from, true);
	open_door(&t.to, true);
	t.fd = -1;
	*state = &t.from.rig;
	return 0;
}

static inline void close_door_of(struct door *door)
{
	if (door->rig.bar) {
		rig_unmap(&door->rig, door->rig.bar, BAR0_LEN);
		door_leave(door);
	}
	assert_int_equal(door_held(&door->rig).iovas, 0);
	assert_int_equal(door_held(&door->rig).dmabufs, 0);
	vfiosafe_sim_close(door->rig.sim);
}

static inline int teardown(void **state)
{
	(void)state;
	if (t.fd >= 0)
		assert_int_equal(door_close(&t.from.rig, t.fd), 0);
	close_door_of(&t.to);
	close_door_of(&t.from);
	return 0;
}

/* The importer complements what is there for it: 0, or that it could not. */
static inline uint32_t dma_to(uint64_t iova)
{
	return dma(&t.to.rig, iova);
}

static inline uint64_t in_bar(uint32_t offset)
{
	return *reg64(t.from.rig.bar, offset);
}

static inline int map_all(void)
{
	return map_file_at(&t.to, t.fd, 0, LEN, IOVA);
}

static inline void low_power(const struct rig *rig, uint32_t feature)
{
	struct vfio_device_feature arg = { .argsz = sizeof(arg),
					   .flags = VFIO_DEVICE_FEATURE_SET | feature };

	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_FEATURE, &arg), 0);
}

#endif
