/* SPDX-License-Identifier: MIT */
/* The hot reset itself, in the order of the kernel: who may, then locks, then the bus. */
#include <errno.h>

#include "fake_parts.h"
#include "uapi.h"

static bool is_taken(const struct fake_file *caller, const struct fake_function *fn)
{
	return fn->bus_reset == caller->fn->bus_reset;
}

/* A group's fd each, and no more of them than there are functions. */
static int check_fds(struct fake *fake, const struct fake_file *caller,
		     const struct vfio_pci_hot_reset *arg)
{
	uint32_t functions = fake->hot_extra;

	for (unsigned int i = 0; i < fake->functions; i++)
		functions += is_taken(caller, &fake->fn[i]);
	if (arg->count > functions)
		return -EINVAL;
	for (uint32_t i = 0; i < arg->count; i++) {
		const struct fake_file *file = fake_file_of(fake, arg->group_fds[i]);

		if (!file)
			return -EBADF;
		if (file->kind != FAKE_GROUP)
			return -EINVAL;
	}
	return 0;
}

static bool is_owned(struct fake *fake, const struct fake_file *caller,
		     const struct vfio_pci_hot_reset *arg, const struct fake_function *fn)
{
	if (caller->kind == FAKE_CDEV)
		return fake_hot_devid(fake, caller, fn) !=
		       (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
	for (uint32_t i = 0; i < arg->count; i++)
		if (fake_file_of(fake, arg->group_fds[i])->group == fn->group)
			return true;
	return false;
}

/* BARs of those before the one that is refused are taken away all the same. */
static int lock_all(struct fake *fake, const struct fake_file *caller,
		    const struct vfio_pci_hot_reset *arg)
{
	struct fake_function *last = NULL;

	for (unsigned int i = 0; i < fake->functions; i++)
		if (is_taken(caller, &fake->fn[i]))
			last = &fake->fn[i];
	for (unsigned int i = 0; i < fake->functions; i++) {
		struct fake_function *fn = &fake->fn[i];

		if (!is_taken(caller, fn))
			continue;
		if (!is_owned(fake, caller, arg, fn))
			return -EINVAL;
		if (fn == last && fake->hot_busy > 0) {
			fake->hot_busy--;
			return -EBUSY;
		}
		fake_dmabuf_revoke(fake, fn);
	}
	return 0;
}

static void unlock_all(struct fake *fake, const struct fake_file *caller)
{
	for (unsigned int i = 0; i < fake->functions; i++)
		if (is_taken(caller, &fake->fn[i]))
			fake_dmabuf_unrevoke(fake, &fake->fn[i]);
}

/* EAGAIN comes before anything is done; other errors may come after it. */
static int reset_bus(struct fake *fake, const struct fake_file *caller)
{
	unsigned int reach = fake->hot_err ? fake->hot_reach : fake->functions;

	fake_log_locked(fake, "HOT");
	for (unsigned int i = 0; i < fake->functions && reach > 0; i++) {
		if (!is_taken(caller, &fake->fn[i]))
			continue;
		fake_function_reset(fake, &fake->fn[i]);
		reach--;
	}
	return -fake->hot_err;
}

int fake_hot_reset(struct fake *fake, const struct fake_file *caller,
		   const struct vfio_pci_hot_reset *arg)
{
	bool cdev = caller->kind == FAKE_CDEV;
	int rc;

	if (arg->argsz < sizeof(*arg) + arg->count * sizeof(arg->group_fds[0]) ||
	    arg->flags || cdev == (arg->count > 0))
		return -EINVAL;
	if (caller->fn->bus_reset == 0)
		return -ENODEV;
	rc = check_fds(fake, caller, arg);
	if (rc < 0)
		return rc;
	if (fake->hot_extra > 0)
		return -EINVAL;
	for (unsigned int i = 0; i < fake->functions; i++)
		if (is_taken(caller, &fake->fn[i]) &&
		    !fake_hot_resettable(fake, &fake->fn[i]))
			return -EINVAL;
	rc = lock_all(fake, caller, arg);
	if (rc == 0)
		rc = reset_bus(fake, caller);
	unlock_all(fake, caller);
	return rc;
}
