/* SPDX-License-Identifier: MIT */
/*
 * What sysfs says about a PCI function. All return 0, or -errno without a text:
 * whoever asks knows what it means.
 */
#ifndef VSF_FUNCTION_H
#define VSF_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>

#include "sys.h"

#define VSF_SYSFS_DEVICES "/sys/bus/pci/devices"
#define VSF_NAME_LEN 64

/* The driver it is bound to; -ENOENT: none. */
int vsf_function_driver(const struct vfiosafe_sys *sys, const char *address, char *buf,
			size_t len);

/* vfio-pci and its variants: mlx5_vfio_pci, nvgrace_gpu_vfio_pci, ... */
bool vsf_is_vfio_driver(const char *driver);

/* The name of its IOMMU group, a number; -ENOENT: none. */
int vsf_function_group(const struct vfiosafe_sys *sys, const char *address, char *buf,
		       size_t len);

/* The number that such a name is; -EBADMSG. */
int vsf_group_number(const char *name, unsigned int *id);

/* The name of its VFIO node, "vfio3"; -ENOENT: none. */
int vsf_function_node(const struct vfiosafe_sys *sys, const char *address, char *buf,
		      size_t len);

/* How to bind it to vfio-pci, in shell commands. */
void vsf_bind_advice(const char *address, bool bound, char *buf, size_t len);

#endif
