/* SPDX-License-Identifier: MIT */
/* The address spaces behind both doors: an IOAS of an iommufd, a type1 container. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_parts.h"
#include "uapi.h"

void fake_iommu_start(struct fake *fake)
{
	struct fake_iommu *iommu = &fake->iommu;

	iommu->align = FAKE_PAGE;
	iommu->entries = FAKE_DMAS;
	iommu->count = 2;
	iommu->range[0] = (struct fake_iova){ 0, 0xfedfffff };
	iommu->range[1] = (struct fake_iova){ 0xfef00000, 0xffffffffffff };
}

static void end(struct fake *fake, struct fake_dma *dma)
{
	if (dma->fn)
		fake_log_locked(fake, "UNMAP");
	dma->file = NULL;
	fake_file_put(fake, dma->buf);
}

/* Mappings end with the last reference to their address space. */
void fake_iommu_release(struct fake *fake, const struct fake_file *file)
{
	for (int i = 0; i < FAKE_DMAS; i++)
		if (fake->iommu.dma[i].file == file)
			end(fake, &fake->iommu.dma[i]);
}

static bool in_range(const struct fake_iommu *iommu, uint64_t iova, uint64_t last)
{
	for (unsigned int i = 0; i < iommu->count; i++)
		if (iova >= iommu->range[i].start && last <= iommu->range[i].last)
			return true;
	return iommu->count == 0;
}

static bool overlaps(const struct fake_iommu *iommu, const struct fake_dma *dma)
{
	for (int i = 0; i < FAKE_DMAS; i++) {
		const struct fake_dma *old = &iommu->dma[i];

		if (old->file == dma->file && dma->iova < old->iova + old->len &&
		    old->iova < dma->iova + dma->len)
			return true;
	}
	return false;
}

static uint64_t pinned(const struct fake_iommu *iommu)
{
	uint64_t bytes = 0;

	for (int i = 0; i < FAKE_DMAS; i++)
		bytes += iommu->dma[i].file && !iommu->dma[i].fn ? iommu->dma[i].len : 0;
	return bytes;
}

/* As both kernels check it, in the order of type1. */
static int add(struct fake *fake, const struct fake_dma *dma)
{
	struct fake_iommu *iommu = &fake->iommu;
	struct fake_dma *at = iommu->dma;

	if (dma->len == 0 || dma->prot == 0 ||
	    (dma->iova | dma->len | dma->vaddr | dma->offset) & (iommu->align - 1))
		return -EINVAL;
	if (overlaps(iommu, dma))
		return -EEXIST;
	while (at->file)
		at++;
	if (at - iommu->dma >= iommu->entries)
		return -ENOSPC;
	if (!in_range(iommu, dma->iova, dma->iova + dma->len - 1))
		return -EINVAL;
	if (dma->vaddr && msync((void *)dma->vaddr, dma->len, MS_ASYNC) < 0)
		return -EFAULT;
	if (!dma->fn && pinned(iommu) + dma->len > fake->memlock_limit)
		return -ENOMEM;
	*at = *dma;
	if (dma->fn)
		fake_log_locked(fake, "MAP");
	if (dma->buf)
		dma->buf->refs++;
	return 0;
}

/* Of what reaches into these addresses, the part outside. */
static bool cuts(const struct fake_dma *dma, uint64_t iova, uint64_t len)
{
	return dma->iova < iova + len && iova < dma->iova + dma->len &&
	       (dma->iova < iova || dma->iova + dma->len > iova + len);
}

/* All that lies there, none of it cut into parts; how many bytes went. */
static uint64_t take_out(struct fake *fake, const struct fake_file *file, uint64_t iova,
			 uint64_t len)
{
	struct fake_dma *dma = fake->iommu.dma;
	uint64_t gone = 0;

	for (int i = 0; i < FAKE_DMAS; i++)
		if (dma[i].file == file && cuts(&dma[i], iova, len))
			return 0;
	for (int i = 0; i < FAKE_DMAS; i++) {
		if (dma[i].file != file || dma[i].iova < iova || dma[i].iova >= iova + len)
			continue;
		gone += dma[i].len;
		end(fake, &dma[i]);
	}
	return gone;
}

static int ioas_ranges(const struct fake_iommu *iommu, struct iommu_ioas_iova_ranges *ask)
{
	struct iommu_iova_range *out = (void *)(uintptr_t)ask->allowed_iovas;
	uint32_t room = ask->num_iovas;

	for (uint32_t i = 0; i < iommu->count && i < room; i++)
		out[i] = (struct iommu_iova_range){ iommu->range[i].start,
						    iommu->range[i].last };
	ask->num_iovas = iommu->count;
	ask->out_iova_alignment = iommu->align;
	return iommu->count > room ? -EMSGSIZE : 0;
}

static int ioas_map(struct fake *fake, struct fake_file *file,
		    const struct iommu_ioas_map *map)
{
	const struct fake_dma dma = { .file = file,
				      .iova = map->iova,
				      .len = map->length,
				      .vaddr = map->user_va,
				      .fd = -1,
				      .prot = map->flags >> 1 };

	uint64_t at;

	if (map->size < sizeof(*map) || !(map->flags & IOMMU_IOAS_MAP_FIXED_IOVA))
		return -EINVAL;
	if (fake_bar_mapped(fake, dma.vaddr, &at))
		return -EFAULT;
	return map->ioas_id == file->ioas_id ? add(fake, &dma) : -ENOENT;
}

