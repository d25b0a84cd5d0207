/* SPDX-License-Identifier: MIT */
#ifndef VSF_REGION_H
#define VSF_REGION_H

#include <stddef.h>

#include "device.h"

/*
 * Parses an answer to VFIO_DEVICE_GET_REGION_INFO: @len bytes at @buf, its
 * capability chain included. Pure code, fed by fuzzers. 0 or -EBADMSG with a text.
 * *@msix_mappable: the kernel lets the MSI-X table be mapped too.
 */
int vsf_region_parse(const void *buf, size_t len, struct vsf_region *out,
		     bool *msix_mappable);

/* Reads all BARs and the config region of an open device into @dev. */
int vsf_regions_read(struct vfiosafe_device *dev);

#endif
