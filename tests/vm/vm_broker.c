/* SPDX-License-Identifier: MIT */
/*
 * vm_broker DOOR - the broker on devices of a real kernel, behind an IOMMU: two users, and
 * one of them is hostile. NVME and IGB are addresses.
 */
#include <sched.h>
#include <unistd.h>

#include "broker_nvme.h"
#include "broker_rig.h"

#define MEMORY (UINT64_C(4) << 20) /* of alice; beyond what bob has */
#define PATTERN 0xa5

static const char *two_devices(void)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		 "device %s door=%s\n"
		 "device %s door=%s\n"
		 "client user=40001 device=%s bar=0 rights=read,write dma=8M\n"
		 "client user=40002 device=%s bar=0 rights=read,write,reset dma=256k "
		 "reset-interval-ms=1\n",
		 getenv("IGB"), door, getenv("NVME"), door, getenv("IGB"), getenv("NVME"));
	return text;
}

/* Its memory is what it was, and its device is its own. */
static void has_memory(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, getenv("IGB"));
	struct vfiosafe_view view = guest_maps(dev, 0, 0);
	struct vfiosafe_dma_memory mem;
	uint32_t ctrl, now;

	must(vfiosafe_dma_alloc(&mem, dev, MEMORY, 0) == 0);
	memset(mem.addr, PATTERN, MEMORY);
	must(vfiosafe_read32(&view, 0, &ctrl) == 0);
	guest_is_there(guest);
	guest_waits(guest);
	for (uint64_t i = 0; i < MEMORY; i++)
		must(((const uint8_t *)mem.addr)[i] == PATTERN);
	must(vfiosafe_read32(&view, 0, &now) == 0 && now == ctrl);
}

/*
 * All of what alice has, by its address. (That such a command fails is not looked at: this
 * model says it was done, whatever became of its DMA.)
 */
static void is_hostile(struct guest *guest)
{
	struct nvme nvme;

	nvme_start(&nvme, guest_joins(guest, getenv("NVME")));
	for (uint64_t at = 0; at < 2 * MEMORY; at += 64 << 10)
		if (!nvme_has(&nvme, at))
			(void)nvme_identify(&nvme, at);
	must(((const char *)nvme.data.addr)[4] == '\0');
	must(nvme_identify(&nvme, nvme.data.iova) == 0);
	must(((const char *)nvme.data.addr)[4] != '\0');
	/* Its queue in alice's memory: the controller stops. */
	must(nvme_fails_with_queue_at(&nvme, FIRST_IOVA + MEMORY / 2));
	must(vfiosafe_reset(nvme.dev, NULL) == 0);
}

static void hostile_DMA_reaches_nothing_of_another_user(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, two_devices());
	alice = client_start(&broker, ALICE, has_memory, 0);
	client_is_there(&alice);
	bob = client_start(&broker, BOB, is_hostile, 0);
	client_ends_well(&bob);
	client_goes_on(&alice);
	client_ends_well(&alice);
}

static void cannot_connect(struct guest *guest)
{
	must(guest_connects(guest, getenv("IGB")) == -EACCES);
}

static void nobody_has_the_device_of_another(void **state)
{
	struct client_process bob;

	(void)state;
	broker_start(&broker, two_devices());
	bob = client_start(&broker, BOB, cannot_connect, 0);
	client_ends_well(&bob);
}

static void starts_and_stays(struct guest *guest)
{
	struct nvme nvme;

	nvme_start(&nvme, guest_joins(guest, getenv("NVME")));
	must(nvme_identify(&nvme, nvme.data.iova) == 0);
	guest_is_there(guest);
	guest_waits(guest);
}

/* Neither is it on, nor is the memory there. (This model keeps AQA, ASQ and ACQ.) */
static void finds_nothing(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, getenv("NVME"));
	struct vfiosafe_view view = guest_maps(dev, 0, 0);
	uint32_t cc = 1;

	must(vfiosafe_read32(&view, NVME_CC, &cc) == 0 && cc == 0);
	must((nvme_csts(&view) & 1) == 0);
	must(nvme_fails_at(dev, &view, FIRST_IOVA));
}

#define IGB_RDBAL 0xc000
#define IGB_TDBAL 0xe000

static void leaves_addresses(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, getenv("IGB"));
	struct vfiosafe_view view = guest_maps(dev, 0, 0);
	uint32_t rdbal = 1, tdbal = 1;

	/* Nor has the one before. */
	must(vfiosafe_read32(&view, IGB_RDBAL, &rdbal) == 0 && rdbal == 0);
	must(vfiosafe_read32(&view, IGB_TDBAL, &tdbal) == 0 && tdbal == 0);
	must(vfiosafe_write32(&view, IGB_RDBAL, LEFT) == 0);
	must(vfiosafe_write32(&view, IGB_TDBAL, LEFT) == 0);
	must(vfiosafe_read32(&view, IGB_RDBAL, &rdbal) == 0 && rdbal == LEFT);
	must(vfiosafe_read32(&view, IGB_TDBAL, &tdbal) == 0 && tdbal == LEFT);
	guest_is_there(guest);
	guest_waits(guest);
}

static void leave_and_come_back(const char *policy)
{
	struct client_process client;

	broker_start(&broker, policy);
	for (int i = 0; i < 4; i++) {
		client = client_start(&broker, ALICE, leaves_addresses, 0);
		client_is_there(&client);
		client_killed(&client);
	}
}

static void no_register_is_left_of_a_client_that_was_killed(void **state)
{
	(void)state;
	leave_and_come_back(two_devices());
}

static void nor_of_one_that_had_the_device_fd(void **state)
{
	char text[512];

	(void)state;
	snprintf(text, sizeof(text),
		 "device %s door=%s\n"
		 "client user=40001 device=%s bar=0 rights=read,write,device-fd\n",
		 getenv("IGB"), door, getenv("IGB"));
	leave_and_come_back(text);
}

static void nothing_is_left_of_a_client_that_was_killed(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, two_devices());
	for (int i = 0; i < 3; i++) {
		client = client_start(&broker, BOB, starts_and_stays, 0);
		client_is_there(&client);
		client_killed(&client);
		client = client_start(&broker, BOB, finds_nothing, 0);
		client_ends_well(&client);
	}
}

static void starts_again_after_a_kill(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, two_devices());
	client = client_start(&broker, BOB, starts_and_stays, 0);
	client_is_there(&client);
	broker_stop(&broker, 9);
	broker_start(&broker, two_devices());
	client_killed(&client);
	client = client_start(&broker, BOB, finds_nothing, 0);
	client_ends_well(&client);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		with_broker(hostile_DMA_reaches_nothing_of_another_user),
		with_broker(nobody_has_the_device_of_another),
		with_broker(no_register_is_left_of_a_client_that_was_killed),
		with_broker(nor_of_one_that_had_the_device_fd),
		with_broker(nothing_is_left_of_a_client_that_was_killed),
		with_broker(starts_again_after_a_kill),
	};

	door = argc > 1 ? argv[1] : "group";
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
