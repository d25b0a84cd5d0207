/* SPDX-License-Identifier: MIT */
/*
 * A client that has read rights to one page, and tries everything else, over the raw
 * sockets: -EPERM, or the connection is closed. Beside it a good client, that notices
 * nothing of it.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "generation.h"
#include "guests.h"
#include "sys.h"
#include "wire.h"

#define POLICY                                                                            \
	"device sim:reg:a dma_shared mode=0666\n"                                         \
	"client user=40001 device=sim:reg:a bar=0 offset=0 length=0x1000 "                \
	"rights=read,write,reset reset-interval-ms=1\n"                                   \
	"client user=40002 device=sim:reg:a bar=0 offset=0x9000 length=0x1000 rights=read\n"

#define PAGE 0x9000u

/* The raw ends of a connection. */
struct ends {
	int sock, calls, page;
};

static void say_bytes(int fd, const void *buf, size_t len, const int *fds, unsigned int count)
{
	must(vsf_sys(vfiosafe_sys_default(), send, fd, buf, len, fds, count) == 0);
}

static void say_on(int fd, struct vsf_msg msg)
{
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	say_bytes(fd, buf, sizeof(buf), NULL, 0);
}

#define say(fd, ...) say_on(fd, (struct vsf_msg){ __VA_ARGS__ })

/* What comes next, waited for; false: it was hung up. */
static bool hear(int fd, enum vsf_side side, struct vsf_msg *msg,
		 struct vfiosafe_received *with)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	uint8_t buf[VSF_WIRE_LEN_MAX];
	int epoll_fd = vsf_sys(sys, epoll), ready;
	ssize_t n;

	must(epoll_fd >= 0 && vsf_sys(sys, epoll_add, epoll_fd, fd) == 0);
	while ((n = vsf_sys(sys, receive, fd, buf, sizeof(buf), with)) == -EAGAIN)
		must(vsf_sys(sys, epoll_wait, epoll_fd, &ready, 1, VFIOSAFE_FOREVER) >= 0);
	close(epoll_fd);
	if (n <= 0)
		return false;
	must(vsf_wire_parse(msg, buf, (size_t)n, side, with->count) == 0);
	return true;
}

/* The answer to an ASK; what the owner tells of the device comes before it, or does not. */
static bool hear_answer(int fd, struct vsf_msg *msg)
{
	struct vfiosafe_received with;

	do
		if (!hear(fd, VSF_FROM_OWNER, msg, &with))
			return false;
	while (msg->type == VSF_MSG_STATE || msg->type == VSF_MSG_PREPARE);
	return true;
}

static struct ends joins_raw(const struct guest *guest)
{
	struct ends ends = { .sock = guest_connects(guest, "sim:reg:a") };
	struct vfiosafe_received with;
	struct vsf_msg msg;

	must(ends.sock >= 0);
	say(ends.sock, .type = VSF_MSG_HELLO, .text = "hostile");
	must(hear(ends.sock, VSF_FROM_OWNER, &msg, &with) && msg.type == VSF_MSG_WELCOME);
	must(with.count == 2);
	must(!(msg.flags & VSF_WELCOME_DEVICE_FD));
	ends.page = with.fd[0];
	ends.calls = with.fd[1];
	must(msg.value == 1);
	must(hear(ends.sock, VSF_FROM_OWNER, &msg, &with) && msg.type == VSF_MSG_RANGE);
	/* To read only: no dma-buf, which would give both. */
	must(with.count == 0 && msg.kind == VSF_REACH_CALLS);
	return ends;
}

static void leaves(const struct ends *ends)
{
	close(ends->sock);
	close(ends->calls);
	close(ends->page);
}

static uint64_t live(uint64_t generation)
{
	return vsf_word(generation, VFIOSAFE_LIVE);
}

static int call(const struct ends *ends, struct vsf_msg msg, uint64_t *value)
{
	struct vfiosafe_received with;

	say_on(ends->calls, msg);
	must(hear(ends->calls, VSF_RESULT, &msg, &with));
	*value = msg.value;
	return msg.result;
}

