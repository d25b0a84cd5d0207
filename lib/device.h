/* SPDX-License-Identifier: MIT */
/* What a device is made of. Who may touch what is said at each member. */
#ifndef VSF_DEVICE_H
#define VSF_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/share.h>
#include <vfiosafe/vfiosafe.h>

#include "event.h"
#include "generation.h"
#include "irq.h"
#include "probe.h"
#include "sys.h"

#define VSF_BARS 6

/*
 * How a device was put out of reach on purpose. Its word stays RESETTING, with no
 * window open, until the opposite call or a reset.
 */
enum vsf_park {
	VSF_AWAKE,
	VSF_PARK_D3HOT,
	VSF_PARK_LOW_POWER,
	VSF_PARK_DECODE, /* memory decode off */
};

struct vfiosafe_dmabuf;
struct vfiosafe_p2p;
struct vsf_agent;
struct vsf_fault_range;
struct vsf_former;
struct vsf_iommu;
struct vsf_join;
struct vsf_lent;
struct vsf_run;
struct vsf_share;

/* A region as the kernel described it, and where it lies in the device fd. */
struct vsf_region {
	struct vfiosafe_region info;
	uint64_t fd_offset;
};

struct vfiosafe_bar {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *next;
	uint32_t index;
	uint64_t fd_offset; /* of the range's first byte */
	int fd;		    /* to be mapped: the device's, or a client's (join.h); or -1 */
	uint32_t rights;    /* VFIOSAFE_GRANT_READ, _WRITE */
	int grant;	    /* of a client: by which it asks the owner; or -1 */
	uint64_t bar_offset; /* ... and where it begins in the BAR */
	uint64_t len;
	uint8_t *base;	     /* address range, reserved for the object's life */
	size_t reserved_len; /* 0 if nothing is mapped, or by somebody else */
	bool adopted;	     /* mapped, and to be unmapped, by somebody else */
	bool whole;	     /* no hole in the mapping */
	struct vfiosafe_area area[VFIOSAFE_REGION_AREAS]; /* mapped, from base */
	struct vsf_fault_range *range[VFIOSAFE_REGION_AREAS]; /* what SIGBUS may repair */
	uint32_t area_count;
};

struct vfiosafe_device {
	/* Constant after open. */
	const struct vfiosafe_sys *sys;
	int fd;
	enum vfiosafe_door door;
	struct vsf_iommu *iommu; /* NULL if adopted */
	struct vfiosafe_device *next_in_iommu; /* under the lock of that one */
	char address[32];
	bool fenced;
	bool can_reset;
	bool keep_bus_master_off;
	struct vsf_region region[VSF_BARS];
	uint64_t config_offset;
	uint16_t config_len;
	uint8_t pm_cap; /* offset of the power management capability, or 0 */
	uint16_t devctl, af_ctrl; /* registers with a bit that resets, or 0 */
	bool recover_on_wait;
	int (*drain)(void *ctx, uint64_t window, int64_t deadline); /* the program's */
	void *drain_ctx;
	enum vfiosafe_method reset_by; /* last; atomic */
	int fault_event_fd; /* told by the SIGBUS handler */
	int wakeup_fd;	    /* told by the kernel, of a wake-up from low power */
	struct vsf_words *words;
	const uint64_t *word; /* the device word: in words, or the owner's (join.h) */
	struct vsf_events events; /* event.h says who may touch what */

	/*
	 * Held over an mmap of the device, and by close, which ends all of them: who
	 * maps one looks under it whether the device is GONE. Before `lock`.
	 */
	pthread_mutex_t map_lock;
	bool given_back; /* by close: the fd is a dead one, the BARs private memory */
	struct vsf_irqs irqs; /* with a lock of its own */

	/* Written by who leads the window or holds `configuring`, and at open. */
	uint16_t command; /* COMMAND as it has to be after a reset */
	struct vsf_probe probe;
	struct vsf_sentinel sentinel;

