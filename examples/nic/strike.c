/* SPDX-License-Identifier: MIT */
/*
 * strike.c - what happens to the devices: resets, and every tenth time of each that
 * somebody else turns its memory decode off, and on again.
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <time.h>
#include "job.h"

int64_t job_now(void)
{
	return vfiosafe_deadline_in_ms(0);
}

void job_nap(int64_t ns)
{
	struct timespec time = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* By hand: nobody stops, nobody waits. */
static int raw_reset(const struct job *job, const struct vfiosafe_sys *sys, struct nic *nic)
{
	int rc;

	do
		rc = sys->ioctl(sys->ctx, vfiosafe_device_fd(nic->dev), VFIO_DEVICE_RESET,
				NULL);
	while (rc == -EAGAIN);
	return rc == 0 && job->guard == JOB_RAW_AGAIN ? nic_program(nic) : rc;
}

static int decode(const struct vfiosafe_sys *sys, int fd, bool on)
{
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	uint16_t command;
	int rc = sys->ioctl(sys->ctx, fd, VFIO_DEVICE_GET_REGION_INFO, &config);

	if (rc < 0)
		return rc;
	config.offset += PCI_COMMAND;
	if (sys->pread(sys->ctx, fd, &command, sizeof(command), config.offset) !=
	    sizeof(command))
		return -EIO;
	command = le16toh(command) & (uint16_t)~PCI_COMMAND_MEMORY;
	command = htole16(command | (on ? PCI_COMMAND_MEMORY : 0));
	return sys->pwrite(sys->ctx, fd, &command, sizeof(command), config.offset) ==
			       sizeof(command)
		       ? 0
		       : -EIO;
}

/* Until the thread that polls has touched the device; by hand that is its end. */
static int await_loss(const struct nic *nic, unsigned int before, int64_t silent_ns)
{
	int64_t end = job_now() + silent_ns;

	while (__atomic_load_n(&nic->lost, __ATOMIC_ACQUIRE) == before) {
		if (job_now() > end)
			return -ETIMEDOUT;
		job_nap(1000000);
	}
	return 0;
}

/* Nobody tells the library. */
static int behind(const struct vfiosafe_sys *sys, struct nic *nic, int64_t silent_ns)
{
	unsigned int before = __atomic_load_n(&nic->lost, __ATOMIC_ACQUIRE);
	int fd = sys->dup(sys->ctx, vfiosafe_device_fd(nic->dev));
	int rc = fd < 0 ? fd : decode(sys, fd, false);

	if (rc == 0)
		rc = await_loss(nic, before, silent_ns);
	if (rc == 0)
		rc = decode(sys, fd, true);
	if (fd >= 0)
		sys->close(sys->ctx, fd);
	return rc < 0 ? rc : vfiosafe_recover(nic->dev, NULL);
}

bool strike(struct job *job, unsigned int number)
{
	const struct vfiosafe_sys *sys = job->sys[number % 2];
	struct nic *nic = &job->nic[number % 2];
	bool decode_off = number / 2 % 10 == 9;
	int64_t start = job_now();
	int rc;

	if (decode_off)
		rc = behind(sys, nic, job->options->silent_ns);
	else if (job->guard == JOB_GUARDED)
		rc = vfiosafe_reset(nic->dev, NULL);
	else
		rc = raw_reset(job, sys, nic);
	if (decode_off) {
		job->result->losses[number % 2] += rc == 0;
	} else {
		job->result->reset_ns += job_now() - start;
		job->result->resets[number % 2] += rc == 0;
	}
	return rc == 0;
}
