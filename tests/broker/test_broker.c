/* SPDX-License-Identifier: MIT */
/* A broker and clients of two users: who gets what. */
#include "guests.h"

#define MINE 0x9000 /* memory of sim:reg, cleared by a reset */

static void uses_device_b(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:b");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);

	must(read_at(&view, VFIOSAFE_SIM_REG_ID) == VFIOSAFE_SIM_ID);
	must(read_at(&view, HOLD) == 0);
	must(vfiosafe_reset(dev, NULL) == -EPERM);
	guest_is_there(guest);
	guest_waits(guest);
}

static void each_user_has_its_own_device(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	alice = client_start(&broker, ALICE, writes_and_stays, 0);
	client_is_there(&alice);
	bob = client_start(&broker, BOB, uses_device_b, 0);
	client_is_there(&bob);
	client_goes_on(&alice);
	client_goes_on(&bob);
	client_ends_well(&alice);
	client_ends_well(&bob);
}

static void cannot_connect_to_a(struct guest *guest)
{
	must(guest_connects(guest, "sim:reg:a") == -EACCES);
}

static void is_let_into_b_by_nobody(struct guest *guest)
{
	int fd = guest_connects(guest, "sim:reg:b");
	struct vfiosafe_device *dev;

	must(fd >= 0);
	must(vfiosafe_join(&dev, fd, NULL) == -EOWNERDEAD);
}

static void nobody_has_the_device_of_another(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	client = client_start(&broker, BOB, cannot_connect_to_a, 0);
	client_ends_well(&client);
	client = client_start(&broker, ALICE, is_let_into_b_by_nobody, 0);
	broker_says(&broker, "event=refused device=sim:reg:b");
	client_ends_well(&client);
}

/* Not even for root, that may connect to everything. */
static void root_needs_a_line_too(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	client = client_start(&broker, 0, is_let_into_b_by_nobody, 0);
	broker_says(&broker, "uid=0 text=\"the policy has no line for this user\"");
	client_ends_well(&client);
}

struct agreed {
	unsigned int quiesced, came_back;
};

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct agreed *agreed = ctx;

	(void)dev;
	__atomic_add_fetch(&agreed->quiesced, 1, __ATOMIC_RELEASE);
	return 0;
}

static int come_back(struct vfiosafe_device *dev, void *ctx)
{
	struct agreed *agreed = ctx;

	(void)dev;
	__atomic_add_fetch(&agreed->came_back, 1, __ATOMIC_RELEASE);
	return 0;
}

/* Asked for each reset that goes on beside it; alice's does not touch bob's page. */
static void agrees_to_resets(struct guest *guest)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.quiesce = quiesce,
							.reinit = come_back };
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, MINE, 0x1000);
	struct agreed agreed = { 0 };
	struct vfiosafe_bar *bar;
	uint32_t value;

	must(vfiosafe_device_set_driver(dev, &ops, &agreed) == 0);
	must(vfiosafe_bar_map(&bar, dev, 0, 0, 0x1000, 0) == -EPERM);
	must(vfiosafe_write32(&view, 0, 0xb0b) == 0);
	guest_is_there(guest);
	guest_waits(guest);
	must(vfiosafe_wait(dev, vfiosafe_deadline_in_ms(60000)) == 0);
	must(__atomic_load_n(&agreed.quiesced, __ATOMIC_ACQUIRE) == 1);
	must(__atomic_load_n(&agreed.came_back, __ATOMIC_ACQUIRE) == 1);
	must(vfiosafe_read32(&view, 0, &value) == -ESTALE);
	must(vfiosafe_reset(dev, NULL) == -EPERM);
}

static void resets(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	uint64_t generation = vfiosafe_device_generation(dev);

	must(vfiosafe_reset(dev, NULL) == 0);
	must(vfiosafe_device_generation(dev) == generation + 1);
	guest_is_there(guest);
	guest_waits(guest);
}

static void a_reset_is_agreed_on_by_all(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, ONE_DEVICE);
	bob = client_start(&broker, BOB, agrees_to_resets, 0);
	client_is_there(&bob);
	alice = client_start(&broker, ALICE, resets, 0);
	client_is_there(&alice);
	client_goes_on(&bob);
	client_ends_well(&bob);
	client_goes_on(&alice);
	client_ends_well(&alice);
}

/* One joins, the other says nothing. */
static void fills_its_places(struct guest *guest)
{
	struct vfiosafe_device *dev;
	int fd;

	(void)guest_joins(guest, "sim:reg:a");
	must(guest_connects(guest, "sim:reg:a") >= 0);
	fd = guest_connects(guest, "sim:reg:a");
	must(fd >= 0);
	must(vfiosafe_join(&dev, fd, NULL) == -EOWNERDEAD);
	guest_is_there(guest);
	guest_waits(guest);
}

static void joins(struct guest *guest)
{
	(void)guest_joins(guest, "sim:reg:a");
}

static void a_user_has_no_more_clients_than_there_are_places(void **state)
{
	struct client_process alice, bob;

	(void)state;
	broker_start(&broker, "device sim:reg:a clients=2 dma_shared mode=0666\n"
			      "client user=40001 device=sim:reg:a bar=0 length=0x1000 "
			      "rights=read,write\n"
			      "client user=40002 device=sim:reg:a bar=0 offset=0x1000 "
			      "rights=read\n");
	alice = client_start(&broker, ALICE, fills_its_places, 0);
	broker_says(&broker, "as many clients as the policy allows");
	client_is_there(&alice);
	/* Nobody takes the places of others. */
	bob = client_start(&broker, BOB, joins, 0);
	client_ends_well(&bob);
	client_goes_on(&alice);
	client_ends_well(&alice);
	alice = client_start(&broker, ALICE, finds_nothing, 0);
	client_ends_well(&alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_broker(each_user_has_its_own_device),
		with_broker(nobody_has_the_device_of_another),
		with_broker(root_needs_a_line_too),
		with_broker(a_reset_is_agreed_on_by_all),
		with_broker(a_user_has_no_more_clients_than_there_are_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
