/* SPDX-License-Identifier: MIT */
/* Asking a device that returned all-ones whether it is there. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "door.h"
#include "error.h"
#include "fault.h"
#include "join.h"
#include "section.h"

#define PCI_COMMAND_PORTS 0x1
#define PCI_BAR0 0x10
#define PCI_BAR_IS_PORTS 0x1

#define count(counter) ((void)__atomic_fetch_add(&(counter), 1, __ATOMIC_RELAXED))
#define counted(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)

/* Is it a virtual function? A name that is no address, or a hidden sysfs: not known. */
static int learn_vf(struct vfiosafe_device *dev)
{
	char address[sizeof(dev->address)], path[96], target[64];
	int rc;

	if (vsf_address_parse(dev->address, address, sizeof(address)) < 0)
		return 0;
	snprintf(path, sizeof(path), VSF_SYSFS_DEVICES "/%s/physfn", address);
	rc = vsf_sysfs_link(dev->sys, path, target, sizeof(target));
	dev->probe.is_vf = rc == 0;
	if (rc == 0 || rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES || rc == -EPERM)
		return 0;
	return vsf_fail(-rc, "cannot read %s: %s", path, strerror(-rc));
}

int vsf_probe_learn(struct vfiosafe_device *dev)
{
	uint32_t bar = 0;
	int rc = 0;

	for (unsigned int i = 0; i < VSF_BARS && rc == 0; i++) {
		if (dev->region[i].info.len == 0)
			continue;
		rc = vsf_config_read(dev, (uint16_t)(PCI_BAR0 + 4 * i), &bar,
				     sizeof(bar));
		if (rc == 0 && (le32toh(bar) & PCI_BAR_IS_PORTS))
			dev->probe.port_bars |= (uint8_t)(1u << i);
	}
	if (rc < 0)
		return vsf_fail(-rc, "cannot read the BARs of %s: %s", dev->address,
				strerror(-rc));
	return learn_vf(dev);
}

void vsf_verdict_lost(struct vsf_verdict *verdict, enum vsf_witness witness,
		      enum vfiosafe_cause cause, const char *why)
{
	verdict->err = EIO;
	verdict->witness = witness;
	verdict->cause = cause;
	snprintf(verdict->why, sizeof(verdict->why), "%s", why);
}

static void dead(struct vsf_verdict *verdict, enum vsf_witness witness, const char *why)
{
	vsf_verdict_lost(verdict, witness, VFIOSAFE_CAUSE_DEAD, why);
}

/* The kernel's words for a device that its bus does not reach, and config.h's. */
static bool is_unreachable(int rc)
{
	return rc == -EIO || rc == -ENODEV || rc == -ENXIO;
}

static void not_read(struct vsf_verdict *verdict, int rc, const char *what)
{
	char why[sizeof(verdict->why)];

	snprintf(why, sizeof(why), "%s cannot be read: %s", what, strerror(-rc));
	dead(verdict, VSF_SAYS_CONFIG, why);
	if (!is_unreachable(rc))
		verdict->err = -rc;
}

/* The bit of COMMAND without which the read, or every read, gets all-ones. */
static uint32_t decode_bit(const struct vfiosafe_device *dev,
			   const struct vfiosafe_bar *bar)
{
	unsigned int memory = 0;

	for (unsigned int i = 0; i < VSF_BARS; i++)
		if (dev->region[i].info.len > 0)
			memory |= ~(unsigned int)dev->probe.port_bars & 1u << i;
	if (bar)
		memory &= 1u << bar->index;
	return memory ? VSF_PCI_COMMAND_MEMORY : PCI_COMMAND_PORTS;
}

/* Hardware-backed: the identifiers and BARs that VFIO shows prove nothing. */
static void ask_config(const struct vfiosafe_device *dev, const struct vfiosafe_bar *bar,
		       struct vsf_verdict *verdict)
{
	uint32_t dword = 0;
	int rc = vsf_config_read(dev, VSF_PCI_COMMAND, &dword, sizeof(dword));

	if (rc < 0)
		return not_read(verdict, rc, "COMMAND");
	/* INTx disable is VFIO's own. */
	if ((le32toh(dword) | VSF_PCI_COMMAND_INTX_OFF) == UINT32_MAX)
		return dead(
			verdict, VSF_SAYS_CONFIG,
			"COMMAND and STATUS read all-ones: the device does not answer");
	if (!dev->probe.is_vf && !(le32toh(dword) & decode_bit(dev, bar)))
		return dead(verdict, VSF_SAYS_DECODE,
			    "the decode of its BARs was turned off behind the library");
	rc = vsf_config_power_state(dev);
	if (rc < 0)
		return not_read(verdict, rc, "the power state");
	if (rc > 0)
		dead(verdict, VSF_SAYS_POWER, "it was put to sleep behind the library");
}

