/* SPDX-License-Identifier: MIT */
/* The paths of the fake kernel: sysfs as vfio-pci makes it, and /dev. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fake_parts.h"

#define DEVICES "/sys/bus/pci/devices"
#define CDEV_MAJOR 511

struct fake_node *fake_find(struct fake *fake, const char *path)
{
	for (int i = 0; i < FAKE_NODES; i++)
		if (strcmp(fake->node[i].path, path) == 0)
			return &fake->node[i];
	return NULL;
}

/* Over what is there, if something is. */
struct fake_node *fake_put(struct fake *fake, enum fake_kind kind, const char *text,
			   const char *fmt, ...)
{
	char path[sizeof(fake->node[0].path)];
	struct fake_node *node;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	node = fake_find(fake, path);
	if (!node)
		node = fake_find(fake, "");
	*node = (struct fake_node){ .kind = kind };
	snprintf(node->path, sizeof(node->path), "%s", path);
	snprintf(node->text, sizeof(node->text), "%s", text);
	return node;
}

void fake_remove(struct fake *fake, const char *path)
{
	size_t len = strlen(path);

	for (int i = 0; i < FAKE_NODES; i++) {
		struct fake_node *node = &fake->node[i];

		if (strncmp(node->path, path, len) == 0 &&
		    (node->path[len] == '\0' || node->path[len] == '/'))
			memset(node, 0, sizeof(*node));
	}
}

/* Each function of a group sees all of them in its iommu_group. */
static void tree_group(struct fake *fake, const struct fake_function *fn)
{
	for (unsigned int i = 0; i < fake->functions; i++) {
		const struct fake_function *other = &fake->fn[i];

		if (other->group != fn->group)
			continue;
		fake_put(fake, FAKE_DIR, "", DEVICES "/%s/iommu_group/devices/%s",
			 fn->address, other->address);
		fake_put(fake, FAKE_DIR, "", DEVICES "/%s/iommu_group/devices/%s",
			 other->address, fn->address);
	}
	fake_put(fake, FAKE_GROUP, "", "/dev/vfio/%u", fn->group)->number = fn->group;
	fake_group_of(fake, fn->group);
}

void fake_tree_function(struct fake *fake, const struct fake_function *fn)
{
	const char *at = fn->address;
	struct fake_node *node;
	char text[32];

	fake_put(fake, FAKE_TEXT, "0x8086\n", DEVICES "/%s/vendor", at);
	fake_put(fake, FAKE_LINK, "../../../../bus/pci/drivers/vfio-pci",
		 DEVICES "/%s/driver", at);
	snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%u", fn->group);
	fake_put(fake, FAKE_LINK, text, DEVICES "/%s/iommu_group", at);
	tree_group(fake, fn);
	snprintf(text, sizeof(text), "%d:%u\n", CDEV_MAJOR, fn->node);
	fake_put(fake, FAKE_DIR, "", DEVICES "/%s/vfio-dev/vfio%u", at, fn->node);
	fake_put(fake, FAKE_TEXT, text, DEVICES "/%s/vfio-dev/vfio%u/dev", at, fn->node);
	node = fake_put(fake, FAKE_CDEV, "", "/dev/vfio/devices/vfio%u", fn->node);
	node->number = (unsigned int)(fn - fake->fn);
	node->rdev = makedev(CDEV_MAJOR, fn->node);
}

void fake_tree_start(struct fake *fake)
{
	fake_put(fake, FAKE_CONTAINER, "", "/dev/vfio/vfio");
	fake_put(fake, FAKE_IOMMUFD, "", "/dev/iommu");
}

static int fake_readlink(void *ctx, const char *path, char *buf, size_t len)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_READLINK, FAKE_ANY);
	const struct fake_node *node = fake_find(fake, path);

	if (rc == 0 && !node)
		rc = -ENOENT;
	else if (rc == 0 && node->refuse)
		rc = -node->refuse;
	else if (rc == 0 && node->kind != FAKE_LINK)
		rc = -EINVAL;
	else if (rc == 0 && (size_t)snprintf(buf, len, "%s", node->text) >= len)
		rc = -ENAMETOOLONG;
	return fake_leave(fake, rc);
}

/* The name right below @path, if @node is there. */
static const char *name_in(const struct fake_node *node, const char *path)
{
	size_t len = strlen(path);
	const char *name = node->path + len + 1;

	if (strncmp(node->path, path, len) != 0 || node->path[len] != '/')
		return NULL;
	return strchr(name, '/') ? NULL : name;
}

/* Names from node *@position on; a node that goes away moves no other. */
static int list_names(struct fake *fake, const char *path, uint64_t *position, char *buf,
		      size_t len)
{
	int count = 0;

	for (; *position < FAKE_NODES; ++*position) {
		const char *name = name_in(&fake->node[*position], path);
		size_t need = name ? strlen(name) + 1 : 0;

		if (need > len)
			return count > 0 ? count : -ENAMETOOLONG;
		if (!name)
			continue;
		memcpy(buf, name, need);
		buf += need;
		len -= need;
		count++;
	}
	return count;
}

static int fake_dir_names(void *ctx, const char *path, uint64_t *position, char *buf,
			  size_t len)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_DIR_NAMES, FAKE_ANY);
	const struct fake_node *node = fake_find(fake, path);
	bool first = *position == 0;

	if (rc == 0 && node && node->refuse)
		rc = -node->refuse;
	if (rc == 0)
		rc = list_names(fake, path, position, buf, len);
	if (rc == 0 && first && !node)
		rc = -ENOENT;
	return fake_leave(fake, rc);
}

void fake_sysfs_install(struct vfiosafe_sys *sys)
{
	sys->readlink = fake_readlink;
	sys->dir_names = fake_dir_names;
}
