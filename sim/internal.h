/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the simulation share.
 *
 * One mutex, sim->lock, covers all of the device's state. It is held for
 * microseconds only, never while a window lasts, and never while memory of the
 * program is touched: that could be a stalled mapping of this very device.
 */
#ifndef VSIM_INTERNAL_H
#define VSIM_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/sys.h>
#include "file.h"
#include "iommu.h"
#include "irq.h"

#define VSIM_BARS 6
#define VSIM_CONFIG_LEN 256
#define VSIM_REGION_SHIFT 40 /* as vfio-pci: offset = index << 40 */
#define VSIM_PM 0x40u /* where capabilities are */
#define VSIM_EXP 0x50u
#define VSIM_MSI 0x90u
#define VSIM_MSIX 0xb0u
#define VSIM_RANGES 256	     /* mappings, and pieces of them, that can stall */
#define VSIM_CALLS (VFIOSAFE_SIM_CALL_EXPORT + 1)
#define VSIM_MAJOR 511u /* of the device node */
/*
 * The device's clock: how long it looks away between two looks at its registers.
 * Short enough that a driver's poll loop ends soon, long enough that a device
 * takes a tenth of a core (with the timer's slack, a look every 80 us).
 */
#define VSIM_NAP_NS 20000

/* What a BAR is; all zero: there is none. */
struct vsim_bar_kind {
	uint64_t len;
	bool mappable;
	bool ports;
};

/* A device model. All calls are made with sim->lock held. */
struct vsim_model {
	const char *name;
	struct vsim_bar_kind bar[VSIM_BARS];
	uint8_t msix_bar;    /* where the MSI-X table is, and its pending bits; */
	uint32_t msix_table; /* all from the table to the end is of no other use */
	uint32_t msix_pba;
	uint32_t msix_end;
	uint16_t device_id;
	uint32_t class_revision;
	/* what the model needs, as sim->state; may be NULL; close also after a failure */
	int (*open)(struct vfiosafe_sim *sim);
	void (*close)(struct vfiosafe_sim *sim);
	/* the device lives: look at the registers, do what was asked */
	void (*tick)(struct vfiosafe_sim *sim);
	/* the state is lost: take note of what had arrived, then read as dead */
	void (*down)(struct vfiosafe_sim *sim);
	/* until up: what was stored meanwhile vanishes */
	void (*stay_down)(struct vfiosafe_sim *sim);
	/* it answers again: registers as after power-on */
	void (*up)(struct vfiosafe_sim *sim);
};

extern const struct vsim_model vsim_model_reg;
extern const struct vsim_model vsim_model_nvme;
extern const struct vsim_model vsim_model_gpu;
extern const struct vsim_model vsim_model_nic;

struct vsim_bar {
	uint8_t *mem; /* where the registers are now; under the lock */
	int fd;	      /* memfd of a mappable BAR, else -1 */
	dev_t dev;    /* how /proc names it */
	ino_t ino;
	/* of a mappable BAR: @mem is one of these two */
	uint8_t *mapped; /* the device's own mapping; never stalls */
	uint8_t *aside;	 /* while the BAR is away (bars.c) */
};

/* A part of the program's address space, in whole pages. */
struct vsim_range {
	uintptr_t start;
	uintptr_t end;
};

/* Which mappings of BARs the program has; kept only if they may have to stall. */
struct vsim_stall {
	int uffd; /* -1: no window of this device stalls */
	bool active;
	size_t count;
	struct vsim_range range[VSIM_RANGES];
};

struct vsim_failure {
	int err;
	uint32_t times;
};

struct vfiosafe_sim {
	/* set at open, constant afterwards */
	const struct vsim_model *model;
	struct vfiosafe_sim_opts opts;
	const struct vfiosafe_sys *host; /* the real kernel */
	struct vfiosafe_sys sys;	 /* what programs get */
	struct vsim_bar bar[VSIM_BARS];
	int device_fd;
	pid_t pid; /* whose it is: a forked child has neither its thread nor its locks */
	int pipe[2]; /* holds pages of a BAR that goes away */
	int unmappable[2]; /* a pipe; exports that nobody can map are files of it */
	struct stat device_stat;
	dev_t pipefs;
	char address[32];
	unsigned int number; /* of the device node, and of the group */
	pthread_t thread;
	bool stop; /* atomic: main thread to service thread */
	unsigned int files_open; /* atomic: of these, some may have to be reaped */
	struct vfiosafe_sim *next_peer; /* under the lock of peers.h */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* memory_locked, config_locked */
	/* the rest under lock */
	bool memory_locked; /* as the kernel's memory_lock, held for writing */
	bool config_locked; /* as its lock of configuration accesses */
	bool in_window;	    /* the device is being reset */
	bool deaf;	    /* reset by a link that nobody restored: no decode, no BARs */
	bool gone;	    /* pulled out */
	bool down;	    /* one of these: registers read as dead (state.c) */
	bool releasing;	    /* the kernel wants the device back */
	int64_t request_ns; /* and says so again then */
	bool low_power;	    /* entered by VFIO_DEVICE_FEATURE */
	int64_t suspend_ns; /* when the device follows */
	bool lost;	    /* its state, to D3cold */
	int wake_fd;	    /* or -1 */
	bool window_faults; /* a window is open in which touches fault */
	bool exported;	    /* memory of BARs, since it was opened */
	uint64_t windows[2]; /* begun by VFIO, behind it */
	uint8_t config[VSIM_CONFIG_LEN]; /* as the hardware has it */
	uint16_t shadow; /* bits of COMMAND that VFIO believes in, or makes up */
	/* vfiosafe_sim_set() */
	uint64_t vectors_free;
	bool refuse_d3hot;
	bool no_reset_method;
	uint64_t contention; /* in percent */
	uint32_t contention_seed;
	uint64_t memlock;
	uint32_t suspend_us;
	uint32_t latency_us;
	uint32_t request_us;

