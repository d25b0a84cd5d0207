/* SPDX-License-Identifier: MIT */
/* Both doors: who may open what, and in which order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_parts.h"
#include "uapi.h"

/* Is a function of the group bound to a driver that does DMA of its own? */
static bool blocked(struct fake *fake, unsigned int group)
{
	char path[112];

	for (unsigned int i = 0; i < fake->functions; i++) {
		const struct fake_node *node;

		if (fake->fn[i].group != group)
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver",
			 fake->fn[i].address);
		node = fake_find(fake, path);
		if (node && !strstr(node->text, "vfio") &&
		    !strstr(node->text, "pcieport"))
			return true;
	}
	return false;
}

static bool viable(struct fake *fake, const struct fake_group *group)
{
	return !group->foreign_owner && !group->iommufd && !blocked(fake, group->id);
}

int fake_door_open(struct fake *fake, const struct fake_node *node,
		   struct fake_file *file)
{
	struct fake_group *group;

	if (node->kind == FAKE_CDEV)
		file->fn = &fake->fn[node->number];
	if (node->kind != FAKE_GROUP)
		return 0;
	group = fake_group_of(fake, node->number);
	if (group->file || group->iommufd)
		return -EBUSY;
	group->file = file;
	file->group = group->id;
	return 0;
}

static void release_device(struct fake *fake, struct fake_file *file)
{
	struct fake_group *group = fake_group_of(fake, file->fn->group);

	if (file->fn->owner != file)
		return;
	file->fn->owner = NULL;
	fake_irqs_off(file->fn);
	fake_dmabuf_last_close(fake, file->fn);
	file->fn->pt_id = 0;
	fake_vectors_off(file->fn);
	for (unsigned int i = 0; i < fake->functions; i++)
		if (fake->fn[i].group == group->id && fake->fn[i].owner)
			return;
	group->iommufd = NULL;
}

void fake_door_release(struct fake *fake, struct fake_file *file)
{
	struct fake_group *group = fake->group;

	if (file->kind == FAKE_CDEV || file->kind == FAKE_DEVICE)
		release_device(fake, file);
	if (file->kind == FAKE_DMABUF)
		fake_dmabuf_release(file->buf);
	for (; file->kind == FAKE_GROUP && group < fake->group + FAKE_FUNCTIONS;
	     group++) {
		if (group->file != file)
			continue;
		group->file = NULL;
		group->container = NULL;
	}
	fake_iommu_release(fake, file);
	fake_file_put(fake, file->parent);
}

static int set_container(struct fake *fake, struct fake_file *file, const int *fd)
{
	struct fake_group *group = fake_group_of(fake, file->group);
	struct fake_file *container = fake_file_of(fake, *fd);

	if (!container)
		return -EBADF;
	if (container->kind != FAKE_CONTAINER)
		return -EBADFD;
	if (group->container)
		return -EINVAL;
	if (!viable(fake, group))
		return -EPERM;
	group->container = container;
	return 0;
}

/* An open resets the function and leaves decode on and mastering off. */
static void first_open(struct fake_function *fn, const struct fake_file *file)
{
	fn->owner = file;
	fake_set_command(fn, 0x0002);
}

/* As the kernel: one that nobody asked for is refused, too. */
static int check_token(const struct fake_function *fn, const uint8_t *token)
{
	if (!fn->token)
		return token ? -EINVAL : 0;
	return token && memcmp(token, fn->token, 16) == 0 ? 0 : -EACCES;
}

/* "ADDRESS vf_token=UUID" */
static const uint8_t *parse_token(const char *name, uint8_t token[16])
{
	const char *at = strstr(name, " vf_token=");

	if (!at)
		return NULL;
	at += strlen(" vf_token=");
	for (int i = 0; i < 16; i++) {
		unsigned int byte = 256;

		at += *at == '-';
		if (sscanf(at, "%2x", &byte) != 1)
			return NULL;
		token[i] = (uint8_t)byte;
		at += 2;
	}
	return token;
}

static int get_device_fd(struct fake *fake, struct fake_file *file, const char *address)
{
	const struct fake_group *group = fake_group_of(fake, file->group);
	size_t len = strcspn(address, " ");
	struct fake_file *device;
	uint8_t token[16];
	int rc;

	if (!group->container || !group->container->typed)
		return -EINVAL;
	for (unsigned int i = 0; i < fake->functions; i++) {
		struct fake_function *fn = &fake->fn[i];

		if (fn->group != group->id || strlen(fn->address) != len ||
		    strncmp(fn->address, address, len) != 0)
			continue;
		rc = check_token(fn, parse_token(address, token));
		if (rc < 0)
			return rc;
		device = fake_file_new(fake, FAKE_DEVICE);
		device->fn = fn;
		device->parent = file;
		file->refs++;
		first_open(fn, device);
		return fake_fd_new(fake, device);
	}
	return -ENODEV;
}

