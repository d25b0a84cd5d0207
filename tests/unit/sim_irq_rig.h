/* SPDX-License-Identifier: MIT */
/*
 * sim_irq_rig.h - eventfds, and VFIO_DEVICE_SET_IRQS by the table.
 */
#ifndef SIM_IRQ_RIG_H
#define SIM_IRQ_RIG_H

#include "sim_rig.h"

#include <sys/eventfd.h>

#define BY_FD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define BY_NONE (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)
#define BY_BOOL (VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER)

/* Room for 64 vectors. */
union irq_set {
	struct vfio_irq_set head;
	uint8_t room[sizeof(struct vfio_irq_set) + 64 * sizeof(int32_t)];
};

static inline int rig_set_irqs(const struct rig *rig, uint32_t flags, uint32_t index,
			       uint32_t start, uint32_t count, const void *data)
{
	union irq_set set = {
		.head = {
			.argsz = sizeof(set),
			.flags = flags,
			.index = index,
			.start = start,
			.count = count,
		},
	};
	size_t len = flags & VFIO_IRQ_SET_DATA_BOOL ? count : count * sizeof(int32_t);

	if (data)
		memcpy(set.head.data, data, len);
	return rig_ioctl(rig, VFIO_DEVICE_SET_IRQS, &set);
}

/* One eventfd for vector @start of @index. */
static inline int rig_set_fd(const struct rig *rig, uint32_t index, uint32_t start,
			     int32_t fd)
{
	return rig_set_irqs(rig, BY_FD, index, start, 1, &fd);
}

static inline int rig_irqs_off(const struct rig *rig, uint32_t index)
{
	return rig_set_irqs(rig, BY_NONE, index, 0, 0, NULL);
}

static inline int new_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

/* How often it was signalled since the last look. */
static inline uint64_t signals(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) < 0)
		assert_int_equal(errno, EAGAIN);
	return count;
}

static inline void rig_bus_master(const struct rig *rig, bool on)
{
	uint16_t command = config_get16(rig, PCI_COMMAND);

	config_set16(rig, PCI_COMMAND,
		     (uint16_t)(on ? command | PCI_COMMAND_MASTER
				   : command & ~PCI_COMMAND_MASTER));
}

#endif
