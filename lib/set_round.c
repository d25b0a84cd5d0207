/* SPDX-License-Identifier: MIT */
/* A hot reset as others see it that want the same one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "set.h"

struct vsf_round *vsf_round_new(const struct vfiosafe_set *set)
{
	struct vsf_round *round =
		calloc(1, sizeof(*round) + set->count * sizeof(round->member[0]));

	if (!round) {
		vsf_fail(ENOMEM, "out of memory");
		return NULL;
	}
	round->refs = 1;
	round->count = set->count;
	for (unsigned int i = 0; i < set->count; i++)
		round->member[i].dev = set->member[i].pub.dev;
	return round;
}

void vsf_round_put(struct vsf_round *round)
{
	/* Release ours, acquire the others' before the end. */
	if (round && __atomic_sub_fetch(&round->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(round);
}

void vsf_round_offer(struct vsf_round *round, struct vsf_run *run)
{
	pthread_mutex_lock(&run->dev->lock);
	run->round = round;
	/* Who has met the run before this is asleep in its queue. */
	vsf_words_ring(run->dev->words, run->dev->sys);
	pthread_mutex_unlock(&run->dev->lock);
}

static bool is_of(const struct vsf_round *round, const struct vfiosafe_set *set)
{
	if (round->count != set->count)
		return false;
	for (unsigned int i = 0; i < set->count; i++)
		if (round->member[i].dev != set->member[i].pub.dev)
			return false;
	return true;
}

struct vsf_round *vsf_round_open(const struct vfiosafe_set *set)
{
	struct vfiosafe_device *dev = set->member[0].pub.dev;
	struct vsf_round *round;

	pthread_mutex_lock(&dev->lock);
	round = dev->run ? dev->run->round : NULL;
	/* The leader holds it as long as its run is there. */
	if (round && is_of(round, set))
		__atomic_fetch_add(&round->refs, 1, __ATOMIC_RELAXED);
	else
		round = NULL;
	pthread_mutex_unlock(&dev->lock);
	return round;
}

void vsf_round_over(struct vsf_round *round, const struct vfiosafe_set *set, int result)
{
	struct vfiosafe_device *first = set->member[0].pub.dev;

	for (unsigned int i = 0; i < set->count; i++) {
		round->member[i].result = set->member[i].pub.result;
		memcpy(round->member[i].text, set->member[i].pub.text,
		       sizeof(round->member[i].text));
	}
	round->result = result;
	if (result < 0)
		snprintf(round->text, sizeof(round->text), "%s", vfiosafe_error_text());
	/* Pairs with the acquire of who joined. */
	__atomic_store_n(&round->over, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&first->lock);
	vsf_words_ring(first->words, first->sys);
	pthread_mutex_unlock(&first->lock);
}

static int take_over(const struct vsf_round *round, struct vfiosafe_set *set)
{
	for (unsigned int i = 0; i < set->count; i++) {
		set->member[i].pub.result = round->member[i].result;
		memcpy(set->member[i].pub.text, round->member[i].text,
		       sizeof(set->member[i].pub.text));
	}
	return round->result < 0 ? vsf_fail(-round->result, "%s", round->text) : 0;
}

int vsf_round_join(struct vsf_round *round, struct vfiosafe_set *set, int64_t deadline)
{
	struct vfiosafe_device *first = set->member[0].pub.dev;
	uint32_t seen = vsf_device_bell(first);
	int rc = 0;

	while (!__atomic_load_n(&round->over, __ATOMIC_ACQUIRE) && rc == 0)
		if (vsf_device_sleep(first, &seen, deadline) == -ETIMEDOUT)
			rc = -ETIMEDOUT;
	if (__atomic_load_n(&round->over, __ATOMIC_ACQUIRE))
		rc = take_over(round, set);
	else
		rc = vsf_fail(ETIMEDOUT, "%s: the hot reset that was joined still goes on",
			      set->member[0].pub.address);
	vsf_round_put(round);
	return rc;
}
