/* SPDX-License-Identifier: MIT */
/*
 * A plan while it is being made. plan.c puts it together out of what the other
 * files ask, each of a source of its own:
 *
 *      plan_ask.c    the kernel: address, methods, what a hot reset takes
 *      plan_proc.c   /proc: who has a function open
 *      plan_block.c  nobody: draws the conclusions
 */
#ifndef VSF_PLAN_H
#define VSF_PLAN_H

#include <errno.h>
#include <vfiosafe/plan.h>

#include "device.h"

struct vfio_pci_hot_reset_info;

struct vsf_plan_function {
	struct vfiosafe_plan_function pub; /* first: what the caller holds */
	struct vsf_plan_function *next;
	char node[32];	/* its VFIO node, "vfio3"; "" if there is none */
	char pf[24];	/* of which it is a virtual function, in this plan */
	bool listed;	/* the kernel says that a hot reset takes it */
	bool ours;	/* it is in our IOMMU context */
	bool here;	/* this process has it open */
	int32_t latest; /* process that was counted last */
};

struct vsf_plan_block {
	struct vfiosafe_plan_block pub; /* first */
	struct vsf_plan_block *next;
};

/* Why the kernel was not asked what a hot reset takes; no errno of its. */
#define VSF_PLAN_ASLEEP (-EHOSTDOWN)
#define VSF_PLAN_NOT_ASKED (-EINPROGRESS)

struct vsf_plan {
	struct vfiosafe_plan pub; /* first */
	struct vfiosafe_device *dev;
	struct vsf_plan_function *functions, **functions_end;
	struct vsf_plan_block *blocks, **blocks_end;

	int hot_rc; /* of VFIO_DEVICE_GET_PCI_HOT_RESET_INFO */
	struct vfio_pci_hot_reset_info *hot; /* its answer, or NULL */
	bool hidden; /* /proc does not show everything */
	struct vsf_plan_block *spare; /* for the first block, instead of one of the heap */
};

/* plan.c: makes an empty one of zeroed memory. */
void vsf_plan_init(struct vsf_plan *plan, struct vfiosafe_device *dev);

/* Adds to plan->pub.unknown. */
void vsf_plan_unknown(struct vsf_plan *plan, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* plan_ask.c; 0 or -ENOMEM, what else fails is put down as unknown */
void vsf_plan_ask_address(struct vsf_plan *plan);
void vsf_plan_ask_methods(struct vsf_plan *plan);
int vsf_plan_ask_hot(struct vsf_plan *plan);
/* Has the function a reset of its own that can be made now? */
bool vsf_plan_function_resets(const struct vsf_plan *plan);
/* Did the kernel say itself which of the listed functions are ours? */
bool vsf_plan_by_devid(const struct vsf_plan *plan);

/*
 * plan_proc.c. The address behind a device fd: -ENODATA if the kernel does not say,
 * -ENXIO if that is no PCI function.
 */
int vsf_proc_address(const struct vfiosafe_sys *sys, const char *pid, const char *fd,
		     char *buf, size_t len);
void vsf_plan_ask_owners(struct vsf_plan *plan);

/* plan_block.c; 0 or -ENOMEM */
int vsf_plan_conclude(struct vsf_plan *plan);
/* At most one block, of a function reset. */
int vsf_plan_conclude_first(struct vsf_plan *plan);

/* plan_text.c: "pid 812 (qemu)" */
const char *vsf_plan_owner(const struct vfiosafe_plan_function *function, char *buf,
			   size_t len);

/*
 * plan_refuse.c: for texts of a reset that was refused. Reads a few files of sysfs,
 * asks no device, scans no /proc, allocates nothing.
 */

/* Before anything is done: -EOPNOTSUPP if a reset is sure to fail, 0 if not, or unknown. */
int vsf_plan_refuse_known(struct vfiosafe_device *dev);

/* Fails with @err, EOPNOTSUPP or ETIMEDOUT, saying what blocks and the way out. */
int vsf_plan_refuse(struct vfiosafe_device *dev, int err);

/* Those two, behind a "; ", or an empty text; returns @buf. */
const char *vsf_plan_hint(struct vfiosafe_device *dev, char *buf, size_t len);

#endif
