/* SPDX-License-Identifier: MIT */
/* Processes that may hold a device since a former owner had it. */
#ifndef VSF_SUCCEED_H
#define VSF_SUCCEED_H

struct vfiosafe_device;

/* -EBUSY, with a text that names one that has not ended; 0: none is left. */
int vsf_former_refuse(struct vfiosafe_device *dev);
void vsf_former_free(struct vfiosafe_device *dev);

#endif
