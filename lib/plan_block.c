/* SPDX-License-Identifier: MIT */
/* What blocks a reset, and what to do about it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "plan.h"

#define POWER "nothing but power resets it: its slot off and on, or the machine"

/* Appends a block with its text; the remedy is to be written. NULL: no memory. */
static struct vfiosafe_plan_block *
block(struct vsf_plan *plan, enum vfiosafe_block_reason reason,
      const struct vsf_plan_function *f, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static struct vfiosafe_plan_block *
block(struct vsf_plan *plan, enum vfiosafe_block_reason reason,
      const struct vsf_plan_function *f, const char *fmt, ...)
{
	struct vsf_plan_block *b = plan->spare ? plan->spare : calloc(1, sizeof(*b));
	va_list ap;

	if (!b)
		return NULL;
	plan->spare = NULL;
	b->pub.reason = reason;
	b->pub.function = f ? &f->pub : NULL;
	va_start(ap, fmt);
	vsnprintf(b->pub.text, sizeof(b->pub.text), fmt, ap);
	va_end(ap);
	*plan->blocks_end = b;
	plan->blocks_end = &b->next;
	plan->pub.block_count++;
	return &b->pub;
}

static int remedy(struct vfiosafe_plan_block *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int remedy(struct vfiosafe_plan_block *b, const char *fmt, ...)
{
	va_list ap;

	if (!b)
		return -ENOMEM;
	va_start(ap, fmt);
	vsnprintf(b->remedy, sizeof(b->remedy), fmt, ap);
	va_end(ap);
	return 0;
}

/* How the plan calls the function that it is about. */
static const char *name_of(const struct vsf_plan *plan)
{
	return plan->pub.address[0] ? plan->pub.address : plan->dev->address;
}

/* The kernel holds the device's lock until it has it back. */
static int check_release(struct vsf_plan *plan)
{
	struct vfiosafe_plan_block *b;

	vsf_events_collect(plan->dev);
	/* Pairs with who takes the kernel's signal. */
	if (!__atomic_load_n(&plan->dev->events.release, __ATOMIC_ACQUIRE))
		return 0;
	b = block(plan, VFIOSAFE_BLOCK_RELEASE, NULL,
		  "a release request is pending: the kernel wants %s back (an unbind, a "
		  "removal), and until then answers resets with EAGAIN",
		  name_of(plan));
	return remedy(b, "close the device");
}

/* For a function that cannot be reset by itself. */
static const char *other_way(const struct vsf_plan *plan)
{
	switch (plan->hot_rc) {
	case 0:
		return "a hot reset would do: ask for a plan of VFIOSAFE_METHOD_HOT";
	case -ENODEV:
	case -ENOTTY:
		return POWER;
	default:
		return "perhaps a hot reset would do: vfiosafe_reset_plan() says so";
	}
}

static int check_function_reset(struct vsf_plan *plan)
{
	const struct vfiosafe_plan *pub = &plan->pub;
	const char *name = name_of(plan);
	struct vfiosafe_plan_block *b;

	if (vsf_plan_function_resets(plan))
		return 0;
	if (pub->methods[0]) {
		b = block(plan, VFIOSAFE_BLOCK_NO_METHOD, NULL,
			  "the reset that the kernel tried when %s was opened failed, and until "
			  "the last close it refuses all others (VFIO_DEVICE_FLAGS_RESET is off)",
			  name);
		return remedy(b, "close it wherever it is open, then open it again; else %s",
			      other_way(plan));
	}
	if (pub->function_reset) {
		b = block(plan, VFIOSAFE_BLOCK_NO_METHOD, NULL,
			  "reset_method of %s was emptied: a reset would fail, with the mapping "
			  "taken away first",
			  name);
		return remedy(b, "echo default > " VSF_SYSFS_DEVICES "/%s/reset_method", name);
	}
	b = block(plan, VFIOSAFE_BLOCK_NO_METHOD, NULL,
		  "%s has no reset method by itself (VFIO_DEVICE_FLAGS_RESET is off)", name);
	return remedy(b, "%s", other_way(plan));
}

static int check_hot_reset(struct vsf_plan *plan)
{
	const char *name = name_of(plan);
	struct vfiosafe_plan_block *b;

	switch (plan->hot_rc) {
	case 0:
		return 0;
	case -ENODEV: /* no slot or bus that could */
	case -ENOTTY: /* no VFIO PCI device of the kernel's */
		b = block(plan, VFIOSAFE_BLOCK_NO_METHOD, NULL,
			  "neither the slot nor the bus of %s can be reset: it is a root bus, or "
			  "one of virtual functions, or a function on it forbids it",
			  name);
		return remedy(b, "%s",
			      vsf_plan_function_resets(plan)
				      ? "make a function reset: vfiosafe_reset()"
				      : POWER);
	case -EPERM:
		b = block(plan, VFIOSAFE_BLOCK_NOT_OWNED, NULL,
			  "a function on the bus of %s is in no IOMMU group", name);
		return remedy(b, "turn the IOMMU on for it, in firmware and kernel "
				 "(intel_iommu=on)");
	case VSF_PLAN_ASLEEP:
		b = block(plan, VFIOSAFE_BLOCK_UNKNOWN, NULL,
			  "%s is in low power, and asking what a hot reset takes would wake it",
			  name);
		return remedy(b, "vfiosafe_low_power_exit() first");
	default:
		b = block(plan, VFIOSAFE_BLOCK_UNKNOWN, NULL,
			  "what a hot reset of %s would hit: "
			  "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO failed: %s",
			  name, strerror(-plan->hot_rc));
		return remedy(b, plan->hot_rc == -EAGAIN
					 ? "functions come and go on this bus: ask again later"
					 : "ask again");
	}
}

static int check_driver(struct vsf_plan *plan, const struct vsf_plan_function *f)
{
	const char *address = f->pub.address, *driver = f->pub.driver;
	struct vfiosafe_plan_block *b;
	char how[256];

	if (!address[0] || vsf_is_vfio_driver(driver))
		return 0;
	if (driver[0] == '?') {
		b = block(plan, VFIOSAFE_BLOCK_UNKNOWN, f, "the driver of %s cannot be read",
			  address);
		return remedy(b, "ls -l " VSF_SYSFS_DEVICES "/%s/driver", address);
	}
	b = block(plan, VFIOSAFE_BLOCK_DRIVER, f, "%s is bound to %s, not to VFIO", address,
		  driver[0] ? driver : "no driver");
	if (strcmp(driver, "pcieport") == 0)
		return remedy(b, "it is a bridge: no hot reset reaches over it; reset the "
				 "functions one by one");
	vsf_bind_advice(address, driver[0], how, sizeof(how));
	return remedy(b, "%s", how);
}

static int check_owner(struct vsf_plan *plan, const struct vsf_plan_function *f)
{
	struct vfiosafe_plan_block *b;
	char who[48];

	if (f->ours || !vsf_is_vfio_driver(f->pub.driver))
		return 0;
	vsf_plan_owner(&f->pub, who, sizeof(who));
	if (!vsf_plan_by_devid(plan))
		b = block(plan, VFIOSAFE_BLOCK_NOT_OWNED, f,
			  "the group of %s, %d, is not in our container (%s)", f->pub.address,
			  (int)f->pub.group, who);
	else
		b = block(plan, VFIOSAFE_BLOCK_NOT_OWNED, f, "%s is not in our iommufd (%s)",
			  f->pub.address, who);
	if (f->pub.holders > 0)
		return remedy(b, "one process has to open all of them: end that one, or let it "
				 "reset them");
	return remedy(b, "open it too, with opts.iommu_of set to this device");
}

/* The kernel never takes virtual functions along: it refuses. */
static int check_vfs(struct vsf_plan *plan)
{
	const struct vsf_plan_function *f = plan->functions;
	struct vfiosafe_plan_block *b;

	while (f && !(f->listed && f->pf[0]))
		f = f->next;
	if (!f)
		return 0;
	b = block(plan, VFIOSAFE_BLOCK_VFS, f,
		  "virtual functions of %s are enabled and on its bus (%s): a hot reset is "
		  "refused",
		  f->pf, f->pub.address);
	return remedy(b, "close them, then echo 0 > " VSF_SYSFS_DEVICES "/%s/sriov_numvfs",
		      f->pf);
}

/* The proofs of ownership are group fds, and who opened the device has them. */
static bool lacks_proof(const struct vsf_plan *plan)
{
	return plan->dev->door == VFIOSAFE_DOOR_FD && !vsf_plan_by_devid(plan);
}

static int check_adopted(struct vsf_plan *plan)
{
	struct vfiosafe_plan_block *b;

	if (!lacks_proof(plan))
		return 0;
	b = block(plan, VFIOSAFE_BLOCK_NOT_OWNED, NULL,
		  "%s was adopted, and got out of a group: a hot reset wants the fds of its "
		  "groups, which we do not have",
		  name_of(plan));
	return remedy(b, "whoever opened the group has to make the hot reset");
}

static int check_listed(struct vsf_plan *plan)
{
	int rc = check_vfs(plan);

	if (rc == 0)
		rc = check_adopted(plan);
	for (const struct vsf_plan_function *f = plan->functions; f && rc == 0; f = f->next) {
		if (!f->listed || f->pf[0])
			continue;
		rc = check_driver(plan, f);
		if (rc == 0 && !lacks_proof(plan))
			rc = check_owner(plan, f);
	}
	return rc;
}

int vsf_plan_conclude_first(struct vsf_plan *plan)
{
	return check_function_reset(plan);
}

int vsf_plan_conclude(struct vsf_plan *plan)
{
	int rc = check_release(plan);

	/* Then nothing else matters: the driver may be on its way out. */
	if (rc < 0 || plan->blocks)
		return rc;
	switch (plan->pub.method) {
	case VFIOSAFE_METHOD_HOT:
		rc = check_hot_reset(plan);
		return rc == 0 && plan->hot ? check_listed(plan) : rc;
	default:
		rc = check_function_reset(plan);
		if (rc == 0 && plan->functions)
			rc = check_driver(plan, plan->functions);
		return rc;
	}
}
