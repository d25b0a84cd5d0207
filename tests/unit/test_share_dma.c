/* SPDX-License-Identifier: MIT */
/* Memory of clients, mapped by the owner: what it grants, and what is whose. */
#include "share_dma_rig.h"

static void a_client_gets_its_memory_mapped_and_back(void **state)
{
	struct peer peer = joined_dma();
	int fd = memory(4, F_SEAL_SHRINK);
	unsigned int fds = fake_open_fds(&bench.k);
	struct vsf_msg msg = map_file(&peer, fd, PAGE, 2 * PAGE);
	const struct fake_dma *dma = fake_dma_at(&bench.k, msg.value);

	(void)state;
	assert_true(peer.welcome.flags & VSF_WELCOME_DMA);
	assert_int_equal(msg.result, 0);
	assert_true(msg.value >= 0x10000);
	assert_non_null(dma);
	assert_int_equal(dma->len, 2 * PAGE);
	assert_int_equal(dma->prot, 3);
	assert_int_equal(fake_open_fds(&bench.k), fds);
	assert_ok(unmap(&peer, msg.value, 2 * PAGE).result);
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_int_equal(vfiosafe_share_held(bench.dev), 0);
	close(fd);
	peer_close(&peer);
}

static void the_device_reaches_the_clients_own_pages(void **state)
{
	struct peer peer = joined_dma();
	int fd = memory(2, F_SEAL_SHRINK);
	struct vsf_msg msg = map_file(&peer, fd, PAGE, PAGE);
	const struct fake_dma *dma = fake_dma_at(&bench.k, msg.value);
	char byte = 'x';

	(void)state;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)PAGE + 5), 1);
	if (dma->vaddr)
		assert_int_equal(((const char *)dma->vaddr)[5], 'x');
	else
		assert_int_equal(dma->offset, PAGE);
	close(fd);
	peer_close(&peer);
}

static void directions_alignment_and_the_last_address_are_the_clients(void **state)
{
	struct peer peer = joined_dma();
	int fd = memory(2, F_SEAL_SHRINK);
	struct vsf_msg msg = map_as(&peer, fd, (struct vsf_msg){ .len = PAGE,
								 .flags = VFIOSAFE_DMA_READ,
								 .id = 1 << 20,
								 .value = 1 << 24 });

	(void)state;
	assert_int_equal(msg.result, 0);
	assert_int_equal(msg.value, 1 << 20);
	assert_int_equal(fake_dma_at(&bench.k, msg.value)->prot, 2);
	msg = map_as(&peer, fd, (struct vsf_msg){ .len = PAGE, .value = 0x10000 });
	assert_int_equal(msg.result, -ENOSPC);
	msg = map_as(&peer, fd, (struct vsf_msg){ .len = PAGE, .id = 3 });
	assert_int_equal(msg.result, -EINVAL);
	close(fd);
	peer_close(&peer);
}

static void without_the_right_nothing_is_mapped_or_unmapped(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_RESET), with = joined_dma();
	uint64_t iova = mapped(&with, 1);
	struct vsf_msg msg = map_file(&peer, -1, 0, PAGE);

	(void)state;
	assert_false(peer.welcome.flags & VSF_WELCOME_DMA);
	assert_int_equal(msg.result, -EPERM);
	assert_non_null(strstr(msg.text, "grant"));
	assert_int_equal(unmap(&peer, iova, PAGE).result, -EPERM);
	assert_int_equal(fake_dmas(&bench.k), 1);
	peer_close(&peer);
	peer_close(&with);
}

static void the_limit_is_of_what_is_mapped_now(void **state)
{
	struct peer peer = joined_dma();
	uint64_t iova = mapped(&peer, 10);
	int fd = memory(17, F_SEAL_SHRINK);
	struct vsf_msg msg = map_file(&peer, fd, 0, 7 * PAGE);

	(void)state;
	assert_int_equal(msg.result, -EDQUOT);
	assert_non_null(strstr(msg.text, "0x10000 bytes"));
	assert_non_null(strstr(msg.text, "0xa000"));
	assert_int_equal(fake_dmas(&bench.k), 1);
	assert_ok(map_file(&peer, fd, 0, 6 * PAGE).result);
	assert_int_equal(map_file(&peer, fd, 0, PAGE).result, -EDQUOT);
	assert_ok(unmap(&peer, iova, 10 * PAGE).result);
	assert_ok(map_file(&peer, fd, 0, 10 * PAGE).result);
	close(fd);
	peer_close(&peer);
}

