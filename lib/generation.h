/* SPDX-License-Identifier: MIT */
/*
 * The device word: generation << 8 | state. This is its only writer, and the
 * transition table is pure code.
 */
#ifndef VSF_GENERATION_H
#define VSF_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/state.h>

/* Of the gate of a client: the process that owns the device has ended. */
#define VSF_GATE_OWNER_DEAD ((enum vfiosafe_state)0x80)

static inline enum vfiosafe_state vsf_word_state(uint64_t word)
{
	return (enum vfiosafe_state)(word & 0xff);
}

static inline uint64_t vsf_word_generation(uint64_t word)
{
	return word >> 8;
}

static inline uint64_t vsf_word(uint64_t generation, enum vfiosafe_state state)
{
	return generation << 8 | (uint64_t)state;
}

/* May a device go from @from to @to? */
bool vsf_transition_allowed(enum vfiosafe_state from, enum vfiosafe_state to);

/* The word after that transition: entering REINIT is what counts. */
uint64_t vsf_word_after(uint64_t word, enum vfiosafe_state to);

/* Private to the process, wiped in a forked child, where both words read GONE. */
struct vsf_words {
	uint64_t device; /* what all processes agree on; the owner's to write */
	uint64_t gate;	 /* what this process adds for itself */
	uint32_t bell __attribute__((aligned(64))); /* counts changes; waited on */
	struct vfiosafe_device *dev; /* whose words these are */
	uint64_t *published;	     /* a copy of @device, for clients (share.h); or NULL */
};

/*
 * Moves the device word from state @from to @to and rings the bell.
 * -EAGAIN if it is not (or no longer) in @from: nothing was changed.
 */
struct vfiosafe_sys;
int vsf_words_move(struct vsf_words *words, const struct vfiosafe_sys *sys,
		   enum vfiosafe_state from, enum vfiosafe_state to);

/* The same from whatever state allows it. */
int vsf_words_move_any(struct vsf_words *words, const struct vfiosafe_sys *sys,
		       enum vfiosafe_state to);

/* From now on @at, in memory that other processes read, says what the word says. */
void vsf_words_publish(struct vsf_words *words, uint64_t *at);

/* Of a device that nobody uses yet: LIVE in @generation, if that is a later one. */
void vsf_words_advance(struct vsf_words *words, uint64_t generation);

/* Wakes those that wait for a change; also without one (a window that ended). */
void vsf_words_ring(struct vsf_words *words, const struct vfiosafe_sys *sys);

/* The gate from FAULT to LIVE, one on, so that older views do not match. */
void vsf_words_reopen_gate(struct vsf_words *words);

/*
 * The gate of a client (join.h): from @from to @to, and rings the bell; entering REINIT
 * is one generation on. -EAGAIN if it is not in @from, or may not go there.
 */
int vsf_gate_move(struct vsf_words *words, const struct vfiosafe_sys *sys,
		  enum vfiosafe_state from, enum vfiosafe_state to);

/* To GONE or VSF_GATE_OWNER_DEAD, from where it is. -EAGAIN: it has ended before. */
int vsf_gate_end(struct vsf_words *words, const struct vfiosafe_sys *sys,
		 enum vfiosafe_state to);

/* A fresh pair, LIVE in @generation. */
int vsf_words_new(struct vsf_words **out, const struct vfiosafe_sys *sys,
		  uint64_t generation);
void vsf_words_free(struct vsf_words *words, const struct vfiosafe_sys *sys);

/* Was @words inherited by a forked child? */
static inline bool vsf_words_forked(const struct vsf_words *words)
{
	return __atomic_load_n(&words->gate, __ATOMIC_RELAXED) == 0;
}

#endif
