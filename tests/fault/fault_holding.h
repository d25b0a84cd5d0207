/* SPDX-License-Identifier: MIT */
/* fault_holding.h - what a process holds of the device: after a close, nothing. */
#ifndef FAULT_HOLDING_H
#define FAULT_HOLDING_H

#include "fault_rig.h"

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>

#define SIM_MAP "vfiosafe-sim-bar"

/* How many fds of this process are the simulated device. */
static inline unsigned int count_fds(const struct rig *rig)
{
	DIR *dir = opendir("/proc/self/fd");
	struct stat device, other;
	unsigned int n = 0;
	struct dirent *entry;

	assert_non_null(dir);
	assert_int_equal(fstat(vfiosafe_sim_device_fd(rig->sim), &device), 0);
	while ((entry = readdir(dir)))
		n += fstatat(dirfd(dir), entry->d_name, &other, 0) == 0 &&
		     other.st_ino == device.st_ino && other.st_dev == device.st_dev;
	closedir(dir);
	return n;
}

/* By the simulation's books, and by what /proc says of this process. */
struct holding {
	struct vfiosafe_sim_held held;
	unsigned int fds, maps;
};

static inline struct holding holding(const struct rig *rig)
{
	struct holding now = { .fds = count_fds(rig), .maps = count_maps(SIM_MAP) };

	vfiosafe_sim_held(rig->sim, &now.held);
	return now;
}

static inline void assert_holds_nothing(const struct rig *rig,
					const struct holding *before)
{
	struct holding now = holding(rig);

	assert_int_equal(now.held.fds, 0);
	assert_int_equal(now.held.mappings, 0);
	assert_int_equal(now.fds, before->fds);
	assert_int_equal(now.maps, before->maps);
}

static inline void wait_for_request(const struct rig *rig)
{
	struct pollfd p = { .fd = vfiosafe_event_fd(rig->dev), .events = POLLIN };
	struct vfiosafe_event event = { 0 };

	do {
		assert_int_equal(poll(&p, 1, 30000), 1);
		assert_int_equal(vfiosafe_event_read(rig->dev, &event, 1, sizeof(event)),
				 1);
	} while (event.type != VFIOSAFE_EVENT_RELEASE);
}

/* What the simulation itself has of the device. */
static inline void sim_alone(struct rig *rig, struct holding *before)
{
	struct rig_opts bare = { .no_bar = true, .by_address = true };

	rig_open(rig, &bare);
	assert_int_equal(vfiosafe_device_close(rig->dev, 1000), 0);
	*before = holding(rig);
	vfiosafe_sim_close(rig->sim);
}

#endif
