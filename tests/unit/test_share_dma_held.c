/* SPDX-License-Identifier: MIT */
/*
 * Memory of a client that has ended: the device may still do DMA to it, so it stays mapped,
 * and its addresses are nobody else's, until the device was reset.
 */
#include "share_dma_rig.h"
#include "uapi.h"

#define assert_held(pages) assert_int_equal(vfiosafe_share_held(bench.dev), (pages) * PAGE)

/* It hung up, or was cut off; nothing of the device is mapped by it. */
static void hang_up(struct peer *peer)
{
	peer_close(peer);
	look();
	assert_int_equal(next_peer_event(), -ESRCH);
}

static void what_a_client_leaves_mapped_is_held_until_a_reset(void **state)
{
	struct peer peer = joined_dma(), other = joined_dma();
	uint64_t iova = mapped(&peer, 3), next;

	(void)state;
	assert_held(0);
	hang_up(&peer);
	assert_held(3);
	assert_non_null(fake_dma_at(&bench.k, iova));
	/* The address is taken. */
	next = mapped(&other, 1);
	assert_true(next >= iova + 3 * PAGE || next + PAGE <= iova);
	reset_with(&other, 1);
	assert_held(0);
	assert_null(fake_dma_at(&bench.k, iova));
	assert_non_null(fake_dma_at(&bench.k, next));
	assert_int_equal(mapped(&other, 3), iova);
	peer_close(&other);
}

static void also_when_it_says_goodbye(void **state)
{
	struct peer peer = joined_dma();

	(void)state;
	mapped(&peer, 2);
	say(&peer, .type = VSF_MSG_BYE);
	look();
	assert_int_equal(next_peer_event(), 0);
	assert_held(2);
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_held(0);
	assert_int_equal(fake_dmas(&bench.k), 0);
	peer_close(&peer);
}

/* Unmapped when the device has been reset, before the driver starts it again. */
static void it_is_unmapped_between_the_reset_and_reinit(void **state)
{
	struct peer peer = joined_dma();
	struct vfiosafe_window *win;

	(void)state;
	mapped(&peer, 1);
	hang_up(&peer);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_held(1);
	assert_ok(vfiosafe_window_commit(win));
	assert_held(0);
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(take_through(win));
}

static void a_window_without_a_reset_frees_nothing(void **state)
{
	struct peer peer = joined_dma();
	struct vfiosafe_window *win;

	(void)state;
	mapped(&peer, 1);
	hang_up(&peer);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	vfiosafe_window_end(win);
	assert_held(1);
	assert_ok(vfiosafe_set_decode(bench.dev, false, NULL));
	assert_ok(vfiosafe_set_decode(bench.dev, true, NULL));
	assert_held(1);
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_RESET, EIO, 1);
	assert_int_equal(vfiosafe_reset(bench.dev, NULL), -EIO);
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_held(0);
}

/* It may tell the device to do DMA up to its end, which comes after the reset here. */
static void who_ends_after_the_reset_has_to_wait_for_the_next(void **state)
{
	struct peer peer = joined_dma();
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);

	(void)state;
	mapped(&peer, 1);
	agree(&peer);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	hang_up(&peer);
	assert_ok(take_through(win));
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_held(0);
}

/* During the kernel's reset: what the owner notices only then has not ended before. */
static struct peer late;

static void ends_during(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (call != FAKE_IOCTL || key != VFIO_DEVICE_RESET)
		return;
	fake->hook = NULL;
	peer_close(&late);
	look();
}

static void who_ends_during_the_reset_has_to_wait_for_the_next(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	late = joined_dma();
	mapped(&late, 1);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	agree(&late);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	bench.k.hook = ends_during;
	assert_ok(vfiosafe_window_commit(win));
	assert_held(1);
	assert_ok(take_through(win));
	assert_held(1);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_held(0);
}

/* As another thread notices it, which reads what clients say while it waits for votes. */
static enum fake_call end_at;
static uint64_t end_key;

static void ends_inside(struct fake *fake, enum fake_call call, uint64_t key)
{
	struct vfiosafe_window *win;

	if (call != end_at || (end_key && key != end_key))
		return;
	fake->hook = NULL;
	peer_close(&late);
	win = asking(1000, VFIOSAFE_POLICY_ABORT);
	assert_int_equal(poll_window(win), -EAGAIN);
	vfiosafe_window_end(win);
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
}

static void ends_while_it_maps(enum fake_call call, uint64_t key)
{
	int fd = memory(1, F_SEAL_SHRINK);

	late = joined_dma();
	assert_ok(say_with_fds(late.calls, (struct vsf_msg){ .type = VSF_MSG_MAP, .len = PAGE },
			       &fd, 1));
	close(fd);
	end_at = call;
	end_key = key;
	bench.k.hook = ends_inside;
	look();
	assert_null(bench.k.hook);
}