/* What it may; then what it may not. Generation 2: of the reset at the broker's start. */
static void calls_beyond_its_grant(struct guest *guest)
{
	static const struct {
		enum vsf_msg_type type;
		uint32_t index, width;
		uint64_t offset;
	} beyond[] = {
		{ VSF_MSG_WRITE, 0, 4, PAGE },			/* not to write */
		{ VSF_MSG_READ, 0, 4, HOLD },			/* alice's page */
		{ VSF_MSG_READ, 0, 4, PAGE - 4 },		/* just before */
		{ VSF_MSG_READ, 0, 4, PAGE + 0x1000 },		/* just behind */
		{ VSF_MSG_READ, 0, 8, PAGE + 0x1000 },
		{ VSF_MSG_READ, 0, 1, PAGE - 1 },
		{ VSF_MSG_READ, 0, 8, UINT64_C(0xfffffffffffffff8) }, /* wraps */
		{ VSF_MSG_READ, 0, 4, UINT64_C(1) << 63 },
		{ VSF_MSG_READ, 1, 4, PAGE },			/* a range that is not */
		{ VSF_MSG_READ, UINT32_MAX, 4, PAGE },
		{ VSF_MSG_WRITE, 0, 4, HOLD },
		{ VSF_MSG_WRITE, 1, 4, HOLD },
		{ VSF_MSG_WRITE, 0, 8, VFIOSAFE_SIM_REG_DMA_ADDRESS },
	};
	struct ends ends = joins_raw(guest);
	uint64_t value;

	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		must(call(&ends,
			  (struct vsf_msg){ .type = VSF_MSG_READ,
					    .offset = PAGE,
					    .width = 4,
					    .word = live(2) },
			  &value) == 0);
		must(call(&ends,
			  (struct vsf_msg){ .type = beyond[i].type,
					    .index = beyond[i].index,
					    .offset = beyond[i].offset,
					    .width = beyond[i].width,
					    .value = 0x666,
					    .word = live(2) },
			  &value) == -EPERM);
		must(value == 0);
	}
	/* Of another generation than there is. */
	must(call(&ends,
		  (struct vsf_msg){ .type = VSF_MSG_READ,
				    .offset = PAGE,
				    .width = 4,
				    .word = live(1) },
		  &value) == -ESTALE);
	leaves(&ends);
}

static void asks_for_resets(struct guest *guest)
{
	struct ends ends = joins_raw(guest);
	struct vsf_msg msg;
	uint64_t value;

	for (uint32_t kind = VSF_ASK_RESET; kind <= VSF_ASK_RECOVER; kind++) {
		say(ends.sock, .type = VSF_MSG_ASK, .kind = kind, .id = 7 + kind, .ms = 1000);
		must(hear_answer(ends.sock, &msg) && msg.type == VSF_MSG_ANSWER);
		must(msg.id == 7 + kind && msg.result == -EPERM);
	}
	/* That it says so does not make the device lost: the owner looks for itself. */
	must(call(&ends, (struct vsf_msg){ .type = VSF_MSG_LOST, .word = live(2) }, &value) == 0);
	must(call(&ends, (struct vsf_msg){ .type = VSF_MSG_PROBE, .word = live(2) }, &value) ==
	     0);
	/* An opinion, which is not asked for. */
	say(ends.sock, .type = VSF_MSG_BACK, .word = live(2), .result = -EIO, .text = "never");
	must(call(&ends, (struct vsf_msg){ .type = VSF_MSG_PROBE, .word = live(2) }, &value) ==
	     0);
	leaves(&ends);
}

/* No memory of its own, and none of others away. */
static void maps_memory(struct guest *guest)
{
	struct ends ends = joins_raw(guest);
	uint64_t value;

	must(call(&ends,
		  (struct vsf_msg){ .type = VSF_MSG_MAP,
				    .len = 0x1000,
				    .flags = VFIOSAFE_DMA_READ | VFIOSAFE_DMA_WRITE },
		  &value) == -EPERM);
	must(value == 0);
	for (uint64_t iova = 0; iova < UINT64_C(1) << 20; iova += 0x1000)
		must(call(&ends,
			  (struct vsf_msg){ .type = VSF_MSG_UNMAP, .value = iova, .len = 0x1000 },
			  &value) == -EPERM);
	leaves(&ends);
}

static bool is_cut_off(int fd, enum vsf_side side)
{
	struct vfiosafe_received with;
	struct vsf_msg msg;

	return !hear(fd, side, &msg, &with);
}

/* What may be said, here and by it: the answers to that are looked at above. */
static bool is_spoken(bool on_calls, unsigned int type)
{
	if (on_calls)
		return type == VSF_MSG_READ || type == VSF_MSG_WRITE || type == VSF_MSG_PROBE ||
		       type == VSF_MSG_LOST || type == VSF_MSG_MAP || type == VSF_MSG_UNMAP;
	return type == VSF_MSG_ASK || type == VSF_MSG_BACK;
}

#define TYPES 64

/* A well-formed message of each type there is, and of those there are not. */
static void says_every_type(struct guest *guest, bool on_calls, unsigned int type, int fds)
{
	struct ends ends = joins_raw(guest);
	int fd = on_calls ? ends.calls : ends.sock, with[2] = { ends.page, ends.page };
	struct vsf_msg msg = { .type = (enum vsf_msg_type)type,
			       .window = 1,
			       .kind = VSF_ASK_RESET,
			       .offset = PAGE,
			       .len = 0x1000,
			       .width = 4,
			       .word = live(2) };
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	say_bytes(fd, buf, sizeof(buf), with, (unsigned int)fds);
	must(is_cut_off(ends.sock, VSF_FROM_OWNER));
	must(is_cut_off(ends.calls, VSF_RESULT));
	leaves(&ends);
}

