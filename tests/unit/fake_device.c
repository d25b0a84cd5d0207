/* SPDX-License-Identifier: MIT */
/* A PCI function behind its fd: what it says of itself, BARs, the reset. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_parts.h"
#include "uapi.h"

static int get_info(const struct fake_function *fn, struct vfio_device_info *info)
{
	if (info->argsz < offsetof(struct vfio_device_info, cap_offset))
		return -EINVAL;
	info->flags = (fn->not_pci ? VFIO_DEVICE_FLAGS_PLATFORM : VFIO_DEVICE_FLAGS_PCI) |
		      (fn->no_reset ? 0 : VFIO_DEVICE_FLAGS_RESET);
	info->num_regions = VFIO_PCI_NUM_REGIONS;
	info->num_irqs = VFIO_PCI_NUM_IRQS;
	return 0;
}

/* Appends one capability at *@at, 8-byte aligned; returns where it lies. */
static size_t add_cap(uint8_t *answer, size_t *at, uint16_t id, size_t len, size_t last)
{
	struct vfio_info_cap_header head = { .id = id, .version = 1 };
	uint32_t here = (uint32_t)*at;

	memcpy(answer + here, &head, sizeof(head));
	if (last)
		memcpy(answer + last + offsetof(struct vfio_info_cap_header, next), &here,
		       sizeof(here));
	*at = (here + len + 7) & ~(size_t)7;
	return here;
}

static size_t add_sparse(uint8_t *answer, size_t *at, const struct fake_bar *bar,
			 size_t last)
{
	size_t head = sizeof(struct vfio_region_info_cap_sparse_mmap);
	size_t len = head + bar->area_count * sizeof(struct vfio_region_sparse_mmap_area);
	size_t here = add_cap(answer, at, VFIO_REGION_INFO_CAP_SPARSE_MMAP, len, last);
	uint32_t n = bar->area_count;

	memcpy(answer + here +
		       offsetof(struct vfio_region_info_cap_sparse_mmap, nr_areas),
	       &n, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		struct vfio_region_sparse_mmap_area area = { bar->area[i].offset,
							     bar->area[i].len };

		memcpy(answer + here + head + i * sizeof(area), &area, sizeof(area));
	}
	return here;
}

/* The whole answer, capabilities included; its length. */
static size_t describe(const struct fake_function *fn, uint32_t index, uint8_t *answer)
{
	const struct fake_bar none = { 0 };
	const struct fake_bar *bar = index < FAKE_BARS ? &fn->bar[index] : &none;
	struct vfio_region_info info = { .index = index, .offset = FAKE_REGION(index) };
	size_t len = sizeof(info), last = 0;

	info.size = index == VFIO_PCI_CONFIG_REGION_INDEX ? sizeof(fn->config) : bar->len;
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (bar->len && !bar->no_mmap && !bar->io_port)
		info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (bar->msix_mappable)
		last = add_cap(answer, &len, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
			       sizeof(struct vfio_info_cap_header), last);
	if (bar->area_count)
		last = add_sparse(answer, &len, bar, last);
	if (last) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info.cap_offset = sizeof(info);
	}
	memcpy(answer, &info, sizeof(info));
	return len;
}

