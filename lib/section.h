/* SPDX-License-Identifier: MIT */
/* What sections and single accesses share. */
#ifndef VSF_SECTION_H
#define VSF_SECTION_H

#include <vfiosafe/section.h>

#include <stddef.h>

#include "arch.h"
#include "epoch.h"
#include "generation.h"

#define vsf_unlikely(x) __builtin_expect(!!(x), 0)

/* A view may be renewed by another thread: read each of its words once. */
#define vsf_view_load(view, member) __atomic_load_n(&(view)->member, __ATOMIC_RELAXED)

/* The values that an access compares the two words with. */
struct vsf_pair {
	const uint64_t *device_word;
	const uint64_t *gate_word;
	uint64_t device_value;
	uint64_t gate_value;
};

/* The look, before and after. Acquire: state re-made in reinit is seen with LIVE. */
static inline bool vsf_pair_holds(const struct vsf_pair *pair)
{
	return vsf_word_is(pair->device_word, pair->device_value) &&
	       vsf_word_is(pair->gate_word, pair->gate_value);
}

/* By the gate: the device word of a device that is shared lies elsewhere. */
static inline const struct vsf_words *vsf_words_of(const uint64_t *gate_word)
{
	return (const struct vsf_words *)((uintptr_t)gate_word -
					  offsetof(struct vsf_words, gate));
}

enum vsf_look {
	VSF_BEFORE,
	/*
	 * With the slot still set: QUIESCE of the same generation is good then.
	 * The window was announced while the access ran, and cannot go on
	 * before the slot is cleared.
	 */
	VSF_AFTER,
};

/*
 * Is this thread beside a callback, in just the state of the device word and of the gate
 * under which it was let through?
 */
bool vsf_passes(const struct vsf_thread *self, const uint64_t *word, uint64_t device,
		uint64_t gate);

/*
 * The slow look: 0 if this thread may go on after all (fenced device, or let
 * through beside a callback), else the error in the order of error.h.
 */
int vsf_pair_judge(const struct vsf_thread *self, const struct vsf_pair *pair,
		   enum vsf_look look);

/*
 * An access met FAULT: the word is to follow a gate that SIGBUS closed. Hold with the
 * slot still set: from then on a close waits. Noticed when it is clear.
 */
struct vfiosafe_device *vsf_fault_hold(const struct vsf_pair *pair, int rc);
void vsf_fault_noticed(struct vfiosafe_device *held);

/* What an open section would meet at its end; -EINVAL if it is not open here. */
int vsf_section_look(const struct vfiosafe_section *sec);

/* A section of one access: there is room for it when all others are open. */
int vsf_begin_access(const struct vfiosafe_view *view, struct vfiosafe_section *sec);

static inline void vsf_slot_set(const uint64_t **slot, const uint64_t *word)
{
	/* (1) in epoch.h: only the compiler may not move it. */
	__atomic_store_n(slot, word, __ATOMIC_RELAXED);
	vsf_barrier();
}

static inline void vsf_slot_clear(const uint64_t **slot)
{
	/* (3) in epoch.h. */
	__atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
}

#endif
