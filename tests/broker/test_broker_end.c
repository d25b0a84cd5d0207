/* SPDX-License-Identifier: MIT */
/* A broker that does not start, is killed, or is told to end. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "guests.h"

/* @arg: what else it may be told, by a broker that closes the device before it goes. */
static void sees_its_broker_end(struct guest *guest)
{
	struct vfiosafe_device *dev = guest_joins(guest, "sim:reg:a");
	struct vfiosafe_view view = guest_maps(dev, 0, 0x1000);
	uint32_t value;
	int rc;

	guest_is_there(guest);
	guest_waits(guest);
	do
		rc = vfiosafe_read32(&view, HOLD, &value);
	while (rc == 0 || rc == -EAGAIN);
	must(rc == -EOWNERDEAD || rc == -(int)guest->arg);
	rc = vfiosafe_reset(dev, NULL);
	must(rc == -EOWNERDEAD || rc == -(int)guest->arg);
	must(vfiosafe_device_close(dev, 10000) == 0);
}

static void a_broker_that_was_killed_can_be_started_again(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	client = client_start(&broker, ALICE, sees_its_broker_end, 0);
	client_is_there(&client);
	broker_stop(&broker, SIGKILL);
	client_goes_on(&client);
	client_ends_well(&client);
	broker_start(&broker, TWO_DEVICES);
	client = client_start(&broker, ALICE, finds_nothing, 0);
	client_ends_well(&client);
	broker_says(&broker, "event=reset device=sim:reg:a");
	broker_says(&broker, "event=accepted device=sim:reg:a");
}

static void a_second_broker_does_not_take_the_place_of_one_that_runs(void **state)
{
	struct broker_process second = { 0 };
	struct client_process client;
	static char said[1 << 16];

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	memcpy(second.dir, broker.dir, sizeof(second.dir));
	assert_int_equal(broker_run_to_end(&second, TWO_DEVICES, said, sizeof(said)), 1);
	assert_non_null(strstr(said, "another broker listens there"));
	client = client_start(&broker, ALICE, finds_nothing, 0);
	client_ends_well(&client);
}

static void a_broker_that_is_told_to_ends_in_order(void **state)
{
	struct client_process client;
	char path[128];
	struct stat st;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	client = client_start(&broker, ALICE, sees_its_broker_end, ENODEV);
	client_is_there(&client);
	assert_int_equal(kill(broker.pid, SIGTERM), 0);
	broker_says(&broker, "event=closed device=sim:reg:a clients=1 result=0");
	broker_says(&broker, "event=exit result=0");
	client_goes_on(&client);
	client_ends_well(&client);
	assert_int_equal(broker_stop(&broker, 0), 0);
	snprintf(path, sizeof(path), "%s/sim:reg:a.sock", broker.dir);
	assert_int_equal(stat(path, &st), -1);
}

static void it_outlives_who_reads_its_log(void **state)
{
	struct client_process client;

	(void)state;
	broker_start(&broker, TWO_DEVICES);
	broker_says(&broker, "event=ready");
	close(broker.log_fd);
	broker.log_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		client = client_start(&broker, ALICE, finds_nothing, 0);
		client_ends_well(&client);
	}
	assert_int_equal(broker_stop(&broker, SIGTERM), 0);
}

static void is_refused(const char *policy, const char *why)
{
	static char said[1 << 16];

	assert_int_equal(broker_run_to_end(&broker, policy, said, sizeof(said)), 1);
	if (!strstr(said, why))
		fail_msg("'%s' instead of '%s'", said, why);
	assert_null(strstr(said, "event=ready"));
}

static void it_does_not_start_with_a_bad_policy(void **state)
{
	(void)state;
	is_refused("device sim:reg:a\nclient user=7\n", "/policy:2: a client needs user=");
	is_refused("device sim:none:a\n", "event=refused device=sim:none:a");
	is_refused("device sim:reg:a\n\n"
		   "client user=7 device=sim:reg:a bar=3 rights=read\n",
		   "/policy:3: sim:reg:a has no BAR 3");
	is_refused("device sim:reg:a\n"
		   "client user=7 device=sim:reg:a bar=0 offset=0xf000 length=0x1001 rights=read\n",
		   "/policy:2: 0xf000 + 0x1001 is beyond the end of BAR 0");
	is_refused("device sim:reg:a\n"
		   "client user=7 device=sim:reg:a bar=0 offset=0x10000 rights=read\n",
		   "/policy:2: 0x10000 + 0x0 is beyond the end of BAR 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_broker(a_broker_that_was_killed_can_be_started_again),
		with_broker(a_second_broker_does_not_take_the_place_of_one_that_runs),
		with_broker(a_broker_that_is_told_to_ends_in_order),
		with_broker(it_outlives_who_reads_its_log),
		with_broker(it_does_not_start_with_a_bad_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