static void who_ends_before_the_kernel_is_asked_gets_nothing_mapped(void **state)
{
	(void)state;
	ends_while_it_maps(FAKE_MEMFD_LOOK, 0);
	assert_held(0);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

static void what_the_kernel_maps_for_who_ends_meanwhile_is_held(void **state)
{
	(void)state;
	ends_while_it_maps(FAKE_IOCTL, bench.opts.door == VFIOSAFE_DOOR_CDEV
					       ? IOMMU_IOAS_MAP_FILE
					       : VFIO_IOMMU_MAP_DMA);
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_held(0);
	assert_int_equal(fake_dmas(&bench.k), 0);
}

/* It may have the device mapped: only its end says that it does nothing more. */
static void who_is_cut_off_and_lives_on_keeps_it(void **state)
{
	struct vfiosafe_grant grant = dma_grant();
	struct peer peer;

	(void)state;
	grant.rights |= VFIOSAFE_GRANT_DEVICE_FD;
	peer = joined(&grant);
	mapped(&peer, 1);
	hang_up(&peer);
	assert_held(1);
	assert_int_not_equal(reset_ms(10), 0);
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 1);
}

static void what_cannot_be_unmapped_stays_held(void **state)
{
	struct peer peer = joined_dma();

	(void)state;
	mapped(&peer, 1);
	mapped(&peer, 1);
	hang_up(&peer);
	fake_fail_later(&bench.k, FAKE_IOCTL, bench.opts.door == VFIOSAFE_DOOR_CDEV
						       ? IOMMU_IOAS_UNMAP
						       : VFIO_IOMMU_UNMAP_DMA,
			EIO, 0, 1);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(vfiosafe_reset(bench.dev, NULL));
	assert_held(0);
}

/* The context is another device's too: it does not end here. */
static void the_close_of_the_device_unmaps_the_rest(void **state)
{
	struct vfiosafe_device *second;
	struct vfiosafe_device_opts opts = bench.opts;
	struct peer peer = joined_dma(), gone = joined_dma();

	(void)state;
	fake_add(&bench.k, SIBLING, 7, 1);
	opts.iommu_of = bench.dev;
	assert_ok(vfiosafe_device_open(&second, SIBLING, &opts));
	mapped(&peer, 1);
	mapped(&gone, 1);
	hang_up(&gone);
	assert_ok(vfiosafe_device_close(bench.dev, 1000));
	bench.dev = NULL;
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(vfiosafe_device_close(second, 1000));
	peer_close(&peer);
}

/* Its locks are void there, and the mappings are not its own. */
static void a_forked_child_undoes_nothing(void **state)
{
	struct peer peer = joined_dma(), gone = joined_dma();
	int status;
	unsigned int calls;
	pid_t pid;

	(void)state;
	mapped(&peer, 1);
	mapped(&gone, 1);
	hang_up(&gone);
	calls = bench.k.count[FAKE_IOCTL];
	pid = fork();
	if (pid == 0) {
		bool good = vfiosafe_share_held(bench.dev) == 0 &&
			    vfiosafe_device_close(bench.dev, 1000) == 0 &&
			    bench.k.count[FAKE_IOCTL] == calls;

		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 2);
	assert_ok(unmap(&peer, fake_dma_at(&bench.k, 0x10000)->iova, PAGE).result);
	peer_close(&peer);
}

static void a_client_that_is_killed_harms_nobody(void **state)
{
	struct vfiosafe_grant grant = dma_grant();
	struct peer peer = serve(&grant), good = joined_dma();
	int *where = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		child_main(&peer, where);
	close(peer.sock);
	while (__atomic_load_n(where, __ATOMIC_ACQUIRE) < 2)
		look();
	assert_held(0);
	assert_ok(kill(pid, SIGKILL));
	while (vfiosafe_share_count(bench.dev) > 1)
		look();
	assert_held(1);
	assert_int_equal(fake_dmas(&bench.k), 1);
	reset_with(&good, 1);
	assert_held(0);
	assert_int_equal(fake_dmas(&bench.k), 0);
	waitpid(pid, NULL, 0);
	munmap(where, PAGE);
	peer_close(&good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(what_a_client_leaves_mapped_is_held_until_a_reset),
		BOTH(also_when_it_says_goodbye),
		BOTH(it_is_unmapped_between_the_reset_and_reinit),
		BOTH(a_window_without_a_reset_frees_nothing),
		BOTH(who_ends_after_the_reset_has_to_wait_for_the_next),
		BOTH(who_ends_during_the_reset_has_to_wait_for_the_next),
		BOTH(who_ends_before_the_kernel_is_asked_gets_nothing_mapped),
		BOTH(what_the_kernel_maps_for_who_ends_meanwhile_is_held),
		BOTH(who_is_cut_off_and_lives_on_keeps_it),
		BOTH(what_cannot_be_unmapped_stays_held),
		BOTH(the_close_of_the_device_unmaps_the_rest),
		BOTH(a_forked_child_undoes_nothing),
		BOTH(a_client_that_is_killed_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
