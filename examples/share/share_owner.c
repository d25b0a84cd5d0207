/* SPDX-License-Identifier: MIT */
/*
 * share_owner DEVICE SOCKET [SECONDS] - owns a device, lets others read it, and resets it
 * every second.
 *
 * DEVICE is a PCI address, or "sim" for a device in software; SOCKET a path that does not
 * exist yet. On a second terminal, as often as you like: share_client SOCKET
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

static int failed(const char *what)
{
	fprintf(stderr, "share_owner: %s: %s\n", what, vfiosafe_error_text());
	return 1;
}

/* Only this user can connect: the socket lies in no other's reach. */
static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before = umask(0077);
	const int on = 1;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 16) < 0) {
		perror(path);
		exit(1);
	}
	umask(before);
	/* Those that it accepts inherit it: the kernel says whose their first message is. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int open_device(struct vfiosafe_device **dev, const char *name)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .address = "sim" };
	struct vfiosafe_sim *sim;

	if (strcmp(name, "sim") != 0)
		return vfiosafe_device_open(dev, name, NULL);
	if (vfiosafe_sim_open(&sim, "sim:reg", NULL) < 0)
		return -ENODEV;
	opts.sys = vfiosafe_sim_sys(sim);
	return vfiosafe_device_from_fd(dev, vfiosafe_sim_device_fd(sim), &opts);
}

/* Each may read the first page of BAR 0, write it, and ask for a reset. */
static void let_in(struct vfiosafe_device *dev, int listener)
{
	static const struct vfiosafe_grant_range page = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE,
		.len = 4096,
	};
	const struct vfiosafe_grant grant = {
		.size = sizeof(grant),
		.rights = VFIOSAFE_GRANT_RESET,
		.ranges = &page,
		.range_count = 1,
		.check_uid = true,
		.uid = getuid(),
	};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 && vfiosafe_share_serve(dev, fd, &grant) < 0) {
		failed("a client");
		close(fd);
	}
}

static void tell(struct vfiosafe_device *dev)
{
	struct vfiosafe_event event;

	while (vfiosafe_event_read(dev, &event, 1, sizeof(event)) == 1)
		if (event.type == VFIOSAFE_EVENT_PEER)
			printf("a client left: %s\n",
			       event.result ? strerror(-event.result) : "by itself");
}

static int64_t until(int64_t deadline)
{
	int64_t left = deadline - vfiosafe_deadline_in_ms(0);

	return left > 0 ? left / 1000000 + 1 : 0;
}

int main(int argc, char **argv)
{
	int64_t next = vfiosafe_deadline_in_ms(1000);
	long seconds = argc > 3 ? atol(argv[3]) : 60;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct pollfd fds[3];

	if (argc < 3)
		return fprintf(stderr, "usage: share_owner DEVICE SOCKET [SECONDS]\n"), 2;
	if (open_device(&dev, argv[1]) < 0 || vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0) < 0)
		return failed(argv[1]);
	fds[0] = (struct pollfd){ listen_at(argv[2]), POLLIN, 0 };
	fds[1] = (struct pollfd){ vfiosafe_event_fd(dev), POLLIN, 0 };
	while (seconds > 0) {
		/* The agent has an fd from the first client on. */
		fds[2] = (struct pollfd){ vfiosafe_agent_fd(dev), POLLIN, 0 };
		poll(fds, 3, (int)until(next));
		if (fds[0].revents)
			let_in(dev, fds[0].fd);
		vfiosafe_agent_dispatch(dev);
		tell(dev);
		if (until(next) > 0)
			continue;
		next = vfiosafe_deadline_in_ms(1000);
		seconds--;
		if (vfiosafe_reset(dev, NULL) < 0)
			failed("reset"); /* the text says which client was late, or why */
		printf("%s, generation %llu, %u clients\n",
		       vfiosafe_state_name(vfiosafe_device_state(dev)),
		       (unsigned long long)vfiosafe_device_generation(dev),
		       vfiosafe_share_count(dev));
	}
	unlink(argv[2]);
	return vfiosafe_device_close(dev, 1000) < 0 ? failed("close") : 0;
}
