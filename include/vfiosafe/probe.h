/* SPDX-License-Identifier: MIT */
/*
 * probe.h - is the device still there, and still the one that was programmed?
 *
 * All-ones is what a bus says in place of a device that does not answer, and a value
 * like any other. A single read (mmio.h, poll.h, copy.h) that gets all-ones of its
 * width asks, before it delivers:
 *
 *   1. the two words: did the device leave the view's generation?    -> that error
 *   2. COMMAND and STATUS through the fd: all-ones, or decode off?   -> FAULT, -EIO
 *   3. the power state through the fd: anything but D0?              -> FAULT, -EIO
 *   4. the sentinel, if there is one: does it still hold?            -> FAULT, -EIO
 *   5. the two words again
 *
 * and delivers the value if nothing speaks against it. That costs two reads of the
 * config space (microseconds), which wait while somebody else resets the device. The
 * plain loads of a section cannot be looked at: vfiosafe_end_checked(), vfiosafe_probe().
 *
 * A reset behind the library (sysfs, firmware, another fd) that is over by then leaves
 * config space as it was. Only a sentinel tells of it: a register whose value a reset
 * does not leave alone.
 */
#ifndef VFIOSAFE_PROBE_H
#define VFIOSAFE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/bar.h>
#include <vfiosafe/section.h>

VFIOSAFE_BEGIN_DECLS

/**
 * vfiosafe_probe - ask the device, without a read that looked odd
 * @dev: device
 *
 * Steps 1 to 5 above.
 *
 * Return: 0: nothing speaks against it; -EIO: it was found lost and is in FAULT now (or
 * was already); -EAGAIN, -ENODEV as an access; -EAGAIN in the ready callback too, where
 * a device that does not answer is not lost, but not ready; other errors of the kernel,
 * when it could not be asked: nothing was changed.
 * Context: any thread, sections and callbacks included; not signal-safe. May block while
 * somebody else resets the device; holds no lock meanwhile, but what section it is in.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_probe(struct vfiosafe_device *dev);

#define VFIOSAFE_POISON_MAX 4

/**
 * vfiosafe_set_poison - name values besides all-ones that reads are to ask about
 * @dev: device
 * @values: copied; may be NULL if @n is 0. Compared in the low bits of a read's width:
 *          0 means 0 in every width.
 * @n: at most VFIOSAFE_POISON_MAX; 0 takes the values back
 *
 * For buses that answer for a dead device with something else (QEMU: 0). Every
 * access to the device then takes the slow path.
 *
 * Return: 0; -EINVAL; -EBUSY if a view of a mapped BAR was taken before: its reads would
 * not ask. -ENODEV in a forked child.
 * Context: any thread, before the first view.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_set_poison(struct vfiosafe_device *dev, const uint64_t *values, unsigned int n);

/*
 * A register that tells one generation from the next. Reading it has no side effect.
 *
 * Writable: one with bits that hold what is written, do nothing, and are lost in a
 * reset. The whole register belongs to the library: it stores a value that differs from
 * generation to generation into the bits of @mask, and the other bits as it found them
 * when the sentinel was set. The value is neither 0 nor all-ones nor that of the last
 * generation, nor what the register held before. With a mask of two bits or one not all
 * of this can be had: then it differs, first of all, from what the register held before.
 * A second owner of the device who does the same may hit upon our value, once in as many
 * times as the mask has values: give it 16 bits or more.
 *
 * Constant: one that reads @value in the bits of @mask, in every generation once reinit
 * is done, and something else after a reset: a ring's base address, say. One that reads
 * the same after a reset (an ID) only tells a device that does not answer.
 */
struct vfiosafe_sentinel {
	size_t size; /* sizeof(struct vfiosafe_sentinel) */
	struct vfiosafe_bar *bar;
	uint64_t offset;    /* in @bar's range, in bytes; a multiple of @width */
	unsigned int width; /* 1, 2, 4 or 8 bytes */
	uint64_t mask;	    /* which bits; not 0 */
	uint64_t value;	    /* constant: what they read; 0 if @writable */
	bool writable;
};

/**
 * vfiosafe_set_sentinel - name the register, or another one
 * @dev: device
 * @sentinel: copied; NULL: none from now on. Its BAR cannot be unmapped meanwhile.
 *
 * It is looked at after a read that looked odd, by vfiosafe_probe() and by
 * vfiosafe_end_checked(), after what it is to vouch for was read. One look that fails is
 * enough: a second could not make up for it.
 *
 * What is programmed into the device before a writable one is set is not vouched for.
 * So set it first: in the code that reinit and the first start share, after what resets
 * the device there, before anything else. It holds for the generations that follow all
 * the same if reinit does not set it again: then a value is stored after reinit, and a
 * reset behind the library while reinit runs goes unseen. If it does not hold on the way
 * to LIVE, the window ends in FAULT (VFIOSAFE_CAUSE_NOT_READY).
 *
 * Other accesses get -EAGAIN for the moment that it takes until no section is open.
 *
 * Return: 0; -EINVAL: arguments, or the register does not hold what is written, or does
 * not read @value: the former sentinel stays; -ERANGE outside the range; -EDEADLK inside
 * a section, or a callback but reinit; -EBUSY if a section or window does not end in
 * time; -EAGAIN, -EIO, -ENODEV as an access (NULL is taken in FAULT too). Context: any
 * thread, outside of sections; of callbacks in reinit only, before others are let in
 * beside it.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_set_sentinel(struct vfiosafe_device *dev,
		      const struct vfiosafe_sentinel *sentinel);

/**
 * vfiosafe_end_checked - vfiosafe_end(), after one look at the sentinel
 *
 * Return: as vfiosafe_end(). 0 says, in addition, that the sentinel held after the
 * last access of the section: nobody had reset the device until then. -EIO if it did not:
 * the device is in FAULT now. -EINVAL if there is no sentinel. The section is closed in
 * any case. In ready and reinit callbacks, where it is not set yet: as vfiosafe_end().
 * Context: as vfiosafe_end(); one access to the device.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_end_checked(struct vfiosafe_section *sec);

/* Since the device was opened. */
struct vfiosafe_probe_counts {
	uint64_t suspicions; /* reads that got all-ones or poison, and asked */
	uint64_t real;	     /* of them, with nothing that spoke against it */
	/* Found lost, by a read, a probe or the end of a section; what said so: */
	uint64_t config;   /* COMMAND and STATUS do not answer */
	uint64_t decode;   /* decode is off */
	uint64_t power;	   /* not in D0 */
	uint64_t sentinel; /* the sentinel does not hold */
};

/**
 * vfiosafe_probe_counts - what was asked, and what came of it
 * @counts: written
 *
 * Context: any thread, sections and callbacks included.
 */
VFIOSAFE_API void vfiosafe_probe_counts(const struct vfiosafe_device *dev,
					struct vfiosafe_probe_counts *counts);

VFIOSAFE_END_DECLS

#endif