	/*
	 * Guards what follows. Held for a few instructions: never across a
	 * callback, an ioctl or a BAR access.
	 */
	pthread_mutex_t lock;
	struct vfiosafe_bar *bars;
	struct vfiosafe_driver_ops ops;
	void *ops_ctx;
	struct vsf_run *run;	   /* the window that is open, or NULL */
	unsigned int inside;	   /* threads in a call that needs the device to stay */
	bool losing;		   /* the lost callback runs; no window may begin */
	bool configuring;	   /* a short change is being made; no window may begin */
	bool peer;		   /* another device's p2p callback runs; likewise */
	bool lost_owed;		   /* ... and the lost callback, when that is over */
	int64_t peer_deadline;
	struct vfiosafe_dmabuf *dmabufs; /* dmabuf.h says who may touch what */
	enum vsf_park parked;
	bool tells_wakeup;	   /* parked in low power, with an eventfd for it */
	uint64_t windows;	   /* begun so far */
	enum vfiosafe_cause cause; /* of the last FAULT */
	int ones_fd;		   /* file of ones, for what SIGBUS replaces; or -1 */
	uint64_t ones_len;
	bool lost_mark;		   /* state was lost while a window was open */
	bool callback_runs;	   /* vfiosafe_window_pass() may let threads in */
	bool ready_runs;	   /* it is the ready callback */
	char why[128];		   /* cause in words */
	struct vsf_former *former; /* who held it under a former owner (succeed.h); or NULL */

	/* Set once. */
	struct vsf_join *join;	 /* of a client (join.h); else NULL */
	struct vsf_share *share; /* of an owner (share.h), from the first client on */
	struct vsf_agent *agent; /* a thread that was asked for */

	struct vsf_lent *lent; /* memory of clients (share_dma.h), under the lock of `share` */

	/* Under the lock of all maps (p2p.h). */
	struct vfiosafe_p2p *imports, *exports;
};

/* Loads of the two words, for decisions that are not accesses. */
static inline uint64_t vsf_device_word(const struct vfiosafe_device *dev)
{
	return __atomic_load_n(dev->word, __ATOMIC_ACQUIRE);
}

static inline uint64_t vsf_gate_word(const struct vfiosafe_device *dev)
{
	return __atomic_load_n(&dev->words->gate, __ATOMIC_ACQUIRE);
}

static inline enum vfiosafe_state vsf_gate_state(const struct vfiosafe_device *dev)
{
	return vsf_word_state(vsf_gate_word(dev));
}

static inline enum vfiosafe_state vsf_device_state(const struct vfiosafe_device *dev)
{
	return vsf_word_state(vsf_device_word(dev));
}

/* For good: closed; or, of a client, the owner has ended. */
static inline bool vsf_is_gone(const struct vfiosafe_device *dev)
{
	enum vfiosafe_state gate = vsf_gate_state(dev);

	return vsf_device_state(dev) == VFIOSAFE_GONE || gate == VFIOSAFE_GONE ||
	       gate == VSF_GATE_OWNER_DEAD;
}

/* view.c: the words of a view, with no BAR in it. */
int vsf_device_view(struct vfiosafe_device *dev, struct vfiosafe_view *view);

/* view.c: is this thread let through, beside a callback, under this @word? */
bool vsf_beside_callback(const struct vfiosafe_device *dev, uint64_t word);

/* -EDEADLK, with a text naming @call, in a section or in a callback of @dev. */
int vsf_refuse_inside(const struct vfiosafe_device *dev, const char *call);

/* What an access would meet at @word: 0 for LIVE, or -errno with a text. */
int vsf_state_error(uint64_t device_word, uint64_t gate_word);

/* The same of a device that is gone. */
static inline int vsf_gone_error(const struct vfiosafe_device *dev)
{
	return vsf_state_error(0, vsf_gate_word(dev));
}

/* Sleeps until the bell rings after *@seen, or @deadline; refreshes *@seen. */
int vsf_device_sleep(struct vfiosafe_device *dev, uint32_t *seen, int64_t deadline);
uint32_t vsf_device_bell(const struct vfiosafe_device *dev);

/* Counts threads in a call that needs the device: close waits until there are none. */
void vsf_count_inside(struct vfiosafe_device *dev, int by);

/* State was lost: into FAULT, or, in a window, a mark that its end meets. */
void vsf_device_fault(struct vfiosafe_device *dev, enum vfiosafe_cause cause,
		      const char *why);
/* The lost callback, and the way free for windows. */
void vsf_device_lost_call(struct vfiosafe_device *dev, enum vfiosafe_cause cause);

/*
 * The same in two: the word or the mark, with a section open that no reset overtakes;
 * and, if that returned true, what else is to be done, when the section has ended.
 */
bool vsf_device_mark(struct vfiosafe_device *dev, enum vfiosafe_cause cause,
		     const char *why);
void vsf_device_lost(struct vfiosafe_device *dev, enum vfiosafe_cause cause,
		     const char *why);

/* bar.c: maps one part of a BAR at its place; again after it was replaced. */
int vsf_bar_map_area(struct vfiosafe_bar *bar, const struct vfiosafe_area *area);

/* bar_unmap.c: unmaps, and frees; one that is in no list, or all of a device. */
void vsf_bar_release(struct vfiosafe_bar *bar);
void vsf_bars_free(struct vfiosafe_device *dev);

#endif
