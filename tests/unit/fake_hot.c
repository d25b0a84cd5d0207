/* SPDX-License-Identifier: MIT */
/* What a hot reset would take: the answers of both doors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_parts.h"
#include "uapi.h"

static bool has_link(struct fake *fake, const struct fake_function *fn, const char *link,
		     const char *like)
{
	const struct fake_node *node;
	char path[112];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", fn->address, link);
	node = fake_find(fake, path);
	return node && strstr(node->text, like);
}

bool fake_hot_resettable(struct fake *fake, const struct fake_function *fn)
{
	return has_link(fake, fn, "driver", "vfio") && !fn->is_vf;
}

uint32_t fake_hot_devid(struct fake *fake, const struct fake_file *caller,
			const struct fake_function *fn)
{
	bool in_set =
		has_link(fake, fn, "driver", "vfio") && fn->is_vf == caller->fn->is_vf;

	if (!in_set)
		return (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
	if (fn->owner && fn->owner->parent == caller->parent)
		return (uint32_t)(1 + (fn - fake->fn));
	return fake_group_of(fake, fn->group)->iommufd == caller->parent
		       ? VFIO_PCI_DEVID_OWNED
		       : (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
}

static int describe(struct fake *fake, const struct fake_file *caller,
		    const struct fake_function *fn,
		    struct vfio_pci_dependent_device *entry)
{
	unsigned int segment, bus, slot, function;

	(void)sscanf(fn->address, "%x:%x:%x.%x", &segment, &bus, &slot, &function);
	entry->segment = (uint16_t)segment;
	entry->bus = (uint8_t)bus;
	entry->devfn = (uint8_t)(slot << 3 | function);
	if (caller->kind == FAKE_CDEV)
		entry->devid = fake_hot_devid(fake, caller, fn);
	else if (has_link(fake, fn, "iommu_group", ""))
		entry->group_id = fn->group;
	else
		return -EPERM;
	return 0;
}

/* A function that nobody but the list knows, bound to no driver. */
static struct vfio_pci_dependent_device extra(const struct fake_file *caller,
					      unsigned int i)
{
	return (struct vfio_pci_dependent_device){
		.group_id = caller->kind == FAKE_CDEV ? (uint32_t)VFIO_PCI_DEVID_NOT_OWNED
						      : 90 + i,
		.bus = 1,
		.devfn = (uint8_t)(0x20 + i),
	};
}

/* All entries; those that fit are stored. Their number, or -errno. */
static int list(struct fake *fake, const struct fake_file *caller,
		struct vfio_pci_dependent_device *entries, uint32_t room)
{
	uint32_t count = 0;

	for (unsigned int i = 0; i < fake->functions + fake->hot_extra; i++) {
		struct vfio_pci_dependent_device entry;
		int rc = 0;

		if (i >= fake->functions)
			entry = extra(caller, i - fake->functions);
		else if (fake->fn[i].bus_reset != caller->fn->bus_reset)
			continue;
		else
			rc = describe(fake, caller, &fake->fn[i], &entry);
		if (rc < 0)
			return rc;
		if (count < room)
			entries[count] = entry;
		count++;
	}
	return (int)count;
}

int fake_hot_info(struct fake *fake, const struct fake_file *caller,
		  struct vfio_pci_hot_reset_info *info)
{
	uint32_t room;
	int count;

	if (info->argsz < sizeof(*info))
		return -EINVAL;
	if (caller->fn->bus_reset == 0)
		return -ENODEV;
	room = (info->argsz - (uint32_t)sizeof(*info)) /
	       (uint32_t)sizeof(info->devices[0]);
	count = list(fake, caller, info->devices, room);
	if (count < 0)
		return count;
	info->count = fake->hot_lie ? fake->hot_lie_count : (uint32_t)count;
	if (fake->hot_lie)
		return -fake->hot_lie_err;
	info->flags = 0;
	if ((uint32_t)count > room)
		return -ENOSPC;
	if (caller->kind == FAKE_CDEV)
		info->flags = VFIO_PCI_HOT_RESET_FLAG_DEV_ID;
	return 0;
}
