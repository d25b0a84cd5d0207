/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <urcu/urcu-bp.h>

#include "table.h"

/*
 * ThreadSanitizer cannot see liburcu's grace periods (its barriers are inline
 * assembly): tell it that what readers did came before what a reap frees.
 */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
/* At an address of their own: the table's is that of its lock. */
#define READERS_LEFT(table) __tsan_release(&(table)->free)
#define READERS_WAITED_FOR(table) __tsan_acquire(&(table)->free)
#else
#define READERS_LEFT(table) (void)(table)
#define READERS_WAITED_FOR(table) (void)(table)
#endif

void vsf_table_insert(struct vsf_table *table, struct vsf_node *node)
{
	pthread_mutex_lock(&table->lock);
	node->next = table->head;
	/* Pairs with the acquire loads of vsf_table_walk(). */
	__atomic_store_n(&table->head, node, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&table->lock);
}

void vsf_table_retire(struct vsf_table *table, struct vsf_node *node)
{
	struct vsf_node **at = &table->head;

	pthread_mutex_lock(&table->lock);
	while (*at != node)
		at = &(*at)->next;
	/* @node keeps its next pointer: walkers on it find their way on. */
	__atomic_store_n(at, node->next, __ATOMIC_RELEASE);
	node->retired_next = table->retired;
	table->retired = node;
	pthread_mutex_unlock(&table->lock);
}

bool vsf_table_walk(struct vsf_table *table,
		    bool (*fn)(struct vsf_node *node, void *ctx), void *ctx)
{
	struct vsf_node *node;
	bool found = false;

	urcu_bp_read_lock();
	node = __atomic_load_n(&table->head, __ATOMIC_ACQUIRE);
	while (node && !found) {
		found = fn(node, ctx);
		node = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE);
	}
	READERS_LEFT(table);
	urcu_bp_read_unlock();
	return found;
}

void vsf_table_reap(struct vsf_table *table)
{
	struct vsf_node *node, *next;

	pthread_mutex_lock(&table->lock);
	node = table->retired;
	table->retired = NULL;
	pthread_mutex_unlock(&table->lock);
	if (!node)
		return;
	urcu_bp_synchronize_rcu();
	READERS_WAITED_FOR(table);
	for (; node; node = next) {
		next = node->retired_next;
		table->free(node);
	}
}
