/* SPDX-License-Identifier: MIT */
/*
 * Who is in a section of which device.
 *
 * A thread that enters a section writes the address of the device's word into a
 * slot of its own record: one plain store, no fence. Whoever wants the device for
 * himself changes the word, runs one membarrier, and waits until no slot names
 * that word. Why that is enough:
 *
 *      reader                               drain
 *      slot = &word        (1)              word = QUIESCE      (A)
 *      load word == LIVE?  (2)              membarrier          (B)
 *      ...accesses...                       load slot           (C)
 *      slot = NULL, release (3)
 *
 * The membarrier puts a full barrier into every running thread of the process
 * between (A) and (C). If it falls after (1) in the reader, (C) sees the slot and
 * waits for (3). If it falls before (1), then (2) comes after it too, sees (A), and
 * the reader turns back. There is no third place for it.
 *
 * Without membarrier the view's value carries VSF_FENCED, the fast compare never
 * succeeds, and the slow path fences between (1) and (2) itself.
 */
#ifndef VSF_EPOCH_H
#define VSF_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <vfiosafe/section.h>

#include "table.h"

struct vfiosafe_sys;

#define VSF_FENCED (UINT64_C(1) << 63)

/* A pass that lets nothing through, but says "in a callback": no word is like it. */
#define VSF_PASS_NOTHING UINT64_MAX

struct vsf_thread {
	/*
	 * Written by the thread, read by drains. Two more than sections: one for
	 * a single access, one for a hole (close_out_of_order() in section.c).
	 */
	const uint64_t *slot[VFIOSAFE_SECTION_DEPTH + 2];

	/*
	 * While a callback runs: the device word, and the values of it and of the
	 * gate, under which this thread is let through (section.c). The thread's own.
	 */
	const uint64_t *pass_word;
	uint64_t pass_value, pass_gate;
	/* The device whose window it leads, in callbacks of importers of it. */
	const uint64_t *leads;

	const char *text; /* of the last failure; error.c */
	char text_buf[512];

	pid_t tid;
	struct vsf_node node;
};

/*
 * initial-exec: one load to find them, instead of a call. The .so must load by
 * dlopen too, so these pointers are all that we keep in thread-local storage. Both
 * are NULL before the thread's first use of the library.
 */
extern __thread struct vsf_thread *vsf_self
	__attribute__((tls_model("initial-exec"), visibility("hidden")));
/* Its first free slot. Not in the record: that would be a load more per access. */
extern __thread const uint64_t **vsf_top
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* In how many sections is this thread? */
static inline size_t vsf_depth(void)
{
	return vsf_self ? (size_t)(vsf_top - vsf_self->slot) : 0;
}

/* This thread's record, made at first use. -ENOMEM; -ENODEV in a forked child. */
int vsf_thread_get(struct vsf_thread **out);

/*
 * Prepares the process for drains; *@fenced: membarrier cannot be had. -ENODEV in a child
 * forked from a process that had used the library.
 */
int vsf_epoch_init(const struct vfiosafe_sys *sys, bool *fenced);

/* (B) above; once per drain, after the word was changed. */
int vsf_epoch_barrier(const struct vfiosafe_sys *sys, bool fenced);

/* How many threads are in a section under @word? */
unsigned int vsf_epoch_count(const uint64_t *word);

/* Is a thread in a section under @word? Its id goes to *@tid. Never blocks. */
bool vsf_epoch_busy(const uint64_t *word, pid_t *tid);

#endif
