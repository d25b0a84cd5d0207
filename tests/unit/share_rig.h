/* SPDX-License-Identifier: MIT */
/*
 * share_rig.h - clients of a shared device made of raw sockets, which say what a test
 * wants said, and read no more than that.
 */
#ifndef SHARE_RIG_H
#define SHARE_RIG_H

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "generation.h"
#include "share.h"
#include "share_parts.h"
#include "sys.h"
#include "unit_driver.h"
#include "unit_thread.h"
#include "wire.h"

struct peer {
	int sock;
	pid_t pid; /* of a process of its own; 0: this one */
	struct vsf_msg welcome, range[VFIOSAFE_GRANT_RANGES];
	int control_fd, calls, device_fd, range_fd[VFIOSAFE_GRANT_RANGES];
	int owner_end;
};

#define RW (VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE)

/* BAR 0: its second page to read and write, its third to read. */
static const struct vfiosafe_grant_range two_ranges[] = {
	{ .bar = 0, .rights = RW, .offset = 0x1000, .len = 0x1000 },
	{ .bar = 0, .rights = VFIOSAFE_GRANT_READ, .offset = 0x2000, .len = 0x1000 },
};

static inline struct vfiosafe_grant grant_of(uint32_t rights)
{
	return (struct vfiosafe_grant){ .size = sizeof(struct vfiosafe_grant),
					.rights = rights,
					.range_count = 2,
					.ranges = two_ranges };
}

/* One round of the owner's agent. */
static inline void look(void)
{
	assert_ok(vfiosafe_agent_dispatch(bench.dev));
}

static inline struct peer peer_new(void)
{
	struct peer peer = { .control_fd = -1, .calls = -1, .device_fd = -1 };
	int fds[2];

	assert_ok(vsf_sys(vfiosafe_sys_default(), socketpair, fds));
	assert_ok(vsf_sys(vfiosafe_sys_default(), credentials, fds[1]));
	peer.owner_end = fds[0];
	peer.sock = fds[1];
	for (int i = 0; i < VFIOSAFE_GRANT_RANGES; i++)
		peer.range_fd[i] = -1;
	return peer;
}

static inline struct peer serve(const struct vfiosafe_grant *grant)
{
	struct peer peer = peer_new();

	assert_true(fake_adopt(&bench.k, peer.owner_end) >= 0);
	assert_ok(vfiosafe_share_serve(bench.dev, peer.owner_end, grant));
	return peer;
}

static inline int say_bytes(int fd, const void *buf, size_t len)
{
	return vsf_sys(vfiosafe_sys_default(), send, fd, buf, len, NULL, 0);
}

static inline int say_on(int fd, struct vsf_msg msg)
{
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	return say_bytes(fd, buf, sizeof(buf));
}

#define say(peer, ...) assert_ok(say_on((peer)->sock, (struct vsf_msg){ __VA_ARGS__ }))

/* What the owner said next; false: nothing. */
static inline bool hear_on(int fd, enum vsf_side side, struct vsf_msg *msg,
			   struct vfiosafe_received *with)
{
	uint8_t buf[VSF_WIRE_LEN_MAX];
	ssize_t n = vsf_sys(vfiosafe_sys_default(), receive, fd, buf, sizeof(buf), with);

	if (n == -EAGAIN)
		return false;
	assert_true(n > 0);
	assert_ok(vsf_wire_parse(msg, buf, (size_t)n, side, with->count));
	return true;
}

static inline struct vsf_msg hear(struct peer *peer, enum vsf_msg_type type)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;

	assert_true(hear_on(peer->sock, VSF_FROM_OWNER, &msg, &with));
	assert_string_equal(vsf_wire_name(msg.type), vsf_wire_name(type));
	return msg;
}

static inline bool hears_nothing(const struct peer *peer)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];

	return vsf_sys(vfiosafe_sys_default(), receive, peer->sock, buf, sizeof(buf), &with) ==
	       -EAGAIN;
}

static inline bool is_hung_up(int fd)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];
	ssize_t n;

	do
		n = vsf_sys(vfiosafe_sys_default(), receive, fd, buf, sizeof(buf), &with);
	while (n > 0);
	return n == 0 || n == -ECONNRESET;
}

