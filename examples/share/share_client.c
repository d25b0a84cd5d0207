/* SPDX-License-Identifier: MIT */
/*
 * share_client SOCKET [SECONDS] - reads a register of the device that share_owner owns,
 * through all of its resets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vfiosafe/vfiosafe.h>

/* Both hold what is written to them until the device is reset, in the simulated one. */
#define REGISTER 0x10

struct driver {
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t programmed;
};

/* This process's part of the device, at first and after each reset. */
static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct driver *driver = ctx;
	int rc = vfiosafe_bar_view(driver->bar, &driver->view);

	driver->programmed = (uint32_t)vfiosafe_device_generation(dev);
	return rc < 0 ? rc
		      : vfiosafe_write32(&driver->view, REGISTER, driver->programmed);
}

static int failed(const char *what)
{
	fprintf(stderr, "share_client: %s: %s\n", what, vfiosafe_error_text());
	return 1;
}

static int connect_to(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* Reads until time is up; counts what it read, and what it was kept from reading. */
static int run(struct vfiosafe_device *dev, struct driver *driver, int64_t end)
{
	unsigned long long good = 0, wrong = 0, windows = 0;
	int rc = 0;

	while (rc == 0 && vfiosafe_deadline_in_ms(0) < end) {
		uint32_t value;

		rc = vfiosafe_read32(&driver->view, REGISTER, &value);
		if (rc == 0) {
			good++;
			wrong += value != driver->programmed;
			continue;
		}
		windows++;
		rc = vfiosafe_wait(dev, end);
	}
	printf("%llu reads, %llu wrong, kept out %llu times, generation %llu\n", good, wrong,
	       windows, (unsigned long long)vfiosafe_device_generation(dev));
	return rc == 0 || rc == -ETIMEDOUT ? 0 : rc;
}

int main(int argc, char **argv)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };
	const struct vfiosafe_join_opts opts = { .size = sizeof(opts), .name = "share_client" };
	uint32_t seconds = argc > 2 ? (uint32_t)atol(argv[2]) : 10;
	struct driver driver = { 0 };
	struct vfiosafe_device *dev;
	int rc;

	if (argc < 2)
		return fprintf(stderr, "usage: share_client SOCKET [SECONDS]\n"), 2;
	if (vfiosafe_join(&dev, connect_to(argv[1]), &opts) < 0)
		return failed(argv[1]);
	if (vfiosafe_wait(dev, vfiosafe_deadline_in_ms(10000)) < 0 ||
	    vfiosafe_bar_map(&driver.bar, dev, 0, 0, 4096, 0) < 0 || reinit(dev, &driver) < 0 ||
	    vfiosafe_device_set_driver(dev, &ops, &driver) < 0 || vfiosafe_agent_start(dev) < 0)
		return failed("start");
	rc = run(dev, &driver, vfiosafe_deadline_in_ms(seconds * 1000));
	if (rc < 0)
		failed("the device");
	return vfiosafe_device_close(dev, 1000) < 0 || rc < 0 ? 1 : 0;
}