static void says_what_it_must_not(struct guest *guest)
{
	for (unsigned int type = 0; type < TYPES; type++)
		for (int fds = 0; fds <= 2; fds++)
			for (int on_calls = 0; on_calls < 2; on_calls++)
				if (fds > 0 || !is_spoken(on_calls, type))
					says_every_type(guest, on_calls, type, fds);
}

/* Every type but HELLO as the first word; and what is no message. */
static void says_no_hello(struct guest *guest)
{
	for (unsigned int type = 0; type < TYPES; type++) {
		int sock = guest_connects(guest, "sim:reg:a");

		if (type != VSF_MSG_HELLO)
			say(sock, .type = (enum vsf_msg_type)type, .word = live(2), .width = 4,
			    .kind = VSF_ASK_RESET, .offset = PAGE, .len = 4);
		else
			say_bytes(sock, "HELLO", 5, NULL, 0);
		must(is_cut_off(sock, VSF_FROM_OWNER));
		close(sock);
	}
}

/* The page that it was sent tells the state of the device: it can only be read. */
static void writes_the_page(struct guest *guest)
{
	struct ends ends = joins_raw(guest);
	void *page;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ends.page, 0);
	must(page == MAP_FAILED && errno == EPERM);
	must(pwrite(ends.page, "x", 1, 0) < 0 && errno == EPERM);
	must(ftruncate(ends.page, 0) < 0 && errno == EPERM);
	leaves(&ends);
}

/* On a connection that another user made, and that it was given. */
static void says_hello(struct guest *guest)
{
	struct vfiosafe_received with;
	int sock = (int)guest->arg;
	struct vsf_msg msg;

	say(sock, .type = VSF_MSG_HELLO, .text = "impostor");
	must(hear(sock, VSF_FROM_OWNER, &msg, &with));
	must(msg.type == VSF_MSG_REFUSED && msg.result == -EPERM && with.count == 0);
	must(is_cut_off(sock, VSF_FROM_OWNER));
}

/* It has what nobody has taken from it, in the generation in which it came. */
static void is_good(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);

	must(vfiosafe_device_generation(dev) == 2);
	must(vfiosafe_write32(&view, HOLD, 0x900d) == 0);
	guest_is_there(guest);
	guest_waits(guest);
	must(read_at(&view, HOLD) == 0x900d);
	must(vfiosafe_device_generation(dev) == 2);
}

static void hostile(void (*run)(struct guest *guest))
{
	struct client_process good, bad;
	unsigned int before;

	broker_start(&broker, POLICY);
	good = client_start(&broker, ALICE, is_good, 0);
	client_is_there(&good);
	before = broker_fds(&broker);
	bad = client_start(&broker, BOB, run, 0);
	client_ends_well(&bad);
	broker_says(&broker, "clients=1");
	while (broker_fds(&broker) != before)
		broker_says(&broker, "clients=1");
	client_goes_on(&good);
	client_ends_well(&good);
}

static void what_was_not_granted_is_EPERM(void **state)
{
	(void)state;
	hostile(calls_beyond_its_grant);
}

static void a_reset_that_was_not_granted_is_EPERM(void **state)
{
	(void)state;
	hostile(asks_for_resets);
}

static void memory_that_was_not_granted_is_EPERM(void **state)
{
	(void)state;
	hostile(maps_memory);
}

static void what_is_not_for_clients_to_say_ends_the_connection(void **state)
{
	(void)state;
	hostile(says_what_it_must_not);
}

static void who_does_not_say_hello_is_not_listened_to(void **state)
{
	(void)state;
	hostile(says_no_hello);
}

static void the_state_of_the_device_can_only_be_read(void **state)
{
	(void)state;
	hostile(writes_the_page);
}

static void a_connection_is_good_for_the_user_who_made_it_only(void **state)
{
	const struct guest root = { .broker = &broker };
	struct client_process bad;
	int sock;

	(void)state;
	broker_start(&broker, POLICY);
	assert_int_equal(seteuid(ALICE), 0);
	sock = guest_connects(&root, "sim:reg:a");
	assert_int_equal(seteuid(0), 0);
	bad = client_start(&broker, BOB, says_hello, (uint64_t)sock);
	client_ends_well(&bad);
	close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_broker(what_was_not_granted_is_EPERM),
		with_broker(a_reset_that_was_not_granted_is_EPERM),
		with_broker(memory_that_was_not_granted_is_EPERM),
		with_broker(what_is_not_for_clients_to_say_ends_the_connection),
		with_broker(who_does_not_say_hello_is_not_listened_to),
		with_broker(the_state_of_the_device_can_only_be_read),
		with_broker(a_connection_is_good_for_the_user_who_made_it_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
