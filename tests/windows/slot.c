/* SPDX-License-Identifier: MIT */
/* slot.c - Slot Control of a PCI Express port, through its file in sysfs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <unistd.h>

#include "bed.h"
#include "rig.h"

#define OFF (PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF)
#define INTERRUPTS \
	(PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_HPIE)

/* Where Slot Control is in the open config file; 0 on failure. */
static uint8_t slot_control(int fd)
{
	uint8_t at = 0, link[2] = { 0 };

	if (pread(fd, &at, 1, PCI_CAPABILITY_LIST) != 1)
		return 0;
	while (at && pread(fd, link, 2, at) == 2 && link[0] != PCI_CAP_ID_EXP)
		at = link[1];
	return at ? (uint8_t)(at + PCI_EXP_SLTCTL) : 0;
}

static int slot_open(const char *port_address, uint8_t *at)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", port_address);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*at = slot_control(fd);
	if (*at)
		return fd;
	close(fd);
	return -ENOENT;
}

static int set(int fd, uint8_t at, uint16_t clear, uint16_t bits)
{
	uint16_t value = 0;

	if (pread(fd, &value, sizeof(value), at) != sizeof(value))
		return -EIO;
	value = (uint16_t)((value & ~clear) | bits);
	return pwrite(fd, &value, sizeof(value), at) == sizeof(value) ? 0 : -EIO;
}

/*
 * QEMU unplugs what is in a slot when power and indicator go off. The kernel's driver
 * must not look before power is on again: what it finds in a slot without power it
 * takes for removed already. Where there is a button it does not listen for presence.
 */
int slot_pull_out(const char *port_address)
{
	uint8_t at = 0;
	int fd = slot_open(port_address, &at), rc;

	if (fd < 0)
		return fd;
	rc = set(fd, at, INTERRUPTS, OFF);
	if (rc == 0)
		rc = set(fd, at, OFF, INTERRUPTS | PCI_EXP_SLTCTL_PWR_IND_ON);
	close(fd);
	return rc;
}

int slot_await_off(const char *port_address)
{
	int64_t deadline = vfiosafe_deadline_in_ms(PATIENCE_MS);
	uint8_t at = 0;
	int fd = slot_open(port_address, &at), rc = -EAGAIN;
	uint16_t value = 0;

	if (fd < 0)
		return fd;
	while (rc == -EAGAIN) {
		if (pread(fd, &value, sizeof(value), at) != sizeof(value))
			rc = -EIO;
		else if ((value & OFF) == OFF)
			rc = 0;
		else if (now_ns() > deadline)
			rc = -ETIMEDOUT;
		else
			take_a_breath();
	}
	close(fd);
	return rc;
}