static int group_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		       void *arg)
{
	struct vfio_group_status *status = arg;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		status->flags = viable(fake, fake_group_of(fake, file->group))
					? VFIO_GROUP_FLAGS_VIABLE
					: 0;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(fake, file, arg);
	case VFIO_GROUP_GET_DEVICE_FD:
		return get_device_fd(fake, file, arg);
	default:
		return -ENOTTY;
	}
}

static int container_ioctl(struct fake *fake, struct fake_file *file,
			   unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return !fake->no_type1 && (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU:
		break;
	default:
		return fake_type1_ioctl(fake, file, request, arg);
	}
	for (int i = 0; i < FAKE_FUNCTIONS; i++) {
		if (fake->group[i].container == file && !file->typed) {
			file->typed = true;
			return 0;
		}
	}
	return -EINVAL;
}

static int iommufd_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
			 void *arg)
{
	struct iommu_ioas_alloc *alloc = arg;

	if (request != IOMMU_IOAS_ALLOC)
		return fake_ioas_ioctl(fake, file, request, arg);
	if (alloc->size < sizeof(*alloc) || alloc->flags)
		return -EINVAL;
	alloc->out_ioas_id = file->ioas_id = ++fake->last_ioas;
	return 0;
}

int fake_door_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		    void *arg)
{
	switch (file->kind) {
	case FAKE_GROUP:
		return group_ioctl(fake, file, request, arg);
	case FAKE_CONTAINER:
		return container_ioctl(fake, file, request, arg);
	case FAKE_IOMMUFD:
		return iommufd_ioctl(fake, file, request, arg);
	default:
		return -ENOTTY;
	}
}

static int bind(struct fake *fake, struct fake_file *file,
		const struct vfio_device_bind_iommufd *arg)
{
	struct fake_group *group = fake_group_of(fake, file->fn->group);
	struct fake_file *iommufd = fake_file_of(fake, arg->iommufd);
	char path[112];
	int rc;

	if (arg->argsz < sizeof(*arg) || arg->flags & ~VFIO_DEVICE_BIND_FLAG_TOKEN ||
	    file->fn->owner)
		return -EINVAL;
	rc = check_token(file->fn, arg->flags ? (const uint8_t *)(uintptr_t)arg->token_uuid_ptr
					      : NULL);
	if (rc < 0)
		return rc;
	if (!iommufd)
		return -EBADF;
	if (iommufd->kind != FAKE_IOMMUFD)
		return -EBADFD;
	if (group->file)
		return -EBUSY;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group",
		 file->fn->address);
	if (!fake_find(fake, path))
		return -ENODEV;
	if (group->foreign_owner || blocked(fake, group->id) ||
	    (group->iommufd && group->iommufd != iommufd))
		return -EPERM;
	group->iommufd = iommufd;
	file->parent = iommufd;
	iommufd->refs++;
	first_open(file->fn, file);
	return 0;
}

static int attach(struct fake *fake, const struct fake_file *file, uint32_t pt_id)
{
	if (!fake_bound(file))
		return -EINVAL;
	if (pt_id == 0 || pt_id != file->parent->ioas_id)
		return -ENOENT;
	for (unsigned int i = 0; i < fake->functions; i++) {
		const struct fake_function *fn = &fake->fn[i];

		if (fn->group == file->fn->group && fn->pt_id && fn->pt_id != pt_id)
			return -EINVAL;
	}
	file->fn->pt_id = pt_id;
	return 0;
}

/* -ENOTTY: no request of the door. */
static int cdev_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		      void *arg)
{
	const struct vfio_device_attach_iommufd_pt *pt = arg;

	if (file->kind != FAKE_CDEV)
		return -ENOTTY;
	if (request == VFIO_DEVICE_BIND_IOMMUFD)
		return bind(fake, file, arg);
	if (request == VFIO_DEVICE_ATTACH_IOMMUFD_PT)
		return attach(fake, file, pt->pt_id);
	return -ENOTTY;
}

bool fake_bound(const struct fake_file *file)
{
	return (file->kind == FAKE_CDEV || file->kind == FAKE_DEVICE) &&
	       file->fn->owner == file;
}

int fake_device_fd(struct fake *fake, struct fake_function *fn)
{
	struct fake_file *file = fake_file_new(fake, FAKE_DEVICE);

	file->fn = fn;
	first_open(fn, file);
	return fake_fd_new(fake, file);
}

int fake_device_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		      void *arg)
{
	int rc = cdev_ioctl(fake, file, request, arg);

	if (rc != -ENOTTY)
		return rc;
	if (!fake_bound(file))
		return -EINVAL;
	if (request == VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
		return fake_hot_info(fake, file, arg);
	if (request == VFIO_DEVICE_PCI_HOT_RESET)
		return fake_hot_reset(fake, file, arg);
	return fake_function_ioctl(fake, file->fn, request, arg);
}
