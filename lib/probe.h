/* SPDX-License-Identifier: MIT */
/* The classifier: what speaks against a device, and what is done about it. */
#ifndef VSF_PROBE_H
#define VSF_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/probe.h>

/* Who found a device lost. */
enum vsf_witness {
	VSF_SAYS_NOBODY,
	VSF_SAYS_CONFIG,
	VSF_SAYS_DECODE,
	VSF_SAYS_POWER,
	VSF_SAYS_SENTINEL,
	VSF_SAYS_KERNEL, /* it refused a BAR access */
	VSF_WITNESSES,
};

struct vsf_probe {
	/* Constant after open. */
	bool is_vf;	   /* its memory bit in COMMAND proves nothing */
	uint8_t port_bars; /* bit n: BAR n is I/O ports */

	/* Atomic. */
	unsigned int poisons;
	uint64_t poison[VFIOSAFE_POISON_MAX];
	bool fast_view; /* one was taken whose reads know no poison */
	uint64_t suspicions;
	uint64_t real;
	uint64_t found[VSF_WITNESSES];
};

/*
 * Changed in windows only (an exclusive one, reinit, before LIVE), read in sections: no
 * lock.
 */
struct vsf_sentinel {
	struct vfiosafe_bar *bar; /* NULL: there is none */
	uint64_t offset;
	uint64_t mask;
	uint64_t others;     /* the bits outside of @mask, of a writable one */
	uint64_t expect;     /* the bits of @mask */
	uint64_t salt;	     /* so that two owners of a device differ */
	uint64_t generation; /* in which it was seen to hold */
	unsigned int width;
	bool writable;
};

/*
 * What speaks against the device. @err 0: nothing; EIO: it is lost; another: it could
 * not be asked.
 */
struct vsf_verdict {
	int err;
	enum vsf_witness witness;
	enum vfiosafe_cause cause;
	char why[128]; /* set if @err is */
};

/* Fills dev->probe. 0 or -errno with a text. */
int vsf_probe_learn(struct vfiosafe_device *dev);

/* poison.c */

/* Does a read of @width that got @value have to ask? */
bool vsf_is_odd(const struct vfiosafe_device *dev, uint64_t value, unsigned int width);

/* May a view be fast? Not if its reads would have to know poison. */
bool vsf_may_be_fast(struct vfiosafe_device *dev);

/* probe.c */

/* Does the ready callback run? */
bool vsf_in_ready(struct vfiosafe_device *dev);

/*
 * Asks config space, then the sentinel, in an open section. @bar: of the read that got
 * an odd value; NULL for a probe.
 */
void vsf_classify(struct vfiosafe_device *dev, const struct vfiosafe_bar *bar,
		  struct vsf_verdict *verdict);

/* @verdict becomes "lost", unless it is one already. */
void vsf_verdict_lost(struct vsf_verdict *verdict, enum vsf_witness witness,
		      enum vfiosafe_cause cause, const char *why);

/*
 * Ends the section, and does to the device what the verdict says, unless the words
 * moved before. 0 if nothing speaks against it.
 */
int vsf_end_judged(struct vfiosafe_device *dev, struct vfiosafe_section *sec,
		   struct vsf_verdict *verdict);

/* sentinel.c, nonce.c */

/* In an open section; false: there is none in this generation. */
bool vsf_sentinel_look(const struct vfiosafe_device *dev, struct vsf_verdict *verdict);

/* A new one: does it hold what is stored, or read what it should? In a window. */
int vsf_sentinel_try(struct vsf_sentinel *s, const struct vfiosafe_device *dev);

/*
 * Between reinit and LIVE: looks whether one that was set in reinit still holds, or makes
 * it so. -errno with a text.
 */
int vsf_sentinel_after_reinit(struct vfiosafe_device *dev);

/*
 * A value of the bits of @mask that differs from @found, @last, all-ones and 0; if not
 * all of this can be had, in this order. The same arguments give the same value.
 */
uint64_t vsf_sentinel_nonce(uint64_t seed, uint64_t mask, uint64_t found, uint64_t last);

#endif
