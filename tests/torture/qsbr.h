/* SPDX-License-Identifier: MIT */
/*
 * Quiescent states as rte_rcu_qsbr counts them: a reader says, once a loop, that it
 * holds nothing; a grace period is over when each has said so since it began.
 */
#ifndef TORTURE_QSBR_H
#define TORTURE_QSBR_H

#include <stdbool.h>
#include <stdint.h>

#define QSBR_READERS 3

struct qsbr {
	uint64_t token;
	struct {
		uint64_t seen;
	} __attribute__((aligned(64))) reader[QSBR_READERS];
};

/* What was published before is seen by whoever reports this token, or a later one. */
static inline uint64_t qsbr_start(struct qsbr *q)
{
	return __atomic_add_fetch(&q->token, 1, __ATOMIC_RELEASE);
}

/* Pairs with the above, and, for what the reader did before, with the below. */
static inline void qsbr_quiescent(struct qsbr *q, unsigned int reader)
{
	uint64_t token = __atomic_load_n(&q->token, __ATOMIC_ACQUIRE);

	__atomic_store_n(&q->reader[reader].seen, token, __ATOMIC_RELEASE);
}

static inline bool qsbr_check(const struct qsbr *q, uint64_t token)
{
	for (unsigned int i = 0; i < QSBR_READERS; i++)
		if (__atomic_load_n(&q->reader[i].seen, __ATOMIC_ACQUIRE) < token)
			return false;
	return true;
}

#endif
