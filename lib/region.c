/* SPDX-License-Identifier: MIT */
/* What can be mapped, out of the kernel's region info and its capabilities. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "error.h"
#include "region.h"
#include "uapi.h"

/* More than any kernel sends; a bound on what we allocate for it. */
#define INFO_MAX 4096

static int bad(const char *what)
{
	return vsf_fail(EBADMSG, "the kernel's region info makes no sense: %s", what);
}

/* Adds an area behind the ones there are; they must ascend. */
static int add_area(struct vfiosafe_region *region, uint64_t offset, uint64_t len)
{
	const struct vfiosafe_area *last;

	if (len == 0)
		return 0;
	if (offset > region->len || len > region->len - offset)
		return bad("a sparse area ends beyond the region");
	if (region->area_count == VFIOSAFE_REGION_AREAS)
		return bad("too many sparse areas");
	if (region->area_count > 0) {
		last = &region->area[region->area_count - 1];
		if (offset < last->offset + last->len)
			return bad("sparse areas overlap or do not ascend");
	}
	region->area[region->area_count++] = (struct vfiosafe_area){ offset, len };
	return 0;
}

static int parse_sparse(const uint8_t *cap, size_t left, struct vfiosafe_region *region)
{
	struct vfio_region_info_cap_sparse_mmap head;
	struct vfio_region_sparse_mmap_area area;
	int rc = 0;

	if (left < sizeof(head))
		return bad("a sparse-mmap capability is cut short");
	memcpy(&head, cap, sizeof(head));
	left -= sizeof(head);
	if (head.nr_areas > left / sizeof(area))
		return bad("a sparse-mmap capability names more areas than it holds");
	region->area_count = 0;
	for (uint32_t i = 0; i < head.nr_areas && rc == 0; i++) {
		memcpy(&area, cap + sizeof(head) + i * sizeof(area), sizeof(area));
		if (area.offset % (uint64_t)sysconf(_SC_PAGESIZE))
			return bad("a sparse area does not start a page");
		rc = add_area(region, area.offset, area.size);
	}
	return rc;
}

static int parse_chain(const uint8_t *buf, size_t len, size_t at,
		       struct vfiosafe_region *region, bool *msix_mappable)
{
	struct vfio_info_cap_header cap;
	size_t before = sizeof(struct vfio_region_info) - 1;
	int rc = 0;

	/* The kernel chains forward: backward is a loop, or an attack. */
	for (; at != 0 && rc == 0; at = cap.next) {
		if (at <= before || at % sizeof(uint64_t))
			return bad("the capability chain does not go forward, aligned");
		if (at > len || len - at < sizeof(cap))
			return bad("a capability lies outside of the answer");
		memcpy(&cap, buf + at, sizeof(cap));
		if (cap.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			rc = parse_sparse(buf + at, len - at, region);
		else if (cap.id == VFIO_REGION_INFO_CAP_MSIX_MAPPABLE)
			*msix_mappable = true;
		before = at;
	}
	return rc;
}

int vsf_region_parse(const void *buf, size_t len, struct vsf_region *out,
		     bool *msix_mappable)
{
	struct vfio_region_info info;
	struct vfiosafe_region region = { 0 };
	int rc = 0;

	*msix_mappable = false;
	if (len < sizeof(info))
		return bad("it is too short");
	memcpy(&info, buf, sizeof(info));
	if (info.size > INT64_MAX || info.offset > INT64_MAX - info.size)
		return bad("the region ends beyond any file offset");
	region.len = info.size;
	region.readable = info.flags & VFIO_REGION_INFO_FLAG_READ;
	region.writable = info.flags & VFIO_REGION_INFO_FLAG_WRITE;
	if (info.flags & VFIO_REGION_INFO_FLAG_MMAP)
		rc = add_area(&region, 0, region.len);
	if (rc == 0 && (info.flags & VFIO_REGION_INFO_FLAG_CAPS))
		rc = parse_chain(buf, len, info.cap_offset, &region, msix_mappable);
	if (rc == 0)
		*out = (struct vsf_region){ .info = region, .fd_offset = info.offset };
	return rc;
}

/* Asks twice if the first answer says that it needs more room. */
static int read_info(const struct vfiosafe_device *dev, uint32_t index, uint8_t *buf,
		     size_t *len)
{
	struct vfio_region_info *info = (struct vfio_region_info *)buf;
	size_t argsz = sizeof(*info);

	for (int attempt = 0; attempt < 2; attempt++) {
		memset(buf, 0, INFO_MAX);
		info->argsz = (uint32_t)argsz;
		info->index = index;
		int rc = vsf_sys(dev->sys, ioctl, dev->fd, VFIO_DEVICE_GET_REGION_INFO,
				 info);

		if (rc < 0)
			return vsf_fail(-rc, "VFIO_DEVICE_GET_REGION_INFO(%u) failed: %s",
					index, strerror(-rc));
		if (info->argsz <= argsz)
			break;
		if (info->argsz > INFO_MAX)
			return bad("it wants more than 4,096 bytes");
		argsz = info->argsz;
	}
	*len = argsz;
	return 0;
}

/* Takes [offset, offset + len) out of the areas, whole pages at a time. */
static void exclude(struct vfiosafe_region *region, struct vfiosafe_area hole)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t from = hole.offset & ~(page - 1);
	uint64_t to = (hole.offset + hole.len + page - 1) & ~(page - 1);
	struct vfiosafe_region old = *region;