void vsf_classify(struct vfiosafe_device *dev, const struct vfiosafe_bar *bar,
		  struct vsf_verdict *verdict)
{
	/* After the load that is to be judged; the sentinel after that too. */
	vsf_after_device_load();
	if (bar)
		count(dev->probe.suspicions);
	if (dev->join)
		vsf_join_classify(dev, verdict);
	else
		ask_config(dev, bar, verdict);
	if (verdict->err == 0)
		(void)vsf_sentinel_look(dev, verdict);
	if (bar && verdict->err == 0)
		count(dev->probe.real);
}

bool vsf_in_ready(struct vfiosafe_device *dev)
{
	bool runs;

	if (vsf_device_state(dev) != VFIOSAFE_REINIT)
		return false;
	pthread_mutex_lock(&dev->lock);
	runs = dev->ready_runs;
	pthread_mutex_unlock(&dev->lock);
	return runs;
}

/* With the section still open: no reset can have come between that would heal it. */
static bool mark(struct vfiosafe_device *dev, struct vsf_verdict *verdict)
{
	if (verdict->err != EIO)
		return false;
	count(dev->probe.found[verdict->witness]);
	/* The kernel may know why. */
	if (vsf_events_reported(dev))
		vsf_verdict_lost(verdict, verdict->witness, VFIOSAFE_CAUSE_AER,
				 VSF_EVENTS_AER_WHY);
	return vsf_device_mark(dev, verdict->cause, verdict->why);
}

int vsf_end_judged(struct vfiosafe_device *dev, struct vfiosafe_section *sec,
		   struct vsf_verdict *verdict)
{
	bool faulted = false;
	int rc, end, err = verdict->err;

	if (err == 0)
		return vfiosafe_end(sec);
	/* With the section still open: from here on a close waits for this call. */
	vsf_count_inside(dev, 1);
	rc = vsf_section_look(sec);
	/* There, a device that does not answer is not lost, but not ready. */
	if (rc == 0 && err == EIO && vsf_in_ready(dev))
		err = EAGAIN;
	else if (rc == 0)
		faulted = mark(dev, verdict);
	end = vfiosafe_end(sec);
	if (faulted)
		vsf_device_lost(dev, verdict->cause, verdict->why);
	/* Its text is of now, and says more than that of FAULT. */
	if (rc == 0)
		rc = vsf_fail(err, "%s: %s", dev->address, verdict->why);
	else if (end < 0)
		rc = end;
	vsf_count_inside(dev, -1);
	return rc;
}

static int probe(struct vfiosafe_device *dev)
{
	struct vsf_verdict verdict = { .err = 0 };
	struct vfiosafe_view view = { 0 };
	struct vfiosafe_section sec;
	int rc = vsf_device_view(dev, &view);

	if (rc == 0)
		rc = vsf_begin_access(&view, &sec);
	if (rc < 0)
		return rc;
	vsf_classify(dev, NULL, &verdict);
	return vsf_end_judged(dev, &sec, &verdict);
}

VFIOSAFE_API int vfiosafe_probe(struct vfiosafe_device *dev)
{
	int rc;

	if (vsf_words_forked(dev->words))
		return vsf_state_error(0, 0);
	vsf_count_inside(dev, 1);
	if (vsf_depth() == 0)
		vsf_fault_collect(dev);
	vsf_events_collect(dev);
	rc = probe(dev);
	vsf_count_inside(dev, -1);
	return rc;
}

VFIOSAFE_API void vfiosafe_probe_counts(const struct vfiosafe_device *dev,
					struct vfiosafe_probe_counts *counts)
{
	const struct vsf_probe *probe = &dev->probe;

	counts->suspicions = counted(probe->suspicions);
	counts->real = counted(probe->real);
	counts->config = counted(probe->found[VSF_SAYS_CONFIG]);
	counts->decode = counted(probe->found[VSF_SAYS_DECODE]);
	counts->power = counted(probe->found[VSF_SAYS_POWER]);
	counts->sentinel = counted(probe->found[VSF_SAYS_SENTINEL]);
}
