/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what a reset would hit, who has that, and what stands in its way.
 *
 * A question only: nothing is reset, no config space is written, no BAR touched.
 * The answer is of the moment; a process may come or go right after it.
 *
 *      vfiosafe_reset_plan(&plan, dev, VFIOSAFE_METHOD_AUTO);
 *      for (f = plan->functions; f; f = f->next)
 *              ...
 *      vfiosafe_plan_free(plan);
 */
#ifndef VFIOSAFE_PLAN_H
#define VFIOSAFE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_device;

enum vfiosafe_method {
	VFIOSAFE_METHOD_AUTO = 0,     /* the smallest that the function has */
	VFIOSAFE_METHOD_FUNCTION = 1, /* VFIO_DEVICE_RESET, as vfiosafe_reset() makes it */
	VFIOSAFE_METHOD_HOT = 2,      /* VFIO_DEVICE_PCI_HOT_RESET: its bus or slot */
	VFIOSAFE_METHOD_NONE = 3,     /* an answer only: there is none */
};

/* Why a function is in the plan. */
enum vfiosafe_plan_role {
	VFIOSAFE_ROLE_SELF = 0,	   /* it is the one that was asked about */
	VFIOSAFE_ROLE_SIBLING = 1, /* on the bus or slot that a hot reset takes */
	VFIOSAFE_ROLE_VF = 2,	   /* virtual function of one that is reset: goes down
				      with it, and may see that only as garbage */
};

/* To whom a function belongs. */
enum vfiosafe_owner {
	VFIOSAFE_OWNER_UNKNOWN = 0, /* see unknown in struct vfiosafe_plan */
	VFIOSAFE_OWNER_THIS = 1,    /* this handle */
	VFIOSAFE_OWNER_OURS = 2,    /* the IOMMU context of this handle (opts.iommu_of) */
	VFIOSAFE_OWNER_PROCESS = 3, /* a process; pid may be this one, by other means */
	VFIOSAFE_OWNER_KERNEL = 4,  /* a kernel driver */
	VFIOSAFE_OWNER_UNBOUND = 5, /* bound to no driver */
	VFIOSAFE_OWNER_FREE = 6,    /* bound to a VFIO driver; no process in /proc has it */
};

/*
 * One function that the reset would hit. Made by the library only: members are
 * added at the end.
 */
struct vfiosafe_plan_function {
	const struct vfiosafe_plan_function *next; /* NULL: the last */
	char address[24]; /* "0000:01:00.0"; "" if not known */
	char driver[64];  /* "" if none, "?" if not known */
	char comm[16];	  /* name of process @pid; "" if it is gone */
	int32_t pid;	  /* a process besides this one that has it open; or 0. With
			     OWNER_PROCESS it may be this one */
	uint32_t holders; /* processes besides this one that have it open */
	int32_t group;	  /* IOMMU group; -1 if none or not known */
	enum vfiosafe_plan_role role;
	enum vfiosafe_owner owner;
};

enum vfiosafe_block_reason {
	VFIOSAFE_BLOCK_NO_METHOD = 1, /* the function has no such reset, or not now */
	VFIOSAFE_BLOCK_DRIVER = 2,    /* a function is bound to no VFIO driver */
	VFIOSAFE_BLOCK_NOT_OWNED = 3, /* a function is not in our IOMMU context */
	VFIOSAFE_BLOCK_VFS = 4,	      /* virtual functions on the bus of a hot reset */
	VFIOSAFE_BLOCK_RELEASE = 5,   /* the kernel wants the device back */
	VFIOSAFE_BLOCK_UNKNOWN = 6,   /* the kernel does not say what it would hit */
};

/* One reason for which the reset would be refused. Members are added at the end. */
struct vfiosafe_plan_block {
	const struct vfiosafe_plan_block *next; /* NULL: the last */
	enum vfiosafe_block_reason reason;
	const struct vfiosafe_plan_function *function; /* whose; NULL: of the whole */
	char text[256];	  /* what blocks */
	char remedy[384]; /* what to do about it */
};

/* Made by vfiosafe_reset_plan() only: members are added at the end. */
struct vfiosafe_plan {
	char address[24]; /* of the function; "" for an adopted fd of which the kernel
			     does not say it, and the program neither */
	enum vfiosafe_method method;   /* that the rest is about; NONE: AUTO found none */
	enum vfiosafe_method smallest; /* that the function has; NONE */
	/* VFIO_DEVICE_FLAGS_RESET: the reset that the kernel made at first open worked. */
	bool function_reset;
	bool hot_reset; /* its bus or slot can be reset */
	/* What sysfs has in reset_method, in the order in which the kernel tries. */
	char methods[96];
	bool methods_known; /* false before Linux 5.15, or without an address */
	bool possible;	    /* nothing known is in the way: blocks is NULL */
	uint32_t function_count;
	uint32_t block_count;
	const struct vfiosafe_plan_function *functions; /* the one asked about first */
	const struct vfiosafe_plan_block *blocks;
	char unknown[256]; /* what could not be learnt, and why; "" if nothing */
};

/**
 * vfiosafe_reset_plan - ask what a reset of @dev would do
 * @plan: written on success only; free with vfiosafe_plan_free()
 * @dev: device in any state but GONE
 * @method: AUTO, FUNCTION or HOT
 *
 * A plan that is not @possible is a success too: it says why not.
 *
 * Who has a function open is read from /proc: the fds of all processes in this PID
 * namespace that this user may look into (CAP_SYS_PTRACE for those of others).
 * Owners that may hide elsewhere are UNKNOWN. A process that closed its fds and
 * kept a mapping of a BAR is not seen.
 *
 * Return: 0; -EINVAL for another @method; -ENODEV if gone; -ENOMEM; -EDEADLK inside
 * a section. The device's state may follow what the kernel has reported meanwhile
 * (event.h), as in vfiosafe_wait().
 * Context: any thread, callbacks included, outside of sections. Blocks: reads sysfs
 * and /proc (about 10 ms for each thousand fds that processes have), and waits while
 * a function of the same bus is being opened, closed or hot-reset. In low power it
 * asks nothing of the kernel that would wake the device.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_reset_plan(struct vfiosafe_plan **plan, struct vfiosafe_device *dev,
		    enum vfiosafe_method method);

/** vfiosafe_plan_free - free @plan, which may be NULL, and all that hangs on it */
VFIOSAFE_API void vfiosafe_plan_free(struct vfiosafe_plan *plan);

/**
 * vfiosafe_plan_text - a plan in a few lines, for a log or a terminal
 * @plan: from vfiosafe_reset_plan()
 * @buf: where to; cut, and NUL-terminated, if it does not fit
 * @len: its length; may be 0
 *
 * For people: the words may change.
 *
 * Return: the length of the whole text without its NUL, as snprintf(3) does.
 * Context: any; allocates nothing.
 */
VFIOSAFE_API size_t vfiosafe_plan_text(const struct vfiosafe_plan *plan, char *buf,
				       size_t len);

/** vfiosafe_method_name - "function reset", ...; static, never NULL */
VFIOSAFE_API const char *vfiosafe_method_name(enum vfiosafe_method method);

VFIOSAFE_END_DECLS

#endif