static void what_the_kernel_refuses_does_not_count(void **state)
{
	struct peer peer = joined_dma();
	struct vsf_msg msg;
	int fd = memory(16, F_SEAL_SHRINK);

	(void)state;
	for (int i = 0; i < 3; i++) {
		bench.k.memlock_limit = PAGE;
		msg = map_file(&peer, fd, 0, LIMIT);
		assert_int_equal(msg.result, -ENOMEM);
		assert_non_null(strstr(msg.text, "RLIMIT_MEMLOCK"));
	}
	bench.k.memlock_limit = UINT64_MAX;
	assert_ok(map_file(&peer, fd, 0, LIMIT).result);
	close(fd);
	peer_close(&peer);
}

/* Each costs the owner time and memory, however small it is. */
static void the_number_of_mappings_is_limited_too(void **state)
{
	struct vfiosafe_grant grant = dma_grant();
	int fd = memory(1, F_SEAL_SHRINK);
	uint64_t iova = 0;
	struct vsf_msg msg;
	struct peer peer;

	(void)state;
	grant.dma_limit = UINT64_MAX;
	peer = joined(&grant);
	for (unsigned int i = 0; i < VFIOSAFE_GRANT_MAPPINGS; i++) {
		msg = map_file(&peer, fd, 0, PAGE);
		assert_int_equal(msg.result, 0);
		iova = msg.value;
	}
	msg = map_file(&peer, fd, 0, PAGE);
	assert_int_equal(msg.result, -ENOSPC);
	assert_non_null(strstr(msg.text, "at most 1024"));
	assert_ok(unmap(&peer, iova, PAGE).result);
	assert_ok(map_file(&peer, fd, 0, PAGE).result);
	close(fd);
	peer_close(&peer);
}

static void what_a_client_unmaps_is_its_own(void **state)
{
	struct peer one = joined_dma(), other = joined_dma();
	uint64_t iova = mapped(&one, 2), mine;
	int fd = memory(1, F_SEAL_SHRINK);

	(void)state;
	assert_ok(vfiosafe_iommu_map_file(bench.dev, fd, 0, PAGE, NULL, &mine));
	assert_int_equal(unmap(&other, iova, 2 * PAGE).result, -ENOENT);
	assert_int_equal(unmap(&other, mine, PAGE).result, -ENOENT);
	assert_int_equal(unmap(&one, iova, PAGE).result, -ENOENT);
	assert_int_equal(unmap(&one, iova + PAGE, PAGE).result, -ENOENT);
	assert_int_equal(fake_dmas(&bench.k), 2);
	/* Nor is it the owner's. */
	assert_refused(vfiosafe_iommu_unmap(bench.dev, iova, 2 * PAGE), EPERM, "client");
	assert_ok(unmap(&one, iova, 2 * PAGE).result);
	assert_int_equal(unmap(&one, iova, 2 * PAGE).result, -ENOENT);
	assert_ok(vfiosafe_iommu_unmap(bench.dev, mine, PAGE));
	close(fd);
	peer_close(&one);
	peer_close(&other);
}

static int result_of(struct peer *peer, int fd, uint64_t offset, uint64_t len)
{
	return map_file(peer, fd, offset, len).result;
}

static void only_whole_pages_that_are_there_are_mapped(void **state)
{
	struct peer peer = joined_dma();
	int fd = memory(2, F_SEAL_SHRINK);

	(void)state;
	assert_int_equal(result_of(&peer, fd, 0, 3 * PAGE), -EINVAL);
	assert_int_equal(result_of(&peer, fd, 2 * PAGE, PAGE), -EINVAL);
	assert_int_equal(result_of(&peer, fd, PAGE, 2 * PAGE), -EINVAL);
	assert_int_equal(result_of(&peer, fd, 0, 100), -EINVAL);
	assert_int_equal(result_of(&peer, fd, 100, PAGE), -EINVAL);
	assert_int_equal(result_of(&peer, fd, UINT64_MAX - 2 * PAGE + 1, PAGE), -EINVAL);
	assert_int_equal(fake_dmas(&bench.k), 0);
	assert_ok(result_of(&peer, fd, PAGE, PAGE));
	close(fd);
	peer_close(&peer);
}

static int reopened(int fd, int mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, mode | O_CLOEXEC);
}

