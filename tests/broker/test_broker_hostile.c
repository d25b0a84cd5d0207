/* SPDX-License-Identifier: MIT */
/* A client that tries everything that it was not granted: -EPERM. */
#include <sys/mman.h>

#include "raw.h"

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

	/* To read only: no dma-buf, which would give both. */
	must(ends.range < 0);
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
	broker_start(&broker, PAGE_POLICY);
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
		with_broker(the_state_of_the_device_can_only_be_read),
		with_broker(a_connection_is_good_for_the_user_who_made_it_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
