/* SPDX-License-Identifier: MIT */
/* Memory of clients, and devices that reach it: one's own, and nobody's after its end. */
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "raw.h"

#define MEMORY                                                                            \
	"device sim:reg:a\n"                                                              \
	"device sim:reg:b\n"                                                              \
	"client user=40001 device=sim:reg:a bar=0 rights=read,write dma=8k\n"             \
	"client user=40002 device=sim:reg:b bar=0 rights=read,write dma=8k\n"

/* The device complements 8 bytes at @iova: 0, or that it could not. */
static uint32_t transfer(const struct vfiosafe_view *view, uint64_t iova)
{
	uint32_t value;

	must(vfiosafe_write64(view, VFIOSAFE_SIM_REG_DMA_ADDRESS, iova) == 0);
	must(vfiosafe_write32(view, VFIOSAFE_SIM_REG_DMA, VFIOSAFE_SIM_DMA_START) == 0);
	do
		value = read_at(view, VFIOSAFE_SIM_REG_DMA);
	while (value == VFIOSAFE_SIM_DMA_START);
	return value;
}

/* Where the library puts the first page that a device has: the same for everybody. */
#define FIRST_IOVA 0x10000u

static void uses_its_memory(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, guest->arg ? "sim:reg:b" : "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);
	struct vfiosafe_dma_memory mem, more;
	volatile uint64_t *words;

	must(vfiosafe_dma_alloc(&mem, dev, 8192, 0) == 0);
	must(mem.iova == FIRST_IOVA);
	must(vfiosafe_dma_alloc(&more, dev, 1, 0) == -EDQUOT);
	words = mem.addr;
	must(transfer(&view, mem.iova) == 0 && words[0] == UINT64_MAX);
	guest_is_there(guest);
	guest_waits(guest);
	/* Nobody else has had his hands in it. */
	must(words[0] == UINT64_MAX);
	for (unsigned int i = 1; i < mem.len / 8; i++)
		must(words[i] == 0);
}

/* At the address at which the other has its memory, on its own device. */
static void reaches_nothing(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, guest->arg ? "sim:reg:b" : "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);
	uint64_t value;

	must(vfiosafe_read64(&view, VFIOSAFE_SIM_REG_DMA_ADDRESS, &value) == 0 && value == 0);
	for (uint64_t iova = 0; iova < 16 * FIRST_IOVA; iova += 4096)
		must(transfer(&view, iova) == VFIOSAFE_SIM_DMA_FAILED);
}

static void a_device_reaches_the_memory_of_its_user_only(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, MEMORY);
	alice = client_start(&broker, ALICE, uses_its_memory, 0);
	client_is_there(&alice);
	bob = client_start(&broker, BOB, reaches_nothing, 1);
	client_ends_well(&bob);
	client_goes_on(&alice);
	client_ends_well(&alice);
}

static void each_user_has_an_address_space(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, MEMORY);
	alice = client_start(&broker, ALICE, uses_its_memory, 0);
	client_is_there(&alice);
	bob = client_start(&broker, BOB, uses_its_memory, 1);
	client_is_there(&bob);
	client_goes_on(&alice);
	client_goes_on(&bob);
	client_ends_well(&alice);
	client_ends_well(&bob);
}

static void nothing_is_in_reach_of_who_comes_after_a_client(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, MEMORY);
	for (int i = 0; i < 5; i++) {
		client = client_start(&broker, ALICE, uses_its_memory, 0);
		client_is_there(&client);
		client_killed(&client);
		broker_says(&broker, "event=left");
		broker_says(&broker, "held=0");
		client = client_start(&broker, ALICE, reaches_nothing, 0);
		client_ends_well(&client);
		broker_says(&broker, "event=left");
		broker_says(&broker, "held=0");
	}
}

static void who_has_no_line_for_memory_gets_none(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);
	struct vfiosafe_dma_memory mem;

	must(vfiosafe_dma_alloc(&mem, dev, 4096, 0) == -EPERM);
	must(transfer(&view, FIRST_IOVA) == VFIOSAFE_SIM_DMA_FAILED);
}

#define KINDS 3

/* A socket, a pipe, and an empty memfd, which is memory, but not enough. */
static int no_memory(uint64_t kind)
{
	int fds[2] = { -1, -1 };

	if (kind == 2)
		return memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	must((kind == 0 ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds)) == 0);
	return fds[1];
}

static void sends_no_memory(struct guest *guest)
{
	struct ends ends = joins_raw(guest);
	int fd = no_memory(guest->arg);
	struct vsf_msg msg = { .type = VSF_MSG_MAP,
			       .len = 4096,
			       .flags = VFIOSAFE_DMA_READ | VFIOSAFE_DMA_WRITE };
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN];

	vsf_wire_encode(&msg, buf);
	say_bytes(ends.calls, buf, sizeof(buf), &fd, 1);
	if (guest->arg == 2)
		must(hear(ends.calls, VSF_RESULT, &msg, &with) && msg.result == -EINVAL);
	else
		must(is_cut_off(ends.sock, VSF_FROM_OWNER));
	leaves(&ends);
}

/* A thread closes it: a moment later. */
static void what_is_no_memory_is_not_kept(void **state)
{
	struct client_process client;
	unsigned int before = 0;

	(void)state;
	broker_start(&broker, "device sim:reg:a\n"
			      "client user=40001 device=sim:reg:a bar=0 rights=read dma=8k\n");
	for (unsigned int i = 0; i < 4 * KINDS; i++) {
		client = client_start(&broker, ALICE, sends_no_memory, (i + 2) % KINDS);
		client_ends_well(&client);
		broker_says(&broker, "event=left");
		broker_says(&broker, "held=0");
		/* Of the first client stays what a shared device has. */
		before = i == 0 ? broker_fds(&broker) : before;
		while (broker_fds(&broker) > before)
			sched_yield();
	}
}

static void memory_has_to_be_granted(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, "device sim:reg:a\n"
			      "client user=40001 device=sim:reg:a bar=0 rights=read,write\n");
	client = client_start(&broker, ALICE, who_has_no_line_for_memory_gets_none, 0);
	client_ends_well(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_broker(a_device_reaches_the_memory_of_its_user_only),
		with_broker(each_user_has_an_address_space),
		with_broker(nothing_is_in_reach_of_who_comes_after_a_client),
		with_broker(what_is_no_memory_is_not_kept),
		with_broker(memory_has_to_be_granted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
