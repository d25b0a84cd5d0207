/* SPDX-License-Identifier: MIT */
/*
 * A list that is walked without locks while entries come and go. The only door
 * to liburcu. Flavour bp: the threads of our users do not register with anybody.
 *
 * No call_rcu: its worker would be a thread that nobody asked for. What is taken
 * out waits on the table until vsf_table_reap(), which a slow path calls.
 */
#ifndef VSF_TABLE_H
#define VSF_TABLE_H

#include <pthread.h>
#include <stdbool.h>

struct vsf_node {
	struct vsf_node *next;
	struct vsf_node *retired_next;
};

struct vsf_table {
	pthread_mutex_t lock; /* writers; held for a few instructions */
	struct vsf_node *head;
	struct vsf_node *retired;
	void (*free)(struct vsf_node *node);
};

#define VSF_TABLE_INIT(free_fn)                                                          \
	{                                                                                \
		.lock = PTHREAD_MUTEX_INITIALIZER, .free = (free_fn)                     \
	}

void vsf_table_insert(struct vsf_table *table, struct vsf_node *node);

/* Takes @node out; walkers may still see it until the next reap frees it. */
void vsf_table_retire(struct vsf_table *table, struct vsf_node *node);

/*
 * Calls @fn for each entry until it returns true; says whether it did. @fn runs
 * in a read-side critical section: it must not block.
 */
bool vsf_table_walk(struct vsf_table *table,
		    bool (*fn)(struct vsf_node *node, void *ctx), void *ctx);

/* Frees what was retired, after a grace period. Not inside a walk. */
void vsf_table_reap(struct vsf_table *table);

#endif
