/* SPDX-License-Identifier: MIT */
/* What happened before somebody is let in: all of it is heard, however much it is. */
#include <sys/socket.h>
#include <unistd.h>
#include <vfiosafe/sys.h>

#include "broker.h"
#include "rig.h"

/* More ends than a queue of events has places for, but of each round only a few. */
#define CLIENTS (VFIOSAFE_EVENTS_MAX + 6)
#define A_LOOK 5

static struct policy_device line = { .name = "sim:reg" };
static struct device device;
static struct broker broker = { .policy = { .device = &line, .devices = 1 },
				.device = &device };
static const struct vfiosafe_sys *below;
static int ends[CLIENTS];
static unsigned int left; /* have not hung up */

static void hang_up(unsigned int how_many)
{
	while (left > 0 && how_many-- > 0)
		close(ends[--left]);
}

/* Who has looked, and found nothing, finds some in the next round. */
static int epoll_wait_and_go(void *ctx, int epoll_fd, int *fds, unsigned int count,
			     int64_t deadline)
{
	int n = below->epoll_wait(ctx, epoll_fd, fds, count, deadline);

	if (n == 0)
		hang_up(A_LOOK);
	return n;
}

static int open_it(void **state)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .sys = &device.sys };

	(void)state;
	device = (struct device){ .policy = &line, .listener = -1 };
	assert_int_equal(vfiosafe_sim_open(&device.sim, "sim:reg", NULL), 0);
	below = vfiosafe_sim_sys(device.sim);
	device.sys = *below;
	device.sys.epoll_wait = epoll_wait_and_go;
	return vfiosafe_device_open(&device.dev, vfiosafe_sim_address(device.sim), &opts);
}

static int close_it(void **state)
{
	(void)state;
	hang_up(CLIENTS);
	device_close(&broker, &device);
	return 0;
}

static void comes(void)
{
	const struct vfiosafe_grant grant = { .size = sizeof(grant),
					      .cookie = ++broker.cookies };
	struct client *client = calloc(1, sizeof(*client));
	int fds[2];

	assert_non_null(client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(vfiosafe_share_serve(device.dev, fds[0], &grant), 0);
	ends[left++] = fds[1];
	client->cookie = grant.cookie;
	client->writes = true;
	client->next = device.clients;
	device.clients = client;
	device.count++;
	device.served = true;
}

static void no_end_of_a_client_is_lost(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		comes();
	hang_up(A_LOOK);
	device_settle(&broker, &device);
	device_events(&broker, &device);
	assert_int_equal(left, 0);
	assert_int_equal(device.count, 0);
	assert_null(device.clients);
	assert_true(device.due);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_end_of_a_client_is_lost, open_it, close_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