static int check_file(const struct iommu_ioas_map_file *map)
{
	struct stat st;

	if (fstat(map->fd, &st) < 0)
		return -EBADF;
	if (fcntl(map->fd, F_GET_SEALS) < 0)
		return -EINVAL;
	/* How it is open is not looked at. */
	return map->start + map->length <= (uint64_t)st.st_size ? 0 : -EINVAL;
}

static int ioas_map_file(struct fake *fake, struct fake_file *file,
			 const struct iommu_ioas_map_file *map)
{
	struct fake_dma dma = { .file = file,
				.iova = map->iova,
				.len = map->length,
				.fd = map->fd,
				.offset = map->start,
				.prot = map->flags >> 1,
				.buf = fake_file_of(fake, map->fd) };
	int rc;

	if (fake->iommu.no_map_file)
		return -ENOTTY;
	if (map->size < sizeof(*map) || !(map->flags & IOMMU_IOAS_MAP_FIXED_IOVA))
		return -EINVAL;
	rc = !dma.buf	    ? check_file(map)
	     : dma.buf->buf ? fake_dmabuf_map(dma.buf->buf, &dma)
			    : -EINVAL;
	if (rc == 0 && map->ioas_id != file->ioas_id)
		rc = -ENOENT;
	return rc < 0 ? rc : add(fake, &dma);
}

static int ioas_unmap(struct fake *fake, const struct fake_file *file,
		      struct iommu_ioas_unmap *unmap)
{
	if (unmap->ioas_id != file->ioas_id)
		return -ENOENT;
	unmap->length = take_out(fake, file, unmap->iova, unmap->length);
	return unmap->length ? 0 : -ENOENT;
}

int fake_ioas_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		    void *arg)
{
	switch (request) {
	case IOMMU_IOAS_IOVA_RANGES:
		return ioas_ranges(&fake->iommu, arg);
	case IOMMU_IOAS_MAP:
		return ioas_map(fake, file, arg);
	case IOMMU_IOAS_MAP_FILE:
		return ioas_map_file(fake, file, arg);
	case IOMMU_IOAS_UNMAP:
		return ioas_unmap(fake, file, arg);
	default:
		return -ENOTTY;
	}
}

static uint32_t put(uint8_t *answer, uint32_t at, uint32_t next, uint16_t id,
		    const void *body, uint32_t len)
{
	const struct vfio_info_cap_header head = { .id = id, .version = 1, .next = next };

	memcpy(answer + at, &head, sizeof(head));
	memcpy(answer + at + sizeof(head), body, len);
	return at + (uint32_t)sizeof(head) + len;
}

/* Three capabilities, the ranges last, as the kernel sends them. */
static uint32_t add_caps(const struct fake_iommu *iommu, uint8_t *answer)
{
	uint32_t at = sizeof(struct vfio_iommu_type1_info), head = 8;
	uint32_t avail[2] = { iommu->entries }, migration[6] = { 0 };
	struct {
		uint32_t count, reserved;
		struct fake_iova range[FAKE_IOVAS];
	} list = { .count = iommu->count };

	memcpy(list.range, iommu->range, sizeof(list.range));
	at = put(answer, at, at + head + sizeof(migration), 2, migration,
		 sizeof(migration));
	at = put(answer, at, iommu->count ? at + head + (uint32_t)sizeof(avail) : 0, 3,
		 avail, sizeof(avail));
	if (iommu->count)
		at = put(answer, at, 0, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, &list,
			 8 + iommu->count * (uint32_t)sizeof(list.range[0]));
	return at;
}

static int get_info(const struct fake_iommu *iommu, struct vfio_iommu_type1_info *info)
{
	_Alignas(8) uint8_t answer[4096] = { 0 };
	uint32_t argsz = info->argsz, len = add_caps(iommu, answer);
	struct vfio_iommu_type1_info said = { .argsz = argsz,
					      .flags = VFIO_IOMMU_INFO_PGSIZES,
					      .iova_pgsizes = ~(iommu->align - 1) };

	if (argsz < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EINVAL;
	if (!iommu->no_caps) {
		said.flags |= VFIO_IOMMU_INFO_CAPS;
		/* It does not fit: succeeds all the same, and says what it takes. */
		said.argsz = argsz < len ? len : argsz;
		said.cap_offset = argsz < len ? 0 : sizeof(said);
	}
	memcpy(answer, &said, sizeof(said));
	memcpy(info, answer, said.cap_offset ? len : sizeof(said));
	return 0;
}

static int type1_map(struct fake *fake, struct fake_file *file,
		     const struct vfio_iommu_type1_dma_map *map)
{
	struct fake_dma dma = { .file = file,
				.iova = map->iova,
				.len = map->size,
				.vaddr = map->vaddr,
				.fd = -1,
				.prot = map->flags & 1 ? map->flags & 2 ? 3 : 2 : 1 };

	/* Of a BAR too: it touches the pages. */
	dma.fn = fake_bar_mapped(fake, dma.vaddr, &dma.bar_at);
	if (dma.fn && !(fake_command(dma.fn) & 2))
		return -EFAULT;
	return map->argsz < sizeof(*map) ? -EINVAL : add(fake, &dma);
}

/* Nothing there is no error: the size says it. */
static int type1_unmap(struct fake *fake, const struct fake_file *file,
		       struct vfio_iommu_type1_dma_unmap *unmap)
{
	unmap->size = take_out(fake, file, unmap->iova, unmap->size);
	return 0;
}

int fake_type1_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		     void *arg)
{
	if (!file->typed)
		return -EINVAL;
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return get_info(&fake->iommu, arg);
	case VFIO_IOMMU_MAP_DMA:
		return type1_map(fake, file, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return type1_unmap(fake, file, arg);
	default:
		return -ENOTTY;
	}
}
