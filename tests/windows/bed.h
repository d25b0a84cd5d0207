/* SPDX-License-Identifier: MIT */
/* bed.h - the machine around the device. */
#ifndef WINDOWS_BED_H
#define WINDOWS_BED_H

#include <stdbool.h>
#include <sys/types.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/sys.h>

struct rig;

/* What somebody does who does not ask the library. */
enum deed { DEED_RESET, DEED_FLR, DEED_SLEEP, DEED_LOW_POWER, DEED_DECODE, DEED_SYSFS };

struct bed {
	/* Plugs the device in, and sets rig->sys. */
	int (*start)(struct rig *rig);
	void (*stop)(struct rig *rig);
	/* Somebody else, who has a dup of the device fd. */
	int (*other_start)(struct rig *rig);
	void (*other_stop)(struct rig *rig);
	/* Tells him to do it, or to undo it; and waits until he has. */
	int (*other_order)(struct rig *rig, enum deed deed, bool undo);
	int (*other_done)(struct rig *rig);
	/* An error of the device or of its link. */
	int (*error)(struct rig *rig, bool fatal);
	int (*remove)(struct rig *rig, bool surprise);
	/* Waits until the kernel has let go of a device that was removed. */
	int (*await_gone)(struct rig *rig);
	int (*put_back)(struct rig *rig);
};

/* What a bed keeps in the rig. */
struct bed_state {
	struct vfiosafe_sim *sim;
	int other; /* the dup of the fd, or a socket to the process that has it */
	int other_rc;
	pid_t other_pid;
	char port[32]; /* address of the port above */
};

extern const struct bed bed_machine, bed_sim;

/* behind.c */
int behind(const struct vfiosafe_sys *sys, int fd, enum deed deed, bool undo);

/*
 * slot.c: a device is pulled out of the slot of a port, without a word before. Power
 * goes off and on again at once, so that the kernel's driver finds an empty slot.
 */
int slot_pull_out(const char *port_address);
/* Waits until the slot is ready for another device. */
int slot_await_off(const char *port_address);

#endif
