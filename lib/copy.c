/* SPDX-License-Identifier: MIT */
/* Copies out of and into a BAR: chunks, each in a section, all in one generation. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "access.h"
#include "device.h"
#include "error.h"
#include <vfiosafe/copy.h>

#define le8toh(x) (x)

/* Accesses in one section, which a window may have to wait for. */
#define CHUNK_ACCESSES 512

/* One copy, and what is left of it. Only one of the two pointers is set. */
struct copy {
	struct vfiosafe_bar *bar;
	uint64_t offset;
	uint8_t *to;
	const uint8_t *from;
	size_t len;
	unsigned int width;
	bool odd; /* a value that was read so far */
};

/* memcpy() on the memory's side, which may be unaligned; one access on the device's. */
#define DEFINE_MAPPED(bits)                                                              \
	static bool load_mapped##bits(const struct copy *copy, size_t len)               \
	{                                                                                \
		const volatile uint8_t *base = copy->bar->base + copy->offset;           \
		bool odd = false;                                                        \
                                                                                         \
		for (size_t at = 0; at < len; at += bits / 8) {                          \
			uint##bits##_t raw = vsf_load##bits(base, at);                   \
                                                                                         \
			memcpy(copy->to + at, &raw, sizeof(raw));                        \
			odd |= vsf_is_odd(copy->bar->dev, le##bits##toh(raw), bits / 8); \
		}                                                                        \
		return odd;                                                              \
	}                                                                                \
	static void store_mapped##bits(const struct copy *copy, size_t len)              \
	{                                                                                \
		volatile uint8_t *base = copy->bar->base + copy->offset;                 \
                                                                                         \
		for (size_t at = 0; at < len; at += bits / 8) {                          \
			uint##bits##_t raw;                                              \
                                                                                         \
			memcpy(&raw, copy->from + at, sizeof(raw));                      \
			*(volatile uint##bits##_t *)(base + at) = raw;                   \
		}                                                                        \
	}

DEFINE_MAPPED(8)
DEFINE_MAPPED(16)
DEFINE_MAPPED(32)
DEFINE_MAPPED(64)

static bool load_mapped(const struct copy *copy, size_t len)
{
	switch (copy->width) {
	case 1:
		return load_mapped8(copy, len);
	case 2:
		return load_mapped16(copy, len);
	case 4:
		return load_mapped32(copy, len);
	default:
		return load_mapped64(copy, len);
	}
}

static void store_mapped(const struct copy *copy, size_t len)
{
	vsf_before_device_store();
	switch (copy->width) {
	case 1:
		return store_mapped8(copy, len);
	case 2:
		return store_mapped16(copy, len);
	case 4:
		return store_mapped32(copy, len);
	default:
		return store_mapped64(copy, len);
	}
}

/* Access by access, some or all of them through the kernel. */
static int copy_each(struct copy *copy, uint64_t word, size_t len)
{
	const struct vfiosafe_bar *bar = copy->bar;
	unsigned int width = copy->width;
	uint64_t value = 0;
	int rc = 0;

	for (size_t at = 0; at < len && rc == 0; at += width) {
		if (copy->from) {
			memcpy(&value, copy->from + at, width);
			value = le64toh(value);
		}
		rc = vsf_one_access(bar, word, copy->offset + at, width, &value,
				    copy->from != NULL);
		if (rc == 0 && copy->to) {
			uint64_t raw = htole64(value);

			memcpy(copy->to + at, &raw, width);
			copy->odd |= vsf_is_odd(bar->dev, value, width);
		}
	}
	return rc;
}

static int copy_some(struct copy *copy, uint64_t word, size_t len)
{
	if (!vsf_is_mapped(copy->bar, copy->offset, len))
		return copy_each(copy, word, len);
	if (copy->to)
		copy->odd |= load_mapped(copy, len);
	else
		store_mapped(copy, len);
	return 0;
}

static void advance(struct copy *copy, size_t len)
{
	copy->offset += len;
	copy->len -= len;
	if (copy->to)
		copy->to += len;
	else
		copy->from += len;
}

/* What was odd is asked about once, in the last section. */
static int copy_chunk(const struct vfiosafe_view *view, struct copy *copy)
{
	size_t most = (size_t)CHUNK_ACCESSES * copy->width;
	size_t len = copy->len < most ? copy->len : most;
	struct vfiosafe_section sec;
	int kernel, rc = vsf_begin_access(view, &sec);

	if (rc < 0)
		return rc;
	kernel = copy_some(copy, vsf_section_word(&sec), len);
	rc = vsf_end_access(copy->bar, &sec, kernel, copy->odd && len == copy->len);
	if (rc == 0)
		advance(copy, len);
	return rc;
}

static int check_copy(const struct copy *copy)
{
	unsigned int width = copy->width;
	int rc;

	if (width != 1 && width != 2 && width != 4 && width != 8)
		return vsf_fail(EINVAL, "a width of %u; it may be 1, 2, 4 or 8", width);
	if (copy->len % width)
		return vsf_fail(EINVAL,
				"a length of %zu is not a multiple of the width, %u",
				copy->len, width);
	if (copy->len > 0 && !copy->to && !copy->from)
		return vsf_fail(EINVAL, "%zu bytes of memory at a null pointer",
				copy->len);
	/* The end of the range is no place for an access, but for none. */
	if (copy->bar && copy->len == 0 && copy->offset == copy->bar->len)
		return 0;
	rc = vsf_check_range(copy->bar, copy->offset, width, copy->len);
	return rc < 0 ? rc : vsf_check_rights(copy->bar, copy->from != NULL);
}

/* Each word once: who renews the view meanwhile does not take the copy along. */
static struct vfiosafe_view snapshot(const struct vfiosafe_view *view)
{
	struct vfiosafe_view now = {
		.device_value = vsf_view_load(view, device_value),
		.gate_value = vsf_view_load(view, gate_value),
		.device_word = vsf_view_load(view, device_word),
		.gate_word = vsf_view_load(view, gate_word),
		.bar = vsf_view_load(view, bar),
	};

	return now;
}

static int copy_all(const struct vfiosafe_view *view, struct copy *copy)
{
	struct vfiosafe_view now = snapshot(view);
	int rc;

	copy->bar = now.bar;
	rc = check_copy(copy);
	while (rc == 0 && copy->len > 0)
		rc = copy_chunk(&now, copy);
	return rc;
}

VFIOSAFE_API int vfiosafe_copy_from(const struct vfiosafe_view *view, uint64_t offset,
				    void *dst, size_t len, unsigned int width)
{
	struct copy copy = { .offset = offset, .to = dst, .len = len, .width = width };

	return copy_all(view, &copy);
}

VFIOSAFE_API int vfiosafe_copy_to(const struct vfiosafe_view *view, uint64_t offset,
				  const void *src, size_t len, unsigned int width)
{
	struct copy copy = { .offset = offset, .from = src, .len = len, .width = width };

	return copy_all(view, &copy);
}
