/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "epoch.h"
#include "join_rig.h"

struct rig rig;

int rig_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void make_memory(void)
{
	rig.memory_fd = memfd_create("registers", MFD_CLOEXEC);
	assert_true(rig.memory_fd >= 0);
	assert_ok(ftruncate(rig.memory_fd, RIG_BAR));
	rig.memory = mmap(NULL, RIG_BAR, PROT_READ | PROT_WRITE, MAP_SHARED, rig.memory_fd, 0);
	assert_true(rig.memory != MAP_FAILED);
}

int rig_setup(void **state)
{
	const struct vfiosafe_sys *real = vfiosafe_sys_default();
	struct vsf_thread *self;
	const int on = 1;
	int main[2], calls[2];

	(void)state;
	assert_ok(vsf_thread_get(&self));
	memset(&rig, 0, sizeof(rig));
	rig_install();
	rig.heap = heap_blocks();
	rig.fds = rig_open_fds();
	assert_ok(real->socketpair(NULL, main));
	assert_ok(real->socketpair(NULL, calls));
	rig.sock = main[0];
	rig.socket_fd = main[1];
	rig.calls = calls[0];
	rig.calls_fd = calls[1];
	/* As if the client had said hello first. */
	assert_ok(setsockopt(rig.socket_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	assert_ok(vsf_control_new(real, &rig.page, &rig.control_fd));
	rig_word(3, VFIOSAFE_LIVE);
	make_memory();
	return 0;
}

void rig_send_raw(const void *buf, size_t len, const int *fds, unsigned int count)
{
	assert_ok(vfiosafe_sys_default()->send(NULL, rig.sock, buf, len, fds, count));
}

void rig_send(const struct vsf_msg *msg, const int *fds, unsigned int count)
{
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(msg, buf);
	rig_send_raw(buf, sizeof(buf), fds, count);
}

void rig_welcome(uint64_t ranges)
{
	rig_welcome_as(ranges, 0);
}

void rig_welcome_as(uint64_t ranges, uint32_t flags)
{
	const int fds[2] = { rig.control_fd, rig.calls_fd };
	const struct vsf_msg msg = { .type = VSF_MSG_WELCOME,
				     .word = rig.page->word,
				     .id = 4711,
				     .value = ranges,
				     .flags = flags,
				     .text = ADDRESS };

	rig_send(&msg, fds, 2);
}

void rig_range(uint32_t index, enum vsf_reach reach, uint32_t rights, uint64_t offset,
	       uint64_t len)
{
	const struct vsf_msg msg = { .type = VSF_MSG_RANGE,
				     .index = index,
				     .kind = reach,
				     .flags = rights,
				     .offset = offset,
				     .len = len,
				     .value = offset };

	rig_send(&msg, &rig.memory_fd, reach == VSF_REACH_DMABUF);
}

int rig_join(void)
{
	struct vfiosafe_join_opts opts = { .size = sizeof(opts),
					   .name = "the client",
					   .timeout_ms = 50,
					   .sys = &rig.sys };
	int rc = vfiosafe_join(&rig.dev, rig.socket_fd, &opts);

	if (rc == 0)
		rig.socket_fd = -1;
	return rc;
}

static int called(const char *name, int rc)
{
	strcat(rig.log, " ");
	strcat(rig.log, name);
	if (rig.inside)
		rig.inside(name);
	return rc;
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return called("quiesce", rig.rc[RIG_QUIESCE]);
}

static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return called("resume", rig.rc[RIG_RESUME]);
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return called("reinit", rig.rc[RIG_REINIT]);
}

static void lost(struct vfiosafe_device *dev, void *ctx, enum vfiosafe_cause cause)
{
	(void)dev, (void)ctx;
	rig.cause = cause;
	(void)called("lost", 0);
}

void rig_use(void)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops),
		.quiesce = quiesce,
		.resume = resume,
		.reinit = reinit,
		.lost = lost,
	};

	assert_ok(vfiosafe_device_set_driver(rig.dev, &ops, NULL));
	assert_ok(vfiosafe_bar_map(&rig.bar, rig.dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(rig.bar, &rig.view));
	assert_heard(HELLO);
}