/* WELCOME and RANGE, as they come. */
static inline void hear_welcome(struct peer *peer)
{
	struct vfiosafe_received with;

	assert_true(hear_on(peer->sock, VSF_FROM_OWNER, &peer->welcome, &with));
	assert_string_equal(vsf_wire_name(peer->welcome.type), "WELCOME");
	peer->control_fd = with.fd[0];
	peer->calls = with.fd[1];
	peer->device_fd = with.count > 2 ? with.fd[2] : -1;
	for (uint64_t i = 0; i < peer->welcome.value; i++) {
		assert_true(hear_on(peer->sock, VSF_FROM_OWNER, &peer->range[i], &with));
		assert_string_equal(vsf_wire_name(peer->range[i].type), "RANGE");
		peer->range_fd[i] = with.count ? with.fd[0] : -1;
	}
}

static inline struct peer joined(const struct vfiosafe_grant *grant)
{
	struct peer peer = serve(grant);

	say(&peer, .type = VSF_MSG_HELLO, .text = "tester");
	look();
	hear_welcome(&peer);
	return peer;
}

/* One with calls only, and one with the device fd. */
static inline struct peer joined_with(uint32_t rights)
{
	struct vfiosafe_grant grant = grant_of(rights);

	return joined(&grant);
}

static inline void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Its fds; not a word to the owner. */
static inline void peer_close(struct peer *peer)
{
	close_fd(peer->sock);
	close_fd(peer->control_fd);
	close_fd(peer->calls);
	close_fd(peer->device_fd);
	for (int i = 0; i < VFIOSAFE_GRANT_RANGES; i++)
		close_fd(peer->range_fd[i]);
	*peer = (struct peer){ .sock = -1, .control_fd = -1, .calls = -1, .device_fd = -1 };
}

/* The word in the page that clients map. */
static inline uint64_t published(const struct peer *peer)
{
	const struct vsf_control *page;
	uint64_t word;

	assert_ok(vsf_control_map(vfiosafe_sys_default(), &page, peer->control_fd));
	word = __atomic_load_n(&page->word, __ATOMIC_ACQUIRE);
	vsf_control_free(vfiosafe_sys_default(), page);
	return word;
}

#define assert_published(peer, state)                                                     \
	assert_string_equal(vfiosafe_state_name(vsf_word_state(published(peer))), #state)

/* The next event that tells of a client; 1: none. */
static inline int next_peer_event(void)
{
	struct vfiosafe_event event;

	while (vfiosafe_event_read(bench.dev, &event, 1, sizeof(event)) == 1)
		if (event.type == VFIOSAFE_EVENT_PEER)
			return event.result;
	return 1;
}

static inline int poll_window(struct vfiosafe_window *win)
{
	return vfiosafe_window_poll(win);
}

/* Those that have ended, too, until they are freed. */
static inline unsigned int clients_kept(void)
{
	const struct vsf_share *share = vsf_share_of(bench.dev);
	const struct cds_list_head *at;
	unsigned int n = 0;

	cds_list_for_each(at, &share->clients)
		n++;
	return n;
}

/* A window that waits for clients. */
static inline struct vfiosafe_window *asking(uint32_t timeout_ms,
					     enum vfiosafe_policy policy)
{
	struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
					    .timeout_ms = timeout_ms,
					    .policy = policy };
	struct vfiosafe_window *win = NULL;

	assert_ok(vfiosafe_window_begin(&win, bench.dev, &opts));
	return win;
}

/* The rest of a window that all agree to. */
static inline int take_through(struct vfiosafe_window *win)
{
	int rc = vfiosafe_window_poll(win);

	if (rc == VFIOSAFE_STEP_COMMIT)
		rc = vfiosafe_window_commit(win);
	if (rc == 0)
		rc = vfiosafe_window_poll(win);
	if (rc == VFIOSAFE_STEP_FINISH)
		rc = vfiosafe_window_finish(win);
	vfiosafe_window_end(win);
	return rc;
}

/* Answers the PREPARE that is there; its number. */
static inline uint64_t agree(struct peer *peer)
{
	struct vsf_msg msg = hear(peer, VSF_MSG_PREPARE);

	say(peer, .type = VSF_MSG_READY, .window = msg.window);
	return msg.window;
}

/* A question on the calls socket, and what came back. */
static inline struct vsf_msg call_owner(struct peer *peer, struct vsf_msg msg)
{
	struct vfiosafe_received with;

	assert_ok(say_on(peer->calls, msg));
	look();
	assert_true(hear_on(peer->calls, VSF_RESULT, &msg, &with));
	return msg;
}

#endif