static void only_a_memfd_that_stays_and_may_be_written_is_mapped(void **state)
{
	struct peer peer = joined_dma();
	int plain = memory(1, 0), sealed = memory(1, F_SEAL_SHRINK | F_SEAL_WRITE);
	int future = memory(1, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
	int good = memory(1, F_SEAL_SHRINK);
	int reader = reopened(good, O_RDONLY), writer = reopened(good, O_WRONLY);
	struct vsf_msg msg = map_file(&peer, plain, 0, PAGE);

	(void)state;
	assert_int_equal(msg.result, -EINVAL);
	assert_non_null(strstr(msg.text, "F_SEAL_SHRINK"));
	assert_int_equal(result_of(&peer, sealed, 0, PAGE), -EACCES);
	assert_int_equal(result_of(&peer, future, 0, PAGE), -EACCES);
	assert_int_equal(result_of(&peer, reader, 0, PAGE), -EACCES);
	assert_int_equal(result_of(&peer, writer, 0, PAGE), -EACCES);
	/* By the owner, before any kernel is asked: not all of them look at the seals. */
	assert_non_null(strstr(map_file(&peer, sealed, 0, PAGE).text, "sealed against writing"));
	assert_non_null(strstr(map_file(&peer, reader, 0, PAGE).text, "sealed against writing"));
	assert_int_equal(fake_dmas(&bench.k), 0);
	/* The device may read what the client may. */
	msg = (struct vsf_msg){ .len = PAGE, .flags = VFIOSAFE_DMA_READ };
	assert_ok(map_as(&peer, sealed, msg).result);
	assert_ok(map_as(&peer, reader, msg).result);
	assert_int_equal(map_as(&peer, writer, msg).result, -EACCES);
	close(plain);
	close(sealed);
	close(future);
	close(reader);
	close(writer);
	close(good);
	peer_close(&peer);
}

/* The page that all clients read: it was sent to each of them. */
static void the_control_page_is_no_memory_for_DMA(void **state)
{
	struct peer peer = joined_dma();

	(void)state;
	assert_int_equal(result_of(&peer, peer.control_fd, 0, PAGE), -EACCES);
	assert_int_equal(fake_dmas(&bench.k), 0);
	peer_close(&peer);
}

static void it_works_in_a_window_and_in_FAULT(void **state)
{
	struct peer peer = joined_dma();
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);
	uint64_t iova = mapped(&peer, 1);

	(void)state;
	agree(&peer);
	assert_int_equal(poll_window(win), VFIOSAFE_STEP_COMMIT);
	assert_ok(vfiosafe_window_commit(win));
	assert_ok(unmap(&peer, iova, PAGE).result);
	mapped(&peer, 1);
	assert_ok(take_through(win));
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	mapped(&peer, 1);
	assert_int_equal(fake_dmas(&bench.k), 2);
	peer_close(&peer);
}

static int serve_with(uint32_t rights, uint64_t limit)
{
	struct vfiosafe_grant grant = grant_of(rights);
	struct peer peer = peer_new();
	int rc;

	grant.dma_limit = limit;
	rc = vfiosafe_share_serve(bench.dev, peer.owner_end, &grant);
	close(peer.owner_end);
	peer_close(&peer);
	return rc;
}

static void the_right_and_the_limit_go_together(void **state)
{
	(void)state;
	assert_refused(serve_with(VFIOSAFE_GRANT_DMA, 0), EINVAL, "dma_limit");
	assert_refused(serve_with(0, PAGE), EINVAL, "VFIOSAFE_GRANT_DMA");
}

static void a_device_that_was_adopted_has_no_address_space_to_share(void **state)
{
	int fd;

	(void)state;
	bench_close();
	fd = fake_device_fd(&bench.k, bench.fn);
	assert_ok(vfiosafe_device_from_fd(&bench.dev, fd, &bench.opts));
	assert_refused(serve_with(VFIOSAFE_GRANT_DMA, PAGE), EOPNOTSUPP, "adopted");
	vsf_sys(&bench.k.sys, close, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_client_gets_its_memory_mapped_and_back),
		BOTH(the_device_reaches_the_clients_own_pages),
		BOTH(directions_alignment_and_the_last_address_are_the_clients),
		BOTH(without_the_right_nothing_is_mapped_or_unmapped),
		BOTH(the_limit_is_of_what_is_mapped_now),
		BOTH(what_the_kernel_refuses_does_not_count),
		/* By group each is mapped here too: the fake kernel has no room for that. */
		DOOR(the_number_of_mappings_is_limited_too, " (cdev)", VFIOSAFE_DOOR_CDEV),
		BOTH(what_a_client_unmaps_is_its_own),
		BOTH(only_whole_pages_that_are_there_are_mapped),
		BOTH(only_a_memfd_that_stays_and_may_be_written_is_mapped),
		BOTH(the_control_page_is_no_memory_for_DMA),
		BOTH(it_works_in_a_window_and_in_FAULT),
		BOTH(the_right_and_the_limit_go_together),
		BOTH(a_device_that_was_adopted_has_no_address_space_to_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
