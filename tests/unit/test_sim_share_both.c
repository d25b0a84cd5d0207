/* SPDX-License-Identifier: MIT */
/* An owner of the simulated device and its clients, each with an agent, in one process. */
#include <sys/socket.h>
#include <vfiosafe/vfiosafe.h>

#include "sim_rig.h"

#define CLIENTS 4
#define RESETS 200

struct client {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view; /* of the callbacks */
	struct vfiosafe_view own;  /* of the thread that reads */
	pthread_t thread;
	uint64_t good, refused, wrong;
	int unexpected;
	unsigned int quiesces, resumes, reinits;
};

static struct vfiosafe_sim *sim;
static struct vfiosafe_device *owner;
static struct client client[CLIENTS];
static bool stop;
static uint64_t first_generation;

static int owner_reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev, (void)ctx;
	return 0;
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct client *c = ctx;
	uint32_t value;

	(void)dev;
	c->quiesces++;
	/* Its own registers still answer. */
	if (vfiosafe_read32(&c->view, VFIOSAFE_SIM_REG_ID, &value) != 0 ||
	    value != VFIOSAFE_SIM_ID) {
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
		fprintf(stderr, "in quiesce: %s\n", vfiosafe_error_text());
	}
	return 0;
}

static int resume(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	((struct client *)ctx)->resumes++;
	return 0;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct client *c = ctx;
	uint32_t value;
	int rc;

	(void)dev;
	c->reinits++;
	rc = vfiosafe_bar_view(c->bar, &c->view);
	if (rc == 0)
		rc = vfiosafe_read32(&c->view, VFIOSAFE_SIM_REG_ID, &value);
	return rc;
}

static void use_once(struct client *c, uint64_t slot)
{
	/* That of the view, as the store says it. */
	uint64_t generation = (c->own.device_value & ~(UINT64_C(1) << 63)) >> 8;
	uint32_t value = 0;
	int rc;

	rc = vfiosafe_read32(&c->own, VFIOSAFE_SIM_REG_ID, &value);
	if (rc == 0 && value != VFIOSAFE_SIM_ID)
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
	if (rc == 0)
		rc = vfiosafe_write64(&c->own, VFIOSAFE_SIM_REG_LOG + slot * 8,
				      (generation - first_generation) << 32 | (slot + 1));
	if (rc == 0)
		c->good++;
	else if (rc == -EAGAIN || rc == -ESTALE)
		c->refused++;
	else if (!c->unexpected) {
		c->unexpected = rc;
		fprintf(stderr, "unexpected %d: %s\n", rc, vfiosafe_error_text());
	}
	if (rc == -EAGAIN)
		(void)!vfiosafe_wait(c->dev, vfiosafe_deadline_in_ms(1000));
	if (rc == -ESTALE)
		(void)!vfiosafe_bar_view(c->bar, &c->own);
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		use_once(c, (uint64_t)(c - client));
	return NULL;
}

static void join_one(struct client *c, uint32_t rights)
{
	const struct vfiosafe_driver_ops ops = {
		.size = sizeof(ops), .quiesce = quiesce, .resume = resume, .reinit = reinit
	};
	const struct vfiosafe_grant_range range = {
		.bar = 0, .rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE
	};
	const struct vfiosafe_grant grant = { .size = sizeof(grant),
					      .rights = rights,
					      .range_count = 1,
					      .ranges = &range,
					      .reset_interval_ms = 1 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(vfiosafe_share_serve(owner, fds[0], &grant), 0);
	assert_int_equal(vfiosafe_agent_start(owner), 0);
	assert_int_equal(vfiosafe_join(&c->dev, fds[1], NULL), 0);
	assert_int_equal(vfiosafe_device_set_driver(c->dev, &ops, c), 0);
	assert_int_equal(vfiosafe_agent_start(c->dev), 0);
	assert_int_equal(vfiosafe_bar_map(&c->bar, c->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_bar_view(c->bar, &c->view), 0);
	assert_int_equal(vfiosafe_bar_view(c->bar, &c->own), 0);
}

static int setup(void **state)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .window_us = 100 };
	struct vfiosafe_device_opts dopts = { .size = sizeof(dopts) };
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = owner_reinit };

	(void)state;
	memset(client, 0, sizeof(client));
	stop = false;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &opts), 0);
	dopts.sys = vfiosafe_sim_sys(sim);
	assert_int_equal(vfiosafe_device_from_fd(&owner, vfiosafe_sim_device_fd(sim), &dopts), 0);
	assert_int_equal(vfiosafe_device_set_driver(owner, &ops, NULL), 0);
	first_generation = vfiosafe_device_generation(owner);
	for (int i = 0; i < CLIENTS; i++)
		join_one(&client[i], VFIOSAFE_GRANT_RESET);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(vfiosafe_device_close(client[i].dev, 2000), 0);
	assert_int_equal(vfiosafe_device_close(owner, 2000), 0);
	vfiosafe_sim_close(sim);
	return 0;
}

