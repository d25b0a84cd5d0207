/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "generation.h"
#include "sys.h"

#define TO(state) (1u << VFIOSAFE_##state)

static const unsigned int leaves_to[] = {
	[VFIOSAFE_GONE] = 0,
	[VFIOSAFE_LIVE] = TO(QUIESCE) | TO(FAULT) | TO(GONE),
	[VFIOSAFE_QUIESCE] = TO(RESETTING) | TO(LIVE) | TO(FAULT) | TO(GONE),
	[VFIOSAFE_RESETTING] = TO(REINIT) | TO(LIVE) | TO(FAULT) | TO(GONE),
	[VFIOSAFE_REINIT] = TO(LIVE) | TO(FAULT) | TO(GONE),
	[VFIOSAFE_FAULT] = TO(RESETTING) | TO(GONE),
};

#define STATES (sizeof(leaves_to) / sizeof(leaves_to[0]))

bool vsf_transition_allowed(enum vfiosafe_state from, enum vfiosafe_state to)
{
	return from < STATES && to < STATES && (leaves_to[from] & 1u << to);
}

uint64_t vsf_word_after(uint64_t word, enum vfiosafe_state to)
{
	uint64_t generation = vsf_word_generation(word);

	return vsf_word(generation + (to == VFIOSAFE_REINIT), to);
}

void vsf_words_ring(struct vsf_words *words, const struct vfiosafe_sys *sys)
{
	__atomic_fetch_add(&words->bell, 1, __ATOMIC_SEQ_CST);
	vsf_sys(sys, futex_wake, &words->bell);
}

/*
 * The last to write has seen the word after its write, so the copy ends up right
 * whichever of two that moved it is faster. Before the move returns: who is told by a
 * message that the word moved finds it moved.
 */
static void publish(const struct vsf_words *words)
{
	uint64_t *at = __atomic_load_n(&words->published, __ATOMIC_SEQ_CST), word;

	if (!at)
		return;
	do {
		word = __atomic_load_n(&words->device, __ATOMIC_SEQ_CST);
		__atomic_store_n(at, word, __ATOMIC_SEQ_CST);
	} while (word != __atomic_load_n(&words->device, __ATOMIC_SEQ_CST));
}

void vsf_words_publish(struct vsf_words *words, uint64_t *at)
{
	__atomic_store_n(&words->published, at, __ATOMIC_SEQ_CST);
	publish(words);
}

void vsf_words_advance(struct vsf_words *words, uint64_t generation)
{
	uint64_t word = __atomic_load_n(&words->device, __ATOMIC_RELAXED);

	if (generation > vsf_word_generation(word))
		__atomic_store_n(&words->device, vsf_word(generation, VFIOSAFE_LIVE),
				 __ATOMIC_SEQ_CST);
}

int vsf_words_move(struct vsf_words *words, const struct vfiosafe_sys *sys,
		   enum vfiosafe_state from, enum vfiosafe_state to)
{
	uint64_t old = __atomic_load_n(&words->device, __ATOMIC_RELAXED);

	do {
		if (vsf_word_state(old) != from || !vsf_transition_allowed(from, to))
			return -EAGAIN;
		/*
		 * Release: what the reinit callback wrote is seen by whoever
		 * sees LIVE. Full: (A) in epoch.h.
		 */
	} while (!__atomic_compare_exchange_n(&words->device, &old,
					      vsf_word_after(old, to), false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	publish(words);
	vsf_words_ring(words, sys);
	return 0;
}

int vsf_words_move_any(struct vsf_words *words, const struct vfiosafe_sys *sys,
		       enum vfiosafe_state to)
{
	enum vfiosafe_state from;
	int rc;

	do {
		from = vsf_word_state(__atomic_load_n(&words->device, __ATOMIC_RELAXED));
		if (!vsf_transition_allowed(from, to))
			return -EAGAIN;
		rc = vsf_words_move(words, sys, from, to);
	} while (rc < 0);
	return 0;
}

void vsf_words_reopen_gate(struct vsf_words *words)
{
	uint64_t old = __atomic_load_n(&words->gate, __ATOMIC_RELAXED);

	if (vsf_word_state(old) == VFIOSAFE_FAULT)
		__atomic_store_n(&words->gate,
				 vsf_word(vsf_word_generation(old) + 1, VFIOSAFE_LIVE),
				 __ATOMIC_SEQ_CST);
}

/* FAULT comes from the SIGBUS handler too, from wherever an access may be made. */
static const unsigned int gate_leaves_to[STATES] = {
	[VFIOSAFE_LIVE] = TO(QUIESCE) | TO(FAULT),
	[VFIOSAFE_QUIESCE] = TO(LIVE) | TO(REINIT) | TO(FAULT),
	[VFIOSAFE_REINIT] = TO(LIVE) | TO(QUIESCE) | TO(FAULT),
	[VFIOSAFE_FAULT] = TO(REINIT),
};

int vsf_gate_move(struct vsf_words *words, const struct vfiosafe_sys *sys,
		  enum vfiosafe_state from, enum vfiosafe_state to)
{
	uint64_t old = __atomic_load_n(&words->gate, __ATOMIC_RELAXED);

	do {
		if (vsf_word_state(old) != from || from >= STATES ||
		    !(gate_leaves_to[from] & 1u << to))
			return -EAGAIN;
		/* As the device word's: what reinit wrote goes with LIVE; (A) of epoch.h. */
	} while (!__atomic_compare_exchange_n(&words->gate, &old, vsf_word_after(old, to),
					      false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	vsf_words_ring(words, sys);
	return 0;
}

int vsf_gate_end(struct vsf_words *words, const struct vfiosafe_sys *sys,
		 enum vfiosafe_state to)
{
	uint64_t old = __atomic_load_n(&words->gate, __ATOMIC_RELAXED);
	enum vfiosafe_state from;

	do {
		from = vsf_word_state(old);
		if (from == VFIOSAFE_GONE || from == to)
			return -EAGAIN;
	} while (!__atomic_compare_exchange_n(&words->gate, &old,
					      vsf_word(vsf_word_generation(old), to), false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	vsf_words_ring(words, sys);
	return 0;
}

int vsf_words_new(struct vsf_words **out, const struct vfiosafe_sys *sys,
		  uint64_t generation)
{
	struct vsf_words *words;
	void *page;
	int rc = vsf_page_new(sys, &page);

	if (rc < 0)
		return rc;
	words = page;
	words->device = vsf_word(generation, VFIOSAFE_LIVE);
	words->gate = vsf_word(generation, VFIOSAFE_LIVE);
	*out = words;
	return 0;
}

void vsf_words_free(struct vsf_words *words, const struct vfiosafe_sys *sys)
{
	vsf_page_free(sys, words);
}

VFIOSAFE_API const char *vfiosafe_state_name(enum vfiosafe_state state)
{
	static const char *const names[] = {
		[VFIOSAFE_GONE] = "GONE",	    [VFIOSAFE_LIVE] = "LIVE",
		[VFIOSAFE_QUIESCE] = "QUIESCE",	    [VFIOSAFE_RESETTING] = "RESETTING",
		[VFIOSAFE_REINIT] = "REINIT",	    [VFIOSAFE_FAULT] = "FAULT",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}
