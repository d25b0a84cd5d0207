/* SPDX-License-Identifier: MIT */
/*
 * vm_broker_joined DOOR - the broker on functions that belong together: E1000E0 and E1000E1
 * are in one IOMMU group, and on one bus. EDU has no reset.
 */
#include <errno.h>

#include "broker_rig.h"

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

#define E1000E_RDBAL 0x2800

/* Asked, and back, when the other function is reset with this one. */
static void is_reset_too(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, getenv("E1000E1"));
	struct vfiosafe_view view = guest_maps(dev, 0, 0);
	uint64_t generation = vfiosafe_device_generation(dev);
	uint32_t value;

	must(vfiosafe_write32(&view, E1000E_RDBAL, LEFT) == 0);
	guest_is_there(guest);
	guest_waits(guest);
	must(vfiosafe_wait(dev, vfiosafe_deadline_in_ms(60000)) == 0);
	must(vfiosafe_device_generation(dev) > generation);
	must(vfiosafe_read32(&view, E1000E_RDBAL, &value) == -ESTALE);
	view = guest_maps(dev, 0, 0);
	must(vfiosafe_read32(&view, E1000E_RDBAL, &value) == 0 && value == 0);
}

static void leaves_an_address(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, getenv("E1000E0"));
	struct vfiosafe_view view = guest_maps(dev, 0, 0);
	uint32_t value = 1;

	must(vfiosafe_read32(&view, E1000E_RDBAL, &value) == 0 && value == 0);
	must(vfiosafe_write32(&view, E1000E_RDBAL, LEFT) == 0);
	must(vfiosafe_read32(&view, E1000E_RDBAL, &value) == 0 && value == LEFT);
	guest_is_there(guest);
	guest_waits(guest);
}

static void set_methods(const char *device, const char *methods)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset_method", getenv(device));
	out = fopen(path, "we");
	assert_non_null(out);
	assert_true(fputs(methods, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int give_methods_back(void **state)
{
	set_methods("E1000E0", "default\n");
	return end_broker(state);
}

static void a_function_without_a_reset_is_reset_with_its_set(void **state)
{
	struct client_process alice, bob;

	(void)state;
	set_methods("E1000E0", "\n");
	broker_start(&broker, functions_of_one_group("dma_shared"));
	bob = client_start(&broker, BOB, is_reset_too, 0);
	client_is_there(&bob);
	for (int i = 0; i < 2; i++) {
		alice = client_start(&broker, ALICE, leaves_an_address, 0);
		client_is_there(&alice);
		client_killed(&alice);
		broker_says(&broker, "event=left");
		broker_says(&broker, "event=reset ");
		if (i > 0)
			continue;
		client_goes_on(&bob);
		client_ends_well(&bob);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		with_broker(what_the_IOMMU_or_the_bus_joins_is_not_split),
		with_broker(users_of_one_group_can_be_declared),
		cmocka_unit_test_setup_teardown(
			a_function_without_a_reset_is_reset_with_its_set, no_broker,
			give_methods_back),
	};

	door = argc > 1 ? argv[1] : "group";
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
