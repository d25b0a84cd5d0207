/* SPDX-License-Identifier: MIT */
/*
 * strike.c - what happens to the devices: resets, and every fifth time that somebody else
 * turns memory decode off, and on again.
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "job.h"

#define HAND_NS                                                                          \
	200000000 /* so long decode is off where nobody tells that it was seen           \
		   */

int64_t job_now(void)
{
	return vfiosafe_deadline_in_ms(0);
}

void job_nap(int64_t ns)
{
	struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static int decode(int fd, bool on)
{
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint16_t command;
	off_t at;

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return -errno;
	at = (off_t)config.offset + PCI_COMMAND;
	if (pread(fd, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	command = le16toh(command) & (uint16_t)~PCI_COMMAND_MEMORY;
	command = htole16(command | (on ? PCI_COMMAND_MEMORY : 0));
	return pwrite(fd, &command, sizeof(command), at) == sizeof(command) ? 0 : -EIO;
}

/* Until the data path has touched the device; by hand that may be its end. */
static int await_loss(const struct job *job, const struct port *port, unsigned int before)
{
	int64_t end = job_now() + (port->guarded ? job->options->silent_ns : HAND_NS);

	while (__atomic_load_n(&port->lost, __ATOMIC_ACQUIRE) == before) {
		if (job_now() > end)
			return port->guarded ? -ETIMEDOUT : 0;
		job_nap(1000000);
	}
	return 0;
}

/* The poll-mode driver takes long to stop and start where processors are emulated. */
static const struct vfiosafe_reset_opts patient = { .size = sizeof(patient),
						    .timeout_ms = 60000 };

static int reset(const struct port *port)
{
	if (port->guarded)
		return vfiosafe_reset(port->dev, &patient);
	return ioctl(port->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
}

/* Nobody tells the library; by hand, when @also_reset, it is reset while decode is off.
 */
static int behind(const struct job *job, struct port *port, bool also_reset)
{
	unsigned int before = __atomic_load_n(&port->lost, __ATOMIC_ACQUIRE);
	int rc = decode(port->fd, false);

	if (rc == 0)
		rc = await_loss(job, port, before);
	if (rc == 0 && also_reset)
		rc = reset(port);
	if (rc == 0)
		rc = decode(port->fd, true);
	return rc < 0 || !port->guarded ? rc : vfiosafe_recover(port->dev, &patient);
}

/* DPDK's handler waits until decode is on again: three times that, then with a reset. */
bool strike(struct job *job, unsigned int number)
{
	struct port *port = &job->port[number % 2];
	bool also_reset = job->kind == JOB_HANDLER && number == 3;
	bool decode_off =
		job->kind == JOB_ADOPTED ? number % 6 == 5 : job->kind != JOB_HAND_RESET;
	int rc = decode_off ? behind(job, port, also_reset) : reset(port);

	if (rc < 0)
		fprintf(stderr, "adopt_dpdk: %s: %s: %s\n", port->address,
			decode_off ? "decode off and on" : "reset",
			port->guarded ? vfiosafe_error_text() : strerror(-rc));
	job->result->losses += rc == 0 && decode_off;
	job->result->resets += rc == 0 && (!decode_off || also_reset);
	return rc == 0;
}