	struct vsim_irqs irqs;
	struct vfiosafe_sim_counts counts;
	struct vsim_failure fail[VSIM_CALLS];
	struct vsim_file file[VSIM_FILES];
	struct vsim_ioas *ioases; /* all of them */
	struct vsim_ioas *ioas;	  /* the device's, or NULL */
	uint32_t last_id;
	struct vsim_stall stall;

	/* of the models */
	uint32_t counter;
	uint32_t inverted; /* what INVERT was left at */
	int64_t ready_ns;
	void *state;
};

/* sim.c */
int64_t vsim_now_ns(void);
void vsim_nap(int64_t ns);
/* 0, or the error that was ordered for this call; lock held */
int vsim_fail_once(struct vfiosafe_sim *sim, enum vfiosafe_sim_call call);

/* table.c */
void vsim_table_init(struct vfiosafe_sim *sim);

/* ioctl.c */
int vsim_ioctl(struct vfiosafe_sim *sim, unsigned long request, void *arg);

/* region.c: @offset as the kernel's, region and position in one */
ssize_t vsim_read(struct vfiosafe_sim *sim, void *buf, size_t len, uint64_t offset);
ssize_t vsim_write(struct vfiosafe_sim *sim, const void *buf, size_t len,
		   uint64_t offset);

/* caps.c */
void vsim_caps_init(struct vfiosafe_sim *sim);

/* state.c; lock held */
/*
 * The registers go dead, or come back as after a reset, as the state says;
 * @restored: the kernel has restored configuration space.
 */
void vsim_settle(struct vfiosafe_sim *sim, bool restored);
/* a look at the registers, and while they are dead: stores vanish */
void vsim_tick(struct vfiosafe_sim *sim);
void vsim_stay_down(struct vfiosafe_sim *sim);
/* a reset that takes no time */
void vsim_lose_state(struct vfiosafe_sim *sim);
/* as it is when somebody opens it; not counted */
void vsim_power_on(struct vfiosafe_sim *sim);
/* not in a reset, not asleep */
bool vsim_awake(const struct vfiosafe_sim *sim);
/* may write to memory */
bool vsim_bus_master(const struct vfiosafe_sim *sim);
/* what loads from a dead device give, as 64 bits */
uint64_t vsim_dead(const struct vfiosafe_sim *sim);

/* config.c */
ssize_t vsim_config_read(struct vfiosafe_sim *sim, uint8_t *buf, size_t len,
			 uint64_t pos);
ssize_t vsim_config_write(struct vfiosafe_sim *sim, const uint8_t *buf, size_t len,
			  uint64_t pos);
/* lock held, also for the rest */
/* what VFIO lets through to memory BARs, and what the device decodes of ports */
bool vsim_config_memory_on(const struct vfiosafe_sim *sim);
bool vsim_config_ports_on(const struct vfiosafe_sim *sim);
unsigned int vsim_power_state(const struct vfiosafe_sim *sim);
/* a device that slept loses its state; vsim_bars_update() is to follow */
void vsim_config_to_d0(struct vfiosafe_sim *sim);

/* bars.c: BARs go away or come back as the state says; lock held */
void vsim_bars_update(struct vfiosafe_sim *sim);
/* BARs get other memory, which nobody has; vsim_bars_update() is to follow */
void vsim_bars_renew(struct vfiosafe_sim *sim);

/* lock held: a number for the program */
uint32_t vsim_new_id(struct vfiosafe_sim *sim);

/* reset.c; lock held: somebody else has the device's lock for a moment */
bool vsim_contended(struct vfiosafe_sim *sim);
/* lock not held */
int vsim_reset(struct vfiosafe_sim *sim);
void vsim_config_reset(struct vfiosafe_sim *sim);

/* feature.c */
struct vfio_device_feature;
int vsim_device_feature(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg);

/* power.c */
int vsim_low_power(struct vfiosafe_sim *sim, const struct vfio_device_feature *arg);
/* lock held: what every access to the device does first */
void vsim_resume(struct vfiosafe_sim *sim);

/* events.c; lock held: asks again if it is time */
void vsim_events_tick(struct vfiosafe_sim *sim);

/* settings.c */
bool vsim_may_stall(enum vfiosafe_sim_window window);
void vsim_settings_init(struct vfiosafe_sim *sim);

/* stall.c */
int vsim_stall_open(struct vsim_stall *stall, bool wanted);
void vsim_stall_close(struct vsim_stall *stall);
/* mmap and munmap by the real kernel, kept account of; @bar: it is one of ours */
int vsim_stall_mmap(struct vfiosafe_sim *sim, void **addr, size_t len, int prot,
		    int flags, int fd, uint64_t offset, bool bar);
int vsim_stall_munmap(struct vfiosafe_sim *sim, void *addr, size_t len);
/* lock held: is there a mapping that can stall? */
bool vsim_stall_covers(const struct vsim_stall *stall, const void *addr, size_t len);
/* lock held; between begin and end every touch of a BAR mapping blocks */
void vsim_stall_begin(struct vsim_stall *stall);
void vsim_stall_end(struct vsim_stall *stall);
/* lock held: BARs are back; touches run on unless a window stalls them */
void vsim_stall_refresh(struct vsim_stall *stall);
/* lock held, no window open: lets those go on that the kernel stopped by itself */
void vsim_stall_serve(struct vsim_stall *stall);

/* serve.c */
int vsim_serve_start(struct vfiosafe_sim *sim);
void vsim_serve_stop(struct vfiosafe_sim *sim);

#endif
