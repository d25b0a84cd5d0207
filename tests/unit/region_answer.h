/* SPDX-License-Identifier: MIT */
/* region_answer.h - answers of the kernel, put together by hand. */
#ifndef REGION_ANSWER_H
#define REGION_ANSWER_H

#include "region.h"
#include "uapi.h"
#include "unit.h"

#define REGION_LEN 0x10000u
#define HEAD ((uint32_t)sizeof(struct vfio_region_info))

struct answer {
	union {
		struct vfio_region_info head;
		uint8_t bytes[1024];
	};
	size_t len;
};

static inline struct answer plain(void)
{
	struct answer answer = { .len = HEAD };

	answer.head = (struct vfio_region_info){
		.argsz = HEAD,
		.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			 VFIO_REGION_INFO_FLAG_MMAP,
		.size = REGION_LEN,
		.offset = FAKE_REGION(1),
	};
	return answer;
}

static inline void put_cap(struct answer *answer, uint32_t at, uint16_t id, uint32_t next)
{
	const struct vfio_info_cap_header cap = { .id = id, .version = 1, .next = next };

	memcpy(answer->bytes + at, &cap, sizeof(cap));
}

/* @n areas behind the header, as pairs of offset and length. */
static inline struct answer sparse(uint32_t n, const uint64_t *pairs)
{
	struct answer answer = plain();
	size_t at = HEAD + sizeof(struct vfio_region_info_cap_sparse_mmap);

	answer.head.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	answer.head.cap_offset = HEAD;
	put_cap(&answer, HEAD, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	memcpy(answer.bytes + HEAD + sizeof(struct vfio_info_cap_header), &n, sizeof(n));
	memcpy(answer.bytes + at, pairs, n * 16);
	answer.len = at + n * 16;
	return answer;
}

#endif
