/* SPDX-License-Identifier: MIT */
/* share_hostile.h - a client that does what it must not, beside one that is good. */
#ifndef SHARE_HOSTILE_H
#define SHARE_HOSTILE_H

#include "share_rig.h"

/* A client beside the hostile one, that notices nothing of it. */
static struct peer good;

static inline int hostile_setup(void **state)
{
	driver_setup(state);
	bench.k.tells_pidfd = true;
	good = joined_with(0);
	return 0;
}

static inline int hostile_teardown(void **state)
{
	look();
	assert_true(hears_nothing(&good));
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	peer_close(&good);
	return bench_teardown(state);
}

static inline void let_go(struct peer *peer, int why)
{
	look();
	assert_true(is_hung_up(peer->sock));
	assert_int_equal(next_peer_event(), why);
	assert_int_equal(next_peer_event(), 1);
	peer_close(peer);
}

#define hostile(test) cmocka_unit_test_setup_teardown(test, hostile_setup, hostile_teardown)

#endif