static int get_region_info(const struct fake_function *fn, struct vfio_region_info *info)
{
	_Alignas(8) uint8_t answer[512] = { 0 };
	uint32_t argsz = info->argsz;
	size_t len;

	if (argsz < sizeof(*info) || info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	len = describe(fn, info->index, answer);
	memcpy(info, answer, argsz < len ? sizeof(*info) : len);
	info->argsz = argsz;
	/* It does not fit: succeeds all the same, and says what it takes. */
	if (argsz < len) {
		info->argsz = (uint32_t)len;
		info->cap_offset = 0;
	}
	return 0;
}

void fake_function_reset(struct fake *fake, struct fake_function *fn)
{
	fn->resets++;
	fn->config[FAKE_PMCSR] &= (uint8_t)~3u;
	memset(fn->memory, 0, 0x10000);
	fn->silent_until = fake->sys.now_ns(fake) + fn->silent_ns;
	fake_dmabuf_revoke(fake, fn);
	if (fn->resets_command || fn->decode_stuck)
		fake_set_command(fn, 0);
	fake_dmabuf_unrevoke(fake, fn);
}

static int reset(struct fake *fake, struct fake_function *fn)
{
	if (fn->no_reset)
		return -EINVAL;
	fake_log_locked(fake, "RESET");
	fake_function_reset(fake, fn);
	return 0;
}

/* As the kernel, but that nothing sleeps: a device in low power refuses its BARs. */
static int feature(struct fake *fake, struct fake_function *fn,
		   const struct vfio_device_feature *arg)
{
	bool enter = true, wakeup = false;

	if ((arg->flags & VFIO_DEVICE_FEATURE_MASK) == VFIO_DEVICE_FEATURE_DMA_BUF)
		return fake_dmabuf_export(fake, fn, arg);
	if (fn->sriov && arg->flags == (VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN)) {
		memcpy(fn->own_token, arg->data, sizeof(fn->own_token));
		return arg->argsz == sizeof(*arg) + sizeof(fn->own_token) ? 0 : -EINVAL;
	}
	if (fn->no_low_power || !(arg->flags & VFIO_DEVICE_FEATURE_SET))
		return -ENOTTY;
	switch (arg->flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		wakeup = true;
		break;
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		break;
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		enter = false;
		break;
	default:
		return -ENOTTY;
	}
	if (enter && fn->low_power)
		return -EINVAL;
	if (arg->argsz < sizeof(*arg) + (wakeup ? sizeof(int32_t) : 0))
		return -EINVAL;
	if (wakeup)
		memcpy(&fn->wakeup_fd, arg->data, sizeof(int32_t));
	if (enter || fn->low_power)
		fake_log_locked(fake, enter ? wakeup ? "SLEEP-WAKEUP" : "SLEEP" : "AWAKE");
	fn->low_power = enter;
	if (enter)
		fake_dmabuf_revoke(fake, fn);
	else
		fake_dmabuf_unrevoke(fake, fn);
	return 0;
}

int fake_function_ioctl(struct fake *fake, struct fake_function *fn,
			unsigned long request, void *arg)
{
	int rc = fake_vectors_ioctl(fake, fn, request, arg);

	if (rc != -ENOSYS)
		return rc;
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(fn, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(fn, arg);
	case VFIO_DEVICE_RESET:
		return reset(fake, fn);
	case VFIO_DEVICE_FEATURE:
		return feature(fake, fn, arg);
	default:
		return fake_irq_ioctl(fake, fn, request, arg);
	}
}

static ssize_t bar_rw(struct fake *fake, struct fake_function *fn, unsigned int index,
		      uint8_t *buf, size_t len, uint64_t at, bool write)
{
	const struct fake_bar *bar = &fn->bar[index];
	uint8_t *memory = fake_bar(fn, index) + at;
	uint64_t value = 0;

	if (at >= bar->len)
		return -EINVAL;
	if (!bar->io_port && (!(fake_command(fn) & 2) || (fn->config[FAKE_PMCSR] & 3) == 3))
		return -EIO;
	len = len < bar->len - at ? len : bar->len - at;
	memcpy(write ? memory : buf, write ? buf : memory, len);
	memcpy(&value, buf, len < 8 ? len : 8);
	fake_log_locked(fake, "%c%u+%llx:%zu=%llx", write ? 'w' : 'r', index,
			(unsigned long long)at, len, (unsigned long long)value);
	return (ssize_t)len;
}

ssize_t fake_device_rw(struct fake *fake, struct fake_function *fn, void *buf, size_t len,
		       uint64_t offset, bool write)
{
	uint64_t index = offset >> 40, at = offset & (FAKE_REGION(1) - 1);

	if (index < FAKE_BARS)
		return bar_rw(fake, fn, (unsigned int)index, buf, len, at, write);
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return fake_config_rw(fake, fn, buf, len, at, write);
	return -EINVAL;
}
