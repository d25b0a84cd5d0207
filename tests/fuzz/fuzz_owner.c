/* SPDX-License-Identifier: MIT */
/*
 * fuzz_owner [--seed N] [--runs N]: clients that say anything, also with fds, to an owner
 * of a simulated device, some of them while it resets the device. Whatever they say, the
 * owner serves the next one, and has no fd and no mapping more at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#include "fuzz_messages.h"
#include "sys.h"

#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition,      \
				vfiosafe_error_text());                                  \
			abort();                                                         \
		}                                                                        \
	} while (0)

static struct vfiosafe_sim *sim;
static struct vfiosafe_device *dev;
#define PAGE UINT64_C(4096)

static uint64_t welcomed, cut, held;
static uint64_t asked; /* the last window that a client was asked about */

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int reinit(struct vfiosafe_device *which, void *ctx)
{
	(void)which, (void)ctx;
	return 0;
}

static void open_owner(void)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	CHECK(vfiosafe_sim_open(&sim, "sim:reg", NULL) == 0);
	opts.sys = vfiosafe_sim_sys(sim);
	CHECK(vfiosafe_device_open(&dev, vfiosafe_sim_address(sim), &opts) == 0);
	CHECK(vfiosafe_device_set_driver(dev, &ops, NULL) == 0);
}

/* Its end. */
static int serve(uint32_t rights)
{
	const struct vfiosafe_grant_range range = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE, .len = 0x1000
	};
	const struct vfiosafe_grant grant = { .size = sizeof(grant),
					      .rights = rights,
					      .range_count = 1,
					      .ranges = &range,
					      .reset_interval_ms = 1,
					      .dma_limit = rights & VFIOSAFE_GRANT_DMA
								   ? 16 * PAGE
								   : 0 };
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			 fds) == 0);
	CHECK(vfiosafe_share_serve(dev, fds[0], &grant) == 0);
	return fds[1];
}

static void look(void)
{
	CHECK(vfiosafe_agent_dispatch(dev) == 0);
}

/* What a client may say there, but for one in 16. */
static void something(struct vsf_msg *msg, enum vsf_side side)
{
	uint8_t head[2];

	do {
		valid(msg);
		rightly(head, msg->type);
	} while (head[0] != side && chance(16));
	if (asked && chance(4))
		msg->window = asked;
	if (side == VSF_CALL && chance(2)) {
		msg->type = VSF_MSG_MAP;
		msg->flags = (uint32_t)chance(4);
		msg->result = 0;
		msg->offset = chance(5) * PAGE;
		msg->len = (1 + chance(5)) * PAGE;
		msg->id = msg->value = 0;
	}
}

/* Memory for DMA, or nearly, or something else. */
static int some_fd(void)
{
	static const int seals[] = { F_SEAL_SHRINK, F_SEAL_SHRINK, F_SEAL_SHRINK, 0,
				     F_SEAL_SHRINK | F_SEAL_WRITE };
	int fd;

	if (chance(16) == 0)
		return eventfd(0, EFD_CLOEXEC);
	fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && ftruncate(fd, (off_t)((4 + chance(5)) * PAGE)) == 0 &&
	      fcntl(fd, F_ADD_SEALS, seals[chance(5)]) == 0);
	return fd;
}

/* One in four with fds. */
static void say_something(int sock, enum vsf_side side)
{
	int fds[3], rc, count = chance(4) ? 0 : (int)chance(4);
	uint8_t buf[VSF_WIRE_LEN_MAX] = { 0 };
	struct vsf_msg msg;
	size_t len;

	something(&msg, side);
	if (msg.type == VSF_MSG_MAP && chance(8))
		count = 1;
	vsf_wire_encode(&msg, buf);
	len = chance(3) ? VSF_WIRE_LEN : mutate(buf, VSF_WIRE_LEN);
	for (int i = 0; i < count; i++)
		CHECK((fds[i] = some_fd()) >= 0);
	rc = vsf_sys(vfiosafe_sys_default(), send, sock, buf, len, fds,
		     (unsigned int)count);
	CHECK(rc == 0 || rc == -EPIPE || rc == -EAGAIN || rc == -ECONNRESET ||
	      rc == -EINVAL);
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

static void say(int sock, int calls)
{
	if (calls >= 0 && chance(2))
		say_something(calls, VSF_CALL);
	else
		say_something(sock, VSF_FROM_CLIENT);
}

static void say_hello(int sock)
{
	struct vsf_msg msg = { .type = VSF_MSG_HELLO, .text = "fuzz" };
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	CHECK(vsf_sys(vfiosafe_sys_default(), send, sock, buf, sizeof(buf), NULL, 0) ==
	      0);
}

/* The socket for its calls; -1: it was not welcomed. */
static int hear(int sock)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];
	struct vsf_msg msg;
	int calls = -1;
	ssize_t n;

	while ((n = vsf_sys(vfiosafe_sys_default(), receive, sock, buf, sizeof(buf),
			    &with)) > 0) {
		CHECK(vsf_wire_parse(&msg, buf, (size_t)n, VSF_FROM_OWNER, with.count) ==
		      0);
		if (msg.type == VSF_MSG_PREPARE)
			asked = msg.window;
		for (unsigned int i = 0; i < with.count; i++) {
			if (i == 1 && calls < 0)
				calls = with.fd[i];
			else
				close(with.fd[i]);
		}
	}
	return calls;
}