static int setup_with(void **state, enum vsf_reach reach)
{
	rig_setup(state);
	rig_welcome(1);
	rig_range(0, reach, BOTH, 0, RIG_BAR);
	assert_ok(rig_join());
	rig_use();
	return 0;
}

int rig_setup_mapped(void **state)
{
	return setup_with(state, VSF_REACH_DMABUF);
}

int rig_setup_calls(void **state)
{
	return setup_with(state, VSF_REACH_CALLS);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		assert_ok(close(*fd));
	*fd = -1;
}

void rig_hang_up(void)
{
	close_fd(&rig.sock);
	close_fd(&rig.calls);
}

int rig_teardown(void **state)
{
	(void)state;
	rig.fail_nth = 0;
	memset(rig.fail_err, 0, sizeof(rig.fail_err));
	if (rig.dev)
		assert_ok(vfiosafe_device_close(rig.dev, 100));
	rig_hang_up();
	close_fd(&rig.socket_fd);
	close_fd(&rig.calls_fd);
	close_fd(&rig.control_fd);
	close_fd(&rig.memory_fd);
	vsf_control_free(vfiosafe_sys_default(), rig.page);
	assert_ok(munmap(rig.memory, RIG_BAR));
	assert_int_equal(rig_open_fds(), rig.fds);
	assert_int_equal(heap_blocks(), rig.heap);
	return 0;
}

void rig_word(uint64_t generation, enum vfiosafe_state state)
{
	__atomic_store_n(&rig.page->word, vsf_word(generation, state), __ATOMIC_SEQ_CST);
}

void rig_prepare(uint64_t window, uint32_t ms, uint32_t flags)
{
	const struct vsf_msg msg = { .type = VSF_MSG_PREPARE,
				     .window = window,
				     .word = rig.page->word,
				     .cause = VFIOSAFE_CAUSE_RESET,
				     .flags = flags,
				     .ms = ms };

	rig_send(&msg, NULL, 0);
}

void rig_state(uint64_t window, int result)
{
	const struct vsf_msg msg = { .type = VSF_MSG_STATE,
				     .window = window,
				     .word = rig.page->word,
				     .cause = VFIOSAFE_CAUSE_DEAD,
				     .result = result };

	rig_send(&msg, NULL, 0);
}

void rig_result(int result, uint64_t value)
{
	const struct vsf_msg msg = { .type = VSF_MSG_RESULT, .result = result, .value = value };
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	assert_ok(vfiosafe_sys_default()->send(NULL, rig.calls, buf, sizeof(buf), NULL, 0));
}

static struct vsf_msg heard(int fd, enum vsf_side side)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];
	struct vsf_msg msg = { 0 };
	ssize_t n = vfiosafe_sys_default()->receive(NULL, fd, buf, sizeof(buf), &with);

	if (n <= 0)
		return msg;
	assert_ok(vsf_wire_parse(&msg, buf, (size_t)n, side, with.count));
	while (with.count > 0)
		assert_ok(close(with.fd[--with.count]));
	return msg;
}

struct vsf_msg rig_heard(void)
{
	return heard(rig.sock, VSF_FROM_CLIENT);
}

struct vsf_msg rig_called(void)
{
	return heard(rig.calls, VSF_CALL);
}

struct vsf_msg rig_dispatch_until_heard(void)
{
	struct vsf_msg msg;

	do {
		assert_ok(dispatch());
		msg = rig_heard();
	} while (!msg.type);
	return msg;
}

struct vfiosafe_event rig_event(void)
{
	struct vfiosafe_event event = { 0 };

	if (vfiosafe_event_read(rig.dev, &event, 1, sizeof(event)) != 1)
		event.type = 0;
	return event;
}
