/* SPDX-License-Identifier: MIT */
/* Clients that die, leave, or never say a word: what is left of them, which is nothing. */
#include <unistd.h>

#include "raw.h"

static void nothing_is_left_of_a_client_that_was_killed(const char *policy)
{
	struct client_process client;

	broker_start(&broker, policy);
	for (int i = 0; i < 10; i++) {
		client = client_start(&broker, ALICE, writes_and_stays, 0);
		client_is_there(&client);
		client_killed(&client);
		client = client_start(&broker, ALICE, finds_nothing, 0);
		client_ends_well(&client);
	}
}

static void nothing_is_left_of_a_client_that_had_a_dma_buf(void **state)
{
	(void)state;
	nothing_is_left_of_a_client_that_was_killed(TWO_DEVICES);
}

static void nothing_is_left_of_a_client_that_called(void **state)
{
	(void)state;
	nothing_is_left_of_a_client_that_was_killed(
		"device sim:reg:a\n"
		"client user=40001 device=sim:reg:a bar=0 rights=read,write,calls-only\n");
}

static void nothing_is_left_of_a_client_that_left(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	client = client_start(&broker, ALICE, writes_and_stays, 0);
	client_is_there(&client);
	client_goes_on(&client);
	client_ends_well(&client);
	client = client_start(&broker, ALICE, finds_nothing, 0);
	client_ends_well(&client);
}

static void sees_generation(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");

	must(vfiosafe_device_generation(dev) == guest->arg);
}

/* So that the others go on: no reset for who cannot have changed anything. */
static void who_only_reads_leaves_without_a_reset(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker,
		     "device sim:reg:a dma_shared mode=0666\n"
		     "client user=40001 device=sim:reg:a bar=0 length=0x1000 rights=read\n"
		     "client user=40002 device=sim:reg:a bar=0 offset=0x9000 rights=write\n");
	for (int i = 0; i < 3; i++) {
		client = client_start(&broker, ALICE, sees_generation, 2);
		client_ends_well(&client);
		broker_says(&broker, "event=left");
	}
	client = client_start(&broker, BOB, sees_generation, 2);
	client_ends_well(&client);
	client = client_start(&broker, ALICE, sees_generation, 3);
	client_ends_well(&client);
}

/* Its connection is closed; what it has mapped, nobody can take from it. */
static void goes_and_keeps_the_device(struct guest *guest)
{
	struct ends ends = joins_raw(guest);

	must(ends.range >= 0);
	close(ends.sock);
	guest_is_there(guest);
	guest_waits(guest);
}

static void nobody_is_let_in_while_one_that_left_may_reach_the_device(void **state)
{
	struct client_process gone, next;

	(void)state;
	broker_start(&broker, "device sim:reg:a reset-timeout-ms=50\n"
			      "client user=40001 device=sim:reg:a bar=0 rights=read,write\n");
	gone = client_start(&broker, ALICE, goes_and_keeps_the_device, 0);
	client_is_there(&gone);
	broker_says(&broker, "event=left");
	next = client_start(&broker, ALICE, finds_nothing, 0);
	broker_says_first(&broker, "event=reset-failed device=sim:reg:a tries=1",
			  "event=accepted");
	broker_says_first(&broker, "event=reset-failed device=sim:reg:a tries=3",
			  "event=accepted");
	client_killed(&gone);
	broker_says_first(&broker, "event=reset device=sim:reg:a", "event=accepted");
	broker_says(&broker, "event=accepted");
	client_ends_well(&next);
}

/* One that may be killed is: by the reset by force, the second that is tried. */
static void who_may_be_killed_does_not_keep_the_device(void **state)
{
	struct client_process gone, next;

	(void)state;
	broker_start(&broker,
		     "device sim:reg:a reset-timeout-ms=50\n"
		     "client user=40001 device=sim:reg:a bar=0 rights=read,write,kill\n");
	gone = client_start(&broker, ALICE, goes_and_keeps_the_device, 0);
	client_is_there(&gone);
	broker_says(&broker, "event=left");
	next = client_start(&broker, ALICE, finds_nothing, 0);
	client_ends_well(&next);
	client_killed(&gone);
}

static void connects_and_goes(struct guest *guest)
{
	int fd = guest_connects(guest, "sim:reg:a");

	must(fd >= 0);
	close(fd);
}

static void joins_and_goes(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);

	must(vfiosafe_write32(&view, HOLD, 1) == 0);
	if (guest->arg)
		must(vfiosafe_device_close(dev, 10000) == 0);
}

static void comes_and_goes(void (*run)(struct guest *guest), uint64_t arg)
{
	struct client_process client = client_start(&broker, ALICE, run, arg);

	client_ends_well(&client);
	broker_says(&broker, "event=left");
	broker_says(&broker, "event=reset ");
}

static void no_fd_is_left_of_any_client(void **state)
{
	unsigned int before;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	comes_and_goes(joins_and_goes, 0);
	before = broker_fds(&broker);
	for (int i = 0; i < 20; i++) {
		comes_and_goes(joins_and_goes, i % 2);
		comes_and_goes(connects_and_goes, 0);
	}
	assert_int_equal(broker_fds(&broker), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_broker(nothing_is_left_of_a_client_that_had_a_dma_buf),
		with_broker(nothing_is_left_of_a_client_that_called),
		with_broker(nothing_is_left_of_a_client_that_left),
		with_broker(who_only_reads_leaves_without_a_reset),
		with_broker(nobody_is_let_in_while_one_that_left_may_reach_the_device),
		with_broker(who_may_be_killed_does_not_keep_the_device),
		with_broker(no_fd_is_left_of_any_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
