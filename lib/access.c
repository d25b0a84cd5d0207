/* SPDX-License-Identifier: MIT */
/* Everything about a single access that need not be fast. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access.h"
#include "device.h"
#include "error.h"
#include "join.h"
#include <vfiosafe/mmio.h>

#define htole8(x) (x)
#define le8toh(x) (x)

/* One register access of a guarded operation; @value in the CPU's byte order. */
struct op {
	uint64_t offset;
	uint64_t value;
};

int vsf_check_range(const struct vfiosafe_bar *bar, uint64_t offset, unsigned int align,
		    uint64_t len)
{
	if (!bar)
		return vsf_fail_static(EINVAL,
				       "this view was never taken: vfiosafe_bar_view()");
	if (offset & (align - 1))
		return vsf_fail(EINVAL, "offset 0x%llx is not a multiple of %u: accesses are "
					"naturally aligned",
				(unsigned long long)offset, align);
	if (offset >= bar->len || bar->len - offset < len)
		return vsf_fail(ERANGE, "offset 0x%llx + %llu is outside BAR %u's range of "
					"0x%llx bytes",
				(unsigned long long)offset, (unsigned long long)len, bar->index,
				(unsigned long long)bar->len);
	return 0;
}

int vsf_check_rights(const struct vfiosafe_bar *bar, bool write)
{
	uint32_t need = write ? VFIOSAFE_GRANT_WRITE : VFIOSAFE_GRANT_READ;

	if (bar->rights & need)
		return 0;
	return vsf_fail(EPERM, "this range of BAR %u of %s was granted for %s only", bar->index,
			bar->dev->address, write ? "reading" : "writing");
}

bool vsf_is_mapped(const struct vfiosafe_bar *bar, uint64_t offset, uint64_t len)
{
	for (uint32_t i = 0; i < bar->area_count; i++) {
		const struct vfiosafe_area *area = &bar->area[i];

		if (offset >= area->offset && offset - area->offset < area->len)
			return area->len - (offset - area->offset) >= len;
	}
	return false;
}

/* One access of exactly @width: memcpy might take another. */
static void mapped_access(volatile void *at, unsigned int width, uint64_t *value, bool write)
{
	switch (width) {
#define CASE(bits)                                                                       \
	case bits / 8:                                                                   \
		if (write)                                                               \
			*(volatile uint##bits##_t *)at = htole##bits((uint##bits##_t)*value); \
		else                                                                     \
			*value = le##bits##toh(*(volatile uint##bits##_t *)at);          \
		break
		CASE(8);
		CASE(16);
		CASE(32);
		CASE(64);
#undef CASE
	default:
		break;
	}
}

/* The same through the kernel, which makes it one access of that width. */
static int fd_access(const struct vfiosafe_bar *bar, uint64_t offset, unsigned int width,
		     uint64_t *value, bool write)
{
	const struct vfiosafe_device *dev = bar->dev;
	uint64_t at = bar->fd_offset + offset;
	uint64_t raw = write ? htole64(*value) : 0;
	ssize_t n = write ? vsf_sys(dev->sys, pwrite, bar->fd, &raw, width, at)
			  : vsf_sys(dev->sys, pread, bar->fd, &raw, width, at);

	if (n != (ssize_t)width)
		return n < 0 ? (int)n : -EIO;
	if (!write)
		*value = le64toh(raw);
	return 0;
}

int vsf_one_access(const struct vfiosafe_bar *bar, uint64_t word, uint64_t offset,
		   unsigned int width, uint64_t *value, bool write)
{
	vsf_before_device_store();
	if (!vsf_is_mapped(bar, offset, width))
		return bar->grant >= 0
			       ? vsf_join_access(bar, word, offset, width, value, write)
			       : fd_access(bar, offset, width, value, write);
	mapped_access(bar->base + offset, width, value, write);
	return 0;
}

/*
 * The kernel refused an access that the words allow. EIO: decode is off, or the device
 * sleeps, behind our back.
 */
static void kernel_refused(const struct vfiosafe_bar *bar, int rc,
			   struct vsf_verdict *verdict)
{
	char why[sizeof(verdict->why)];

	snprintf(why, sizeof(why), "the kernel refused an access to BAR %u: %s%s", bar->index,
		 strerror(-rc),
		 rc == -EIO ? " (memory decode is off, or the device is in D3)" : "");
	vsf_verdict_lost(verdict, VSF_SAYS_KERNEL, VFIOSAFE_CAUSE_ACCESS, why);
	verdict->err = -rc;
}

int vsf_end_access(struct vfiosafe_bar *bar, struct vfiosafe_section *sec, int kernel,
		   bool odd)
{
	struct vsf_verdict verdict;

	if (kernel == 0 && !odd)
		return vfiosafe_end(sec);
	if (kernel < 0 && bar->grant >= 0)
		return vsf_join_end_access(bar, sec, kernel);
	verdict.err = 0;
	if (kernel < 0)
		kernel_refused(bar, kernel, &verdict);
	else
		vsf_classify(bar->dev, bar, &verdict);
	return vsf_end_judged(bar->dev, sec, &verdict);
}

/* @count accesses of @width, in order, in one section. The range was checked. */
static int access_in_section(const struct vfiosafe_view *view, struct op *ops,
			     unsigned int count, unsigned int width, bool write)
{
	struct vfiosafe_bar *bar = vsf_view_load(view, bar);
	struct vfiosafe_section sec;
	bool odd = false;
	int kernel = 0;
	int rc = vsf_check_rights(bar, write);

	if (rc < 0)
		return rc;
	rc = vsf_begin_access(view, &sec);
	if (rc < 0)
		return rc;
	for (unsigned int i = 0; i < count && kernel == 0; i++) {
		kernel = vsf_one_access(bar, vsf_section_word(&sec), ops[i].offset, width,
					&ops[i].value, write);
		odd |= !write && vsf_is_odd(bar->dev, ops[i].value, width);
	}
	return vsf_end_access(bar, &sec, kernel, odd);
}

static void deliver(void *to, unsigned int width, uint64_t value)
{
	switch (width) {
	case 1:
		*(uint8_t *)to = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)to = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)value;
		break;
	default:
		*(uint64_t *)to = value;
		break;
	}
}

