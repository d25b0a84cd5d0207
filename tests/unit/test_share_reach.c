/* SPDX-License-Identifier: MIT */
/* How a client gets at its ranges: by a dma-buf, or by calls. */
#include "share_rig.h"

static void a_dma_buf_goes_out_where_the_kernel_maps_them(void **state)
{
	struct peer peer;

	(void)state;
	bench.k.dmabuf_mmap = true;
	peer = joined_with(0);
	assert_int_equal(peer.range[0].kind, VSF_REACH_DMABUF);
	assert_true(peer.range_fd[0] >= 0);
	/* It would give both rights. */
	assert_int_equal(peer.range[1].kind, VSF_REACH_CALLS);
	assert_int_equal(peer.range_fd[1], -1);
	peer_close(&peer);
}

static void clients_with_the_same_range_share_a_dma_buf(void **state)
{
	struct peer a, b;
	struct vfiosafe_dmabuf *bufs[4];

	(void)state;
	bench.k.dmabuf_mmap = true;
	a = joined_with(0);
	b = joined_with(0);
	assert_int_equal(vfiosafe_dmabuf_list(bench.dev, bufs, 4), 1);
	peer_close(&a);
	peer_close(&b);
}

static void by_calls_only_is_by_calls_only(void **state)
{
	struct peer peer;

	(void)state;
	bench.k.dmabuf_mmap = true;
	peer = joined_with(VFIOSAFE_GRANT_CALLS_ONLY);
	assert_int_equal(peer.range[0].kind, VSF_REACH_CALLS);
	peer_close(&peer);
}

static struct vfiosafe_window *beside;
static int beside_rc;

/* The mmap that tells whether this kernel maps dma-bufs. */
static void reset_while_it_is_tried(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)key;
	if (call != FAKE_MMAP)
		return;
	fake->hook = NULL;
	beside = asking(1000, VFIOSAFE_POLICY_ABORT);
	beside_rc = poll_window(beside);
}

/* In a reset the kernel has taken dma-bufs away: that would be no answer. */
static void no_window_opens_while_it_is_tried(void **state)
{
	struct peer first, peer;

	(void)state;
	bench.k.dmabuf_mmap = true;
	first = joined_with(VFIOSAFE_GRANT_CALLS_ONLY);
	peer_close(&first);
	look();
	bench.k.hook = reset_while_it_is_tried;
	peer = joined_with(0);
	assert_int_equal(beside_rc, -EAGAIN);
	assert_int_equal(peer.range[0].kind, VSF_REACH_DMABUF);
	say(&peer, .type = VSF_MSG_BYE);
	look();
	assert_ok(take_through(beside));
	peer_close(&peer);
}

static void a_dma_buf_that_cannot_be_mapped_once_is_tried_again(void **state)
{
	struct peer first, peer;

	(void)state;
	bench.k.dmabuf_mmap = true;
	first = joined_with(VFIOSAFE_GRANT_CALLS_ONLY);
	fake_fail(&bench.k, FAKE_MMAP, FAKE_ANY, ENOMEM, 1);
	peer = joined_with(0);
	assert_int_equal(peer.range[0].kind, VSF_REACH_CALLS);
	peer_close(&peer);
	peer = joined_with(0);
	assert_int_equal(peer.range[0].kind, VSF_REACH_DMABUF);
	peer_close(&peer);
	peer_close(&first);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(a_dma_buf_goes_out_where_the_kernel_maps_them),
		with_device(clients_with_the_same_range_share_a_dma_buf),
		with_device(by_calls_only_is_by_calls_only),
		with_device(no_window_opens_while_it_is_tried),
		with_device(a_dma_buf_that_cannot_be_mapped_once_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
