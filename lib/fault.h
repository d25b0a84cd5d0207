/* SPDX-License-Identifier: MIT */
/*
 * Mapped BAR ranges as the signal handler finds them, and what is done with them
 * outside of it.
 *
 *      handler                              unmap, map back
 *      inside++            (1)              start = 0 / map_seq odd   (A)
 *      find the range      (2)              wait until inside == 0    (B)
 *      map ones over it    (3)              munmap / map the BAR      (C)
 *      inside--            (4)
 *
 * (1) and (A) are full barriers: either the handler sees (A) and leaves the range
 * alone, or (B) sees the handler and waits for (4). So (3) never hits memory that
 * is somebody else's by now, nor a BAR that was just mapped back.
 */
#ifndef VSF_FAULT_H
#define VSF_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vfiosafe_device;
struct vfiosafe_bar;

/* Ranges are kept in blocks that are never freed: the handler walks them. */
#define VSF_FAULT_BLOCK 64

struct vsf_fault_range {
	uintptr_t start; /* 0: free, or not for the handler. Set last, cleared first. */
	size_t len;
	size_t chunk;	/* what one fault replaces */
	int ones_fd;	/* at least @chunk bytes of 0xff */
	int event_fd;	/* told of each fault that closes the gate */
	uint64_t *gate; /* closed by the handler */
	uint32_t map_seq;  /* odd while the BAR is being mapped back: held */
	uint32_t poisoned; /* something of it was replaced */
};

struct vsf_fault_block {
	struct vsf_fault_range range[VSF_FAULT_BLOCK];
	struct vsf_fault_block *next;
};

/* fault_handler.c */
extern struct vsf_fault_block vsf_fault_first __attribute__((visibility("hidden")));
extern uint32_t vsf_fault_inside __attribute__((visibility("hidden")));

/*
 * Ours, and ours in front of one that was installed after ours: two functions, so
 * that each knows what was before it. Written before ours is installed.
 */
#define VSF_SIGBUS_LEVELS 2
extern struct sigaction vsf_sigbus_before[VSF_SIGBUS_LEVELS]
	__attribute__((visibility("hidden")));
void vsf_sigbus_handler(int sig, siginfo_t *info, void *context);
void vsf_sigbus_handler_again(int sig, siginfo_t *info, void *context);

/* (3). @len is at most the range's chunk. */
int vsf_fault_replace(struct vsf_fault_range *range, uintptr_t from, size_t len);

/* Puts a mapped part of a BAR into the table. 0 or -errno with a text. */
int vsf_fault_watch(struct vsf_fault_range **range, struct vfiosafe_device *dev,
		    void *start, size_t len);

/* Is any of these bytes a mapped BAR? Not those that were adopted as they are. */
bool vsf_fault_overlaps(uintptr_t start, size_t len);

/* What one fault replaces in a range of @len bytes: the map count is limited. */
size_t vsf_fault_chunk(size_t len);

/*
 * Takes it out; returns when no handler can be at it any more: (A), (B). True if
 * something of it is private memory.
 */
bool vsf_fault_unwatch(struct vsf_fault_range *range);

/* The same in a forked child, which has one thread. */
void vsf_fault_forget(struct vsf_fault_range *range);

/* Is every mapping one that may be replaced? Not so some that were adopted. */
bool vsf_fault_can_poison(const struct vfiosafe_device *dev);

/* Ones over all BARs of the device, before a forced reset. */
int vsf_fault_poison(struct vfiosafe_device *dev);

/*
 * The same when the device goes for good: nothing of it stays mapped, also where there
 * is no memory for ones. With dev->map_lock held. -errno if that was not to be had.
 */
int vsf_fault_cover(struct vfiosafe_device *dev);

/* The BARs back at their addresses, in an exclusive window. -errno with a text. */
int vsf_fault_map_back(struct vfiosafe_device *dev);

/* Is private memory in the place of a BAR? Then the device cannot be LIVE. */
bool vsf_fault_poisoned(struct vfiosafe_device *dev);

/* Is the gate closed by a fault? Then the device's word follows: into FAULT. */
void vsf_fault_collect(struct vfiosafe_device *dev);

/* sigbus.c: warns, through the log, if a SIGBUS would kill the process. */
void vsf_sigbus_check_disposition(void);
void vsf_sigbus_check_mask(void);

#endif
