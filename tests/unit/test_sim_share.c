/* SPDX-License-Identifier: MIT */
/*
 * An owner and its clients on the simulated device, all of them libraries, with an agent
 * each: what clients read, by the owner's calls or a dma-buf, is of their generation, and
 * so is what they store.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../torture/rig.h"

#define CLIENTS 4
#define RESETS 300
#define MINE(c) (0x9000 + 4 * (uint64_t)(c)->index)
#define SLOT(c) (VFIOSAFE_SIM_REG_LOG + 8 * (uint64_t)(c)->index)

struct client {
	unsigned int index;
	int sock;
	bool asks;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t want;
	uint64_t generation;
	pthread_mutex_t lock; /* of what reinit renews */
	pthread_t thread;
	bool stop;
	unsigned int reads, wrong, writes, refused, reinits, resets, odd;
	int odd_rc;
	char odd_text[256];
};

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct client *c = ctx;
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = vfiosafe_bar_view(c->bar, &c->view);
	if (rc == 0) {
		c->generation = vfiosafe_device_generation(dev) - 1;
		c->want = RIG_MAGIC | (uint32_t)(c->generation & 0xffffff);
		rc = vfiosafe_write32(&c->view, MINE(c), c->want);
		c->reinits++;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static void note_odd(struct client *c, int rc)
{
	if (rc == 0 || rc == -EAGAIN || rc == -ESTALE) {
		c->refused += rc != 0;
		return;
	}
	c->odd++;
	c->odd_rc = rc;
	strncpy(c->odd_text, vfiosafe_error_text(), sizeof(c->odd_text) - 1);
}

static void access_once(struct client *c)
{
	struct vfiosafe_view view;
	uint64_t generation;
	uint32_t value = 0, want;
	int rc;

	pthread_mutex_lock(&c->lock);
	view = c->view;
	want = c->want;
	generation = c->generation;
	pthread_mutex_unlock(&c->lock);
	rc = vfiosafe_read32(&view, MINE(c), &value);
	if (rc == 0) {
		c->reads++;
		c->wrong += value != want;
	}
	note_odd(c, rc);
	rc = vfiosafe_write64(&view, SLOT(c), generation << 32 | 1);
	c->writes += rc == 0;
	note_odd(c, rc);
	if (rc != 0)
		note_odd(c, vfiosafe_wait(c->dev, vfiosafe_deadline_in_ms(10000)));
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		access_once(c);
		if (c->asks && c->reads % 64 == 0) {
			int rc = vfiosafe_reset(c->dev, NULL);

			c->resets += rc == 0;
			if (rc != -EBUSY)
				note_odd(c, rc);
		}
	}
	return NULL;
}

struct joiner {
	pthread_t thread;
	struct client *c;
	int rc;
};

static void *join_main(void *arg)
{
	struct joiner *j = arg;

	j->rc = vfiosafe_join(&j->c->dev, j->c->sock, NULL);
	return NULL;
}

static void client_start(struct client *c, struct rig *rig, unsigned int index)
{
	const struct vfiosafe_grant_range ranges[] = {
		{ .bar = 0, .rights = 3, .offset = 0, .len = 0 },
	};
	struct vfiosafe_grant grant = { .size = sizeof(grant),
					.rights = VFIOSAFE_GRANT_RESET |
						  (index < 2 ? VFIOSAFE_GRANT_CALLS_ONLY : 0),
					.range_count = 1,
					.ranges = ranges,
					.reset_interval_ms = 1 };
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	struct joiner joiner = { .c = c };
	int fds[2];

	memset(c, 0, sizeof(*c));
	c->index = index;
	c->asks = index % 2;
	pthread_mutex_init(&c->lock, NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	c->sock = fds[1];
	assert_int_equal(vfiosafe_share_serve(rig->dev, fds[0], &grant), 0);
	assert_int_equal(vfiosafe_agent_start(rig->dev), 0);
	assert_int_equal(pthread_create(&joiner.thread, NULL, join_main, &joiner), 0);
	pthread_join(joiner.thread, NULL);
	assert_int_equal(joiner.rc, 0);
	assert_int_equal(vfiosafe_bar_map(&c->bar, c->dev, 0, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_agent_start(c->dev), 0);
	/* Others have their resets already. */
	while (vfiosafe_device_set_driver(c->dev, &ops, c) == -EBUSY)
		assert_int_equal(vfiosafe_wait(c->dev, vfiosafe_deadline_in_ms(10000)), 0);
	while (reinit(c->dev, c) != 0)
		assert_int_equal(vfiosafe_wait(c->dev, vfiosafe_deadline_in_ms(10000)), 0);
	assert_int_equal(pthread_create(&c->thread, NULL, client_main, c), 0);
}

static void client_stop(struct client *c)
{
	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	pthread_join(c->thread, NULL);
	assert_int_equal(vfiosafe_device_close(c->dev, 5000), 0);
	pthread_mutex_destroy(&c->lock);
	print_message("client %u: %u reads, %u writes, %u refused, %u reinits, %u resets; "
		      "%u wrong; %u odd (%d %s)\n",
		      c->index, c->reads, c->writes, c->refused, c->reinits, c->resets,
		      c->wrong, c->odd, c->odd_rc, c->odd_text);
}

static void values_and_stores_are_of_one_generation(void **state)
{
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts),
					  .window = VFIOSAFE_SIM_MIXED,
					  .window_us = 200 };
	struct client client[CLIENTS];
	struct vfiosafe_sim_counts counts;
	struct rig rig;
	unsigned int done = 0;

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig_open(&rig, &opts);
	for (unsigned int i = 0; i < CLIENTS; i++)
		client_start(&client[i], &rig, i);
	for (unsigned int i = 0; i < RESETS; i++) {
		int rc = vfiosafe_reset(rig.dev, NULL);

		if (rc != 0)
			print_message("reset %u: %d %s\n", i, rc, vfiosafe_error_text());
		done += rc == 0;
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		client_stop(&client[i]);
	vfiosafe_sim_counts(rig.sim, &counts);
	print_message("%u resets of the owner; generation %llu; %llu foreign stores\n", done,
		      (unsigned long long)vfiosafe_device_generation(rig.dev),
		      (unsigned long long)counts.foreign_stores);
	rig_close(&rig);
	assert_int_equal(done, RESETS);
	assert_int_equal(counts.foreign_stores, 0);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		assert_int_equal(client[i].wrong, 0);
		assert_int_equal(client[i].odd, 0);
		assert_true(client[i].reads > 0 && client[i].writes > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_stores_are_of_one_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
