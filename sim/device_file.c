/* SPDX-License-Identifier: MIT */
/*
 * device_file.c - a device from its open to its close: bound to an iommufd and
 * attached to an address space, or got from a group.
 *
 * The first open and the last close reset the device, as vfio-pci does. Nobody's
 * generation ends with that: these resets are not counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <uapi.h>
#include <stddef.h>
#include "dmabuf.h"
#include "internal.h"

#define END_OF(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

static void leave_low_power(struct vfiosafe_sim *sim)
{
	sim->low_power = false;
	vsim_eventfd_put(&sim->wake_fd);
}

static void fresh(struct vfiosafe_sim *sim)
{
	leave_low_power(sim);
	vsim_irqs_release(sim);
	sim->deaf = false;
	vsim_caps_init(sim);
	vsim_power_on(sim);
	vsim_bars_update(sim);
}

void vsim_device_closed(struct vfiosafe_sim *sim)
{
	vsim_dmabufs_end(sim);
	/* Who has an export reaches nothing of what the next user does. */
	if (sim->exported)
		vsim_bars_renew(sim);
	sim->exported = false;
	fresh(sim);
	sim->ioas = NULL;
}

int vsim_device_grant(struct vfiosafe_sim *sim, struct vsim_file *file,
		      struct vsim_file *via)
{
	int rc = vsim_fail_once(sim, VFIOSAFE_SIM_CALL_OPEN);

	if (rc < 0)
		return rc;
	if (!vsim_file_in_use(sim, VSIM_FILE_DEVICE)) {
		/* It is reset, and nobody waits for the lock. */
		if (sim->config_locked || sim->releasing || vsim_contended(sim))
			return -EAGAIN;
		fresh(sim);
	}
	file->via = via;
	/* Pairs with vsim_file_granted(). */
	__atomic_store_n(&file->granted, true, __ATOMIC_RELEASE);
	return 0;
}

static int bind_locked(struct vfiosafe_sim *sim, struct vsim_file *file,
		       struct vfio_device_bind_iommufd *arg)
{
	struct vsim_file *iommufd;
	int rc;

	vsim_files_reap(sim);
	if (vsim_file_in_use(sim, VSIM_FILE_GROUP))
		return -EBUSY;
	if (file->granted)
		return -EINVAL;
	iommufd = vsim_file_of(sim, arg->iommufd);
	if (!iommufd || iommufd->kind != VSIM_FILE_IOMMUFD)
		return fcntl(arg->iommufd, F_GETFD) < 0 ? -EBADF : -EBADFD;
	/* one owner: not even by the same program's second fd */
	if (vsim_file_in_use(sim, VSIM_FILE_DEVICE))
		return -EINVAL;
	rc = vsim_device_grant(sim, file, iommufd);
	if (rc == 0)
		arg->out_devid = vsim_new_id(sim);
	return rc;
}

static int bind(struct vfiosafe_sim *sim, struct vsim_file *file,
		struct vfio_device_bind_iommufd *arg)
{
	int rc;

	if (!arg)
		return -EFAULT;
	if (arg->argsz < END_OF(struct vfio_device_bind_iommufd, out_devid) ||
	    arg->flags || arg->iommufd < 0 ||
	    (file->via && file->via->kind == VSIM_FILE_GROUP))
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	rc = bind_locked(sim, file, arg);
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static int attach(struct vfiosafe_sim *sim, struct vsim_file *file,
		  struct vfio_device_attach_iommufd_pt *arg)
{
	struct vsim_ioas *ioas;
	int rc;

	if (!arg)
		return -EFAULT;
	if (arg->argsz < END_OF(struct vfio_device_attach_iommufd_pt, pt_id))
		return -EINVAL;
	if (arg->flags)
		return arg->flags & VFIO_DEVICE_ATTACH_PASID ? -EOPNOTSUPP : -EINVAL;
	pthread_mutex_lock(&sim->lock);
	ioas = vsim_ioas_by_id(sim, file->via, arg->pt_id);
	rc = ioas ? vsim_ioas_attach(sim, ioas) : -ENOENT;
	if (rc == 0)
		arg->pt_id = vsim_new_id(sim); /* of the page table made for it */
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static int detach(struct vfiosafe_sim *sim,
		  const struct vfio_device_detach_iommufd_pt *arg)
{
	if (!arg)
		return -EFAULT;
	if (arg->argsz < END_OF(struct vfio_device_detach_iommufd_pt, flags) ||
	    arg->flags)
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	sim->ioas = NULL;
	pthread_mutex_unlock(&sim->lock);
	return 0;
}

int vsim_device_ioctl(struct vfiosafe_sim *sim, struct vsim_file *file,
		      unsigned long request, void *arg)
{
	bool by_group = file->via && file->via->kind == VSIM_FILE_GROUP;

	if (request == VFIO_DEVICE_BIND_IOMMUFD)
		return bind(sim, file, arg);
	if (!vsim_file_granted(file))
		return -EINVAL;
	if (request == VFIO_DEVICE_ATTACH_IOMMUFD_PT && !by_group)
		return attach(sim, file, arg);
	if (request == VFIO_DEVICE_DETACH_IOMMUFD_PT && !by_group)
		return detach(sim, arg);
	return vsim_ioctl(sim, request, arg);
}
