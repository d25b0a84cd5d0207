/* SPDX-License-Identifier: MIT */
/*
 * vm_broker DOOR - the broker on devices of a real kernel, behind an IOMMU: two users, and
 * one of them is hostile. NVME, IGB, E1000E0, E1000E1 and EDU are addresses.
 */
#include <sched.h>
#include <unistd.h>

#include "../broker/rig.h"
#include "broker_nvme.h"

#define MEMORY (UINT64_C(4) << 20) /* of alice; beyond what bob has */
#define PATTERN 0xa5

static struct broker_process broker;
static const char *door;

static int no_broker(void **state)
{
	(void)state;
	memset(&broker, 0, sizeof(broker));
	return 0;
}

static int end_broker(void **state)
{
	(void)state;
	broker_end(&broker);
	return 0;
}

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
#define LEFT 0x12345680u

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

static void is_refused(const char *policy, const char *why)
{
	static char said[1 << 16];

	assert_int_equal(broker_run_to_end(&broker, policy, said, sizeof(said)), 1);
	if (!strstr(said, why))
		fail_msg("'%s' instead of '%s'", said, why);
}

static const char *functions_of_one_group(const char *shared)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		 "device %s door=%s %s\n"
		 "device %s door=%s %s\n"
		 "client user=40001 device=%s bar=0 rights=read,write,reset "
		 "reset-interval-ms=1\n"
		 "client user=40002 device=%s bar=0 rights=read,write,reset "
		 "reset-interval-ms=1\n",
		 getenv("E1000E0"), door, shared, getenv("E1000E1"), door, shared,
		 getenv("E1000E0"), getenv("E1000E1"));
	return text;
}

static void what_the_IOMMU_or_the_bus_joins_is_not_split(void **state)
{
	char text[512];

	(void)state;
	is_refused(functions_of_one_group(""), "are in one IOMMU group");
	snprintf(text, sizeof(text), "device %s\nclient user=7 device=%s bar=0 rights=read\n",
		 getenv("EDU"), getenv("EDU"));
	is_refused(text, "cannot be reset");
	if (strcmp(door, "cdev") != 0)
		return;
	snprintf(text, sizeof(text), "device %s\nclient user=7 device=%s rights=device-fd\n",
		 getenv("E1000E0"), getenv("E1000E0"));
	is_refused(text, "can reset other functions");
}

static void resets_its_function(struct guest *guest)
{
	struct vfiosafe_device *dev =
		guest_joins(guest, getenv(guest->arg ? "E1000E1" : "E1000E0"));
	struct vfiosafe_view view = guest_maps(dev, 0, 0);
	uint64_t generation = vfiosafe_device_generation(dev);
	uint32_t value;

	guest_is_there(guest);
	guest_waits(guest);
	for (int i = 0; i < 5; i++)
		must(vfiosafe_reset(dev, NULL) == 0);
	must(vfiosafe_device_generation(dev) == generation + 5);
	must(vfiosafe_read32(&view, 0, &value) == -ESTALE);
	guest_is_there(guest);
	guest_waits(guest);
}

static void users_of_one_group_can_be_declared(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, functions_of_one_group("dma_shared"));
	alice = client_start(&broker, ALICE, resets_its_function, 0);
	bob = client_start(&broker, BOB, resets_its_function, 1);
	for (int i = 0; i < 2; i++) {
		client_is_there(&alice);
		client_is_there(&bob);
		client_goes_on(&alice);
		client_goes_on(&bob);
	}
	client_ends_well(&alice);
	client_ends_well(&bob);
}

#define with_broker(test) cmocka_unit_test_setup_teardown(test, no_broker, end_broker)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		with_broker(hostile_DMA_reaches_nothing_of_another_user),
		with_broker(nobody_has_the_device_of_another),
		with_broker(no_register_is_left_of_a_client_that_was_killed),
		with_broker(nor_of_one_that_had_the_device_fd),
		with_broker(nothing_is_left_of_a_client_that_was_killed),
		with_broker(starts_again_after_a_kill),
		with_broker(what_the_IOMMU_or_the_bus_joins_is_not_split),
		with_broker(users_of_one_group_can_be_declared),
	};

	door = argc > 1 ? argv[1] : "group";
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