/* What clients that have ended had mapped. */
static void take_back(void)
{
	CHECK(vfiosafe_reset(dev, NULL) == 0);
	CHECK(vfiosafe_share_held(dev) == 0);
}

/* Without an answer of this client in time, it is called off. */
static void reset_meanwhile(int sock, int calls)
{
	const struct vfiosafe_reset_opts opts = {
		.size = sizeof(opts),
		.timeout_ms = 1,
		.policy = chance(2) ? VFIOSAFE_POLICY_FORCE : VFIOSAFE_POLICY_ABORT,
	};
	struct vfiosafe_window *win;
	int rc = vfiosafe_window_begin(&win, dev, &opts), extra;

	CHECK(rc == 0 || rc == -EAGAIN || rc == -EBUSY);
	if (rc == -EBUSY)
		return;
	extra = hear(sock);
	if (extra >= 0)
		close(extra);
	do {
		say(sock, calls);
		rc = vfiosafe_window_poll(win);
	} while (rc == -EAGAIN);
	if (rc == VFIOSAFE_STEP_COMMIT)
		rc = vfiosafe_window_commit(win);
	while (rc == 0 && (rc = vfiosafe_window_poll(win)) == -EAGAIN)
		;
	if (rc == VFIOSAFE_STEP_FINISH)
		rc = vfiosafe_window_finish(win);
	vfiosafe_window_end(win);
}

static void one_client(void)
{
	/* Who could map the device would be waited for: it is this process. */
	uint32_t rights = (chance(2) ? VFIOSAFE_GRANT_RESET : 0) |
			  (chance(2) ? VFIOSAFE_GRANT_DMA : 0);
	int sock = serve(rights | VFIOSAFE_GRANT_CALLS_ONLY), calls = -1;

	if (chance(8)) {
		say_hello(sock);
		look();
		calls = hear(sock);
	}
	welcomed += calls >= 0;
	for (uint64_t n = chance(12); n > 0; n--) {
		say(sock, calls);
		if (chance(2))
			look();
		if (chance(16) == 0)
			reset_meanwhile(sock, calls);
	}
	look();
	cut += calls >= 0 && vfiosafe_share_count(dev) == 0;
	if (calls >= 0)
		close(calls);
	close(sock);
	while (vfiosafe_share_count(dev) > 0)
		look();
	if (vfiosafe_device_state(dev) == VFIOSAFE_FAULT)
		CHECK(vfiosafe_recover(dev, NULL) == 0);
	if (vfiosafe_share_held(dev) == 0)
		return;
	held++;
	if (chance(4) == 0)
		take_back();
}

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 0) : 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, runs = 2000;
	struct vfiosafe_sim_held left;
	unsigned int fds;

	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = number(argv[i + 1]);
		else if (strcmp(argv[i], "--runs") == 0)
			runs = number(argv[i + 1]);
		else
			return fprintf(stderr, "usage: %s [--seed N] [--runs N]\n",
				       argv[0]),
			       2;
	}
	fuzz_seed(seed);
	open_owner();
	/* What is made with the first client stays. */
	one_client();
	fds = open_fds();
	for (uint64_t i = 0; i < runs; i++)
		one_client();
	CHECK(open_fds() == fds);
	take_back();
	vfiosafe_sim_held(sim, &left);
	CHECK(left.iovas == 0);
	CHECK(vfiosafe_device_close(dev, 1000) == 0);
	vfiosafe_sim_close(sim);
	printf("seed %llu: %llu clients, %llu welcomed, %llu of these cut off, no fd "
	       "left; memory held %llu times\n",
	       (unsigned long long)seed, (unsigned long long)runs,
	       (unsigned long long)welcomed, (unsigned long long)cut,
	       (unsigned long long)held);
	return welcomed >= runs / 2 && cut >= runs / 10 && held >= runs / 50 ? 0 : 1;
}