static int end_late(const uint64_t **slot, const struct vsf_pair *pair, int rc)
{
	struct vfiosafe_device *held = vsf_fault_hold(pair, rc);

	vsf_slot_clear(slot);
	vsf_fault_noticed(held);
	return rc;
}

int vsf_write_late(const uint64_t **slot, struct vsf_pair pair)
{
	return end_late(slot, &pair, vsf_pair_judge(vsf_self, &pair, VSF_AFTER));
}

/* The slot becomes that of a section: asking takes long, and may do much. */
static int ask_late(struct vfiosafe_bar *bar, const uint64_t **slot,
		    const struct vsf_pair *pair)
{
	struct vfiosafe_section sec = { .device_value = pair->device_value,
					.gate_value = pair->gate_value,
					.device_word = pair->device_word,
					.gate_word = pair->gate_word,
					.slot = slot };

	vsf_top = slot + 1;
	return vsf_end_access(bar, &sec, 0, true);
}

int vsf_read_late(const struct vfiosafe_view *view, uint64_t raw, void *value,
		  unsigned int width, const uint64_t **slot, struct vsf_pair pair)
{
	struct vfiosafe_bar *bar = vsf_view_load(view, bar);
	int rc = vsf_pair_judge(vsf_self, &pair, VSF_AFTER);

	if (rc == 0 && vsf_is_odd(bar->dev, raw, width))
		rc = ask_late(bar, slot, &pair);
	else
		rc = end_late(slot, &pair, rc);
	if (rc == 0)
		deliver(value, width, raw);
	return rc;
}

int vsf_read_slow(const struct vfiosafe_view *view, uint64_t offset, void *value,
		  unsigned int width)
{
	struct op op = { .offset = offset };
	int rc = vsf_check_range(vsf_view_load(view, bar), offset, width, width);

	if (rc == 0)
		rc = access_in_section(view, &op, 1, width, false);
	if (rc == 0)
		deliver(value, width, op.value);
	return rc;
}

int vsf_write_slow(const struct vfiosafe_view *view, uint64_t offset, uint64_t value,
		   unsigned int width)
{
	struct op op = { .offset = offset, .value = value };
	int rc = vsf_check_range(vsf_view_load(view, bar), offset, width, width);

	return rc < 0 ? rc : access_in_section(view, &op, 1, width, true);
}

VFIOSAFE_API int vfiosafe_read64_lo_hi(const struct vfiosafe_view *view, uint64_t offset,
				       uint64_t *value)
{
	struct op ops[2] = { { .offset = offset }, { .offset = offset + 4 } };
	int rc = vsf_check_range(vsf_view_load(view, bar), offset, 4, 8);

	if (rc == 0)
		rc = access_in_section(view, ops, 2, 4, false);
	if (rc == 0)
		*value = ops[1].value << 32 | ops[0].value;
	return rc;
}

static int write_halves(const struct vfiosafe_view *view, uint64_t offset, struct op *ops)
{
	int rc = vsf_check_range(vsf_view_load(view, bar), offset, 4, 8);

	return rc < 0 ? rc : access_in_section(view, ops, 2, 4, true);
}

VFIOSAFE_API int vfiosafe_write64_lo_hi(const struct vfiosafe_view *view, uint64_t offset,
					uint64_t value)
{
	struct op ops[2] = { { offset, (uint32_t)value }, { offset + 4, value >> 32 } };

	return write_halves(view, offset, ops);
}

VFIOSAFE_API int vfiosafe_write64_hi_lo(const struct vfiosafe_view *view, uint64_t offset,
					uint64_t value)
{
	struct op ops[2] = { { offset + 4, value >> 32 }, { offset, (uint32_t)value } };

	return write_halves(view, offset, ops);
}
