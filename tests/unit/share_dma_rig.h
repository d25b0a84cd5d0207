/* SPDX-License-Identifier: MIT */
/* share_dma_rig.h - clients made of raw sockets that have memory mapped, by both doors. */
#ifndef SHARE_DMA_RIG_H
#define SHARE_DMA_RIG_H

#include <fcntl.h>
#include <sys/prctl.h>

#include "share_rig.h"

#define PAGE ((uint64_t)FAKE_PAGE)
#define LIMIT (16 * PAGE)

/* A memfd of @pages with @seals; the test closes it. */
static inline int memory(uint64_t pages, int seals)
{
	int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)(pages * PAGE)));
	assert_ok(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static inline struct vfiosafe_grant dma_grant(void)
{
	struct vfiosafe_grant grant = grant_of(VFIOSAFE_GRANT_DMA);

	grant.dma_limit = LIMIT;
	return grant;
}

static inline struct peer joined_dma(void)
{
	struct vfiosafe_grant grant = dma_grant();

	return joined(&grant);
}

static inline int say_with_fds(int sock, struct vsf_msg msg, const int *fds,
			       unsigned int count)
{
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	return vsf_sys(vfiosafe_sys_default(), send, sock, buf, sizeof(buf), fds, count);
}

/* The answer to a MAP as @msg says it, of a file that stays the test's. */
static inline struct vsf_msg map_as(struct peer *peer, int fd, struct vsf_msg msg)
{
	struct vfiosafe_received with;

	msg.type = VSF_MSG_MAP;
	assert_ok(say_with_fds(peer->calls, msg, &fd, fd >= 0));
	look();
	assert_true(hear_on(peer->calls, VSF_RESULT, &msg, &with));
	return msg;
}

static inline struct vsf_msg map_file(struct peer *peer, int fd, uint64_t offset, uint64_t len)
{
	return map_as(peer, fd, (struct vsf_msg){ .offset = offset, .len = len });
}

/* Its address. */
static inline uint64_t mapped(struct peer *peer, uint64_t pages)
{
	int fd = memory(pages, F_SEAL_SHRINK);
	struct vsf_msg msg = map_file(peer, fd, 0, pages * PAGE);

	close(fd);
	if (msg.result)
		print_error("%s\n", msg.text);
	assert_int_equal(msg.result, 0);
	return msg.value;
}

static inline struct vsf_msg unmap(struct peer *peer, uint64_t iova, uint64_t len)
{
	return call_owner(peer, (struct vsf_msg){ .type = VSF_MSG_UNMAP,
						  .value = iova,
						  .len = len });
}

static inline int dma_setup(void **state)
{
	enum vfiosafe_door door = (enum vfiosafe_door)(uintptr_t)*state;

	bench_setup(state);
	bench.opts.door = door;
	bench_open();
	return driver_set();
}

/* One reset, that @count clients agree to. */
static inline void reset_with(struct peer *peers, unsigned int count)
{
	struct vfiosafe_window *win = asking(1000, VFIOSAFE_POLICY_ABORT);

	for (unsigned int i = 0; i < count; i++)
		agree(&peers[i]);
	assert_ok(take_through(win));
	for (unsigned int i = 0; i < count; i++)
		hear(&peers[i], VSF_MSG_STATE);
}

/* Of a forked child: no assertion. Joins by hand, has a page mapped, waits for its end. */
static inline void child_main(struct peer *peer, int *where)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;
	int fd, calls;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)say_on(peer->sock, (struct vsf_msg){ .type = VSF_MSG_HELLO, .text = "child" });
	__atomic_store_n(where, 1, __ATOMIC_RELEASE);
	while (!hear_on(peer->sock, VSF_FROM_OWNER, &msg, &with))
		;
	calls = with.fd[1];
	fd = memory(1, F_SEAL_SHRINK);
	(void)say_with_fds(calls, (struct vsf_msg){ .type = VSF_MSG_MAP, .len = PAGE }, &fd, 1);
	while (!hear_on(calls, VSF_RESULT, &msg, &with))
		;
	__atomic_store_n(where, msg.result == 0 ? 2 : -1, __ATOMIC_RELEASE);
	while (1)
		pause();
}

#define DOOR(test, suffix, door)                                                         \
	{                                                                                \
		.name = #test suffix, .test_func = test, .setup_func = dma_setup,        \
		.teardown_func = bench_teardown,                                         \
		.initial_state = (void *)(uintptr_t)(door)                               \
	}
#define BOTH(test)                                                                       \
	DOOR(test, " (cdev)", VFIOSAFE_DOOR_CDEV),                                       \
		DOOR(test, " (group)", VFIOSAFE_DOOR_GROUP)

#endif