	region->area_count = 0;
	for (uint32_t i = 0; i < old.area_count; i++) {
		uint64_t a = old.area[i].offset, b = a + old.area[i].len;

		/* Failure (no room for another area) only maps less. */
		if (a < from)
			(void)add_area(region, a, (b < from ? b : from) - a);
		if (b > to)
			(void)add_area(region, a > to ? a : to, b - (a > to ? a : to));
	}
}

/* An area of the MSI-X capability: offset and BAR in one dword. */
static struct vfiosafe_area msix_area(uint32_t place, uint64_t len)
{
	return (struct vfiosafe_area){ le32toh(place) & ~7u, len };
}

static void note_msix(struct vfiosafe_device *dev, uint64_t vectors, const uint32_t *place,
		      const bool *msix_mappable)
{
	struct vfiosafe_area table = msix_area(place[0], vectors * 16);
	struct vfiosafe_area pba = msix_area(place[1], (vectors + 63) / 64 * 8);
	uint32_t table_bar = le32toh(place[0]) & 7, pba_bar = le32toh(place[1]) & 7;

	if (pba_bar < VSF_BARS && pba.offset < dev->region[pba_bar].info.len)
		dev->region[pba_bar].info.msix_pba = pba;
	if (table_bar >= VSF_BARS || table.offset >= dev->region[table_bar].info.len)
		return;
	dev->region[table_bar].info.msix_table = table;
	/* Kernels before 4.16 refuse to map pages that hold the table. */
	if (!msix_mappable[table_bar])
		exclude(&dev->region[table_bar].info, table);
}

/* Where MSI-X lies, out of its capability: size, then table and PBA. */
static int find_msix(struct vfiosafe_device *dev, const bool *msix_mappable)
{
	int cap = vsf_config_find_cap(dev, VSF_PCI_CAP_MSIX);
	uint16_t control = 0;
	uint32_t place[2];
	int rc = cap;

	if (cap > 0)
		rc = vsf_config_read16(dev, (uint16_t)(cap + 2), &control);
	if (cap > 0 && rc == 0)
		rc = vsf_config_read(dev, (uint16_t)(cap + 4), place, sizeof(place));
	if (rc < 0)
		return vsf_fail(-rc, "cannot read the capabilities of %s: %s", dev->address,
				strerror(-rc));
	if (cap > 0)
		note_msix(dev, (control & 0x7ffu) + 1, place, msix_mappable);
	return 0;
}

static int read_region(struct vfiosafe_device *dev, uint32_t index,
		       struct vsf_region *region, bool *msix_mappable)
{
	uint8_t *buf = malloc(INFO_MAX);
	size_t len = 0;
	int rc;

	if (!buf)
		return vsf_fail(ENOMEM, "out of memory");
	rc = read_info(dev, index, buf, &len);
	if (rc == 0)
		rc = vsf_region_parse(buf, len, region, msix_mappable);
	free(buf);
	return rc;
}

int vsf_regions_read(struct vfiosafe_device *dev)
{
	bool msix_mappable[VSF_BARS], unused;
	struct vsf_region config;
	int rc = read_region(dev, VFIO_PCI_CONFIG_REGION_INDEX, &config, &unused);

	if (rc < 0)
		return rc;
	dev->config_offset = config.fd_offset;
	dev->config_len = (uint16_t)(config.info.len < 4096 ? config.info.len : 4096);
	for (uint32_t i = 0; i < VSF_BARS; i++) {
		rc = read_region(dev, i, &dev->region[i], &msix_mappable[i]);
		if (rc < 0)
			return rc;
	}
	return find_msix(dev, msix_mappable);
}

VFIOSAFE_API int vfiosafe_region_info(const struct vfiosafe_device *dev, uint32_t index,
				      struct vfiosafe_region *region)
{
	if (index >= VSF_BARS)
		return vsf_fail(EINVAL, "there is no BAR %u: they count from 0 to 5", index);
	*region = dev->region[index].info;
	return 0;
}
