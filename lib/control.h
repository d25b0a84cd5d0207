/* SPDX-License-Identifier: MIT */
/*
 * The control page of a device that is shared: a copy of its word, written by the owner,
 * mapped by every client, who cannot write to it nor take it away.
 */
#ifndef VSF_CONTROL_H
#define VSF_CONTROL_H

#include <stdint.h>

#define VSF_CONTROL_MAGIC UINT32_C(0x63736676) /* "vfsc" */
#define VSF_CONTROL_VERSION 1

/* Of one machine: in its byte order. */
struct vsf_control {
	uint32_t magic;
	uint32_t version;
	uint64_t word __attribute__((aligned(64)));
};

struct vfiosafe_sys;

/* A page, and its file to be handed out; 0 or -errno with a text. */
int vsf_control_new(const struct vfiosafe_sys *sys, struct vsf_control **page, int *fd);

/* Maps one that came from an owner. -EPROTO: not a control page, or not sealed. */
int vsf_control_map(const struct vfiosafe_sys *sys, const struct vsf_control **page, int fd);

void vsf_control_free(const struct vfiosafe_sys *sys, const struct vsf_control *page);

#endif