static void check(unsigned int min)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(sim, &counts);
	assert_int_equal(counts.foreign_stores, 0);
	for (int i = 0; i < CLIENTS; i++) {
		print_message("client %d: good %llu refused %llu wrong %llu quiesce %u resume %u "
			      "reinit %u\n",
			      i, (unsigned long long)client[i].good,
			      (unsigned long long)client[i].refused,
			      (unsigned long long)client[i].wrong, client[i].quiesces,
			      client[i].resumes, client[i].reinits);
		assert_int_equal(client[i].wrong, 0);
		assert_int_equal(client[i].unexpected, 0);
		assert_true(client[i].good > 0);
		assert_true(client[i].reinits >= min);
		assert_int_equal(client[i].quiesces, client[i].reinits + client[i].resumes);
	}
}

static void start_all(void)
{
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&client[i].thread, NULL, client_main, &client[i]),
				 0);
}

static void stop_all(void)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(client[i].thread, NULL);
}

static void resets_by_the_owner_under_load(void **state)
{
	(void)state;
	start_all();
	for (int i = 0; i < RESETS; i++) {
		int rc = vfiosafe_reset(owner, NULL);

		if (rc)
			print_message("%s\n", vfiosafe_error_text());
		assert_int_equal(rc, 0);
	}
	stop_all();
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(vfiosafe_wait(client[i].dev, vfiosafe_deadline_in_ms(2000)), 0);
	/* A window that begins before a driver is back finds it quiesced. */
	check(1);
}

static void resets_asked_for_by_clients_under_load(void **state)
{
	int done = 0;

	(void)state;
	start_all();
	/* One that comes too soon after the last is refused: how many, is the machine's. */
	for (int i = 0; i < RESETS || done < RESETS / 4; i++) {
		int rc = vfiosafe_reset(client[i % CLIENTS].dev, NULL);

		if (rc != -EBUSY && rc != 0)
			print_message("%d: %s\n", rc, vfiosafe_error_text());
		assert_true(rc == 0 || rc == -EBUSY);
		done += rc == 0;
	}
	stop_all();
	print_message("%d resets done\n", done);
	check(1);
}

static void fault_of_the_owner_and_recover_by_a_client(void **state)
{
	uint32_t value;

	(void)state;
	assert_int_equal(vfiosafe_mark_lost(owner, "test"), 0);
	assert_int_equal(vfiosafe_read32(&client[0].own, 0, &value), -EIO);
	assert_int_equal(vfiosafe_recover(client[0].dev, NULL), 0);
	assert_int_equal(vfiosafe_bar_view(client[0].bar, &client[0].own), 0);
	assert_int_equal(vfiosafe_read32(&client[0].own, 0, &value), 0);
	assert_int_equal(value, VFIOSAFE_SIM_ID);
	/* ONES is a legitimate value: the owner says that the device is alive. */
	assert_int_equal(vfiosafe_read32(&client[0].own, VFIOSAFE_SIM_REG_ONES, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(vfiosafe_probe(client[0].dev), 0);
	assert_int_equal(vfiosafe_mark_lost(client[1].dev, "a client says so"), 0);
	assert_int_equal(vfiosafe_read32(&client[0].own, 0, &value), -EIO);
	assert_int_equal(vfiosafe_recover(owner, NULL), 0);
	assert_int_equal(vfiosafe_wait(client[0].dev, vfiosafe_deadline_in_ms(2000)), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(resets_by_the_owner_under_load),
		TEST(resets_asked_for_by_clients_under_load),
		TEST(fault_of_the_owner_and_recover_by_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
