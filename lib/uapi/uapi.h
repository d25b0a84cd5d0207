/* SPDX-License-Identifier: MIT */
/* The kernel's headers (lib/uapi), usable with an older libc's idea of them. */
#ifndef VSF_UAPI_H
#define VSF_UAPI_H

#include <linux/stddef.h>
#ifndef __counted_by
#define __counted_by(member)
#endif
#include <linux/iommufd.h>
#include <linux/vfio.h>

#endif
