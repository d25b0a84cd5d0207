/* SPDX-License-Identifier: MIT */
/* What the files of the fake kernel need of each other; not for tests. */
#ifndef FAKE_PARTS_H
#define FAKE_PARTS_H

#include "fake_kernel.h"

/*
 * First thing in every call: counts it, runs the hook, and says whether it has to
 * fail. Returns with the lock held.
 */
int fake_enter(struct fake *fake, enum fake_call call, uint64_t key);
/* Gives the lock back; returns @rc. */
int fake_leave(struct fake *fake, int rc);

/* fake_file.c */
struct fake_file *fake_file_new(struct fake *fake, enum fake_kind kind);
void fake_file_put(struct fake *fake, struct fake_file *file);
struct fake_file *fake_file_of(struct fake *fake, int fd);
int fake_fd_new(struct fake *fake, struct fake_file *file);
void fake_files_install(struct vfiosafe_sys *sys);

/* fake_event.c */
void fake_events_install(struct vfiosafe_sys *sys);

/* fake_share.c */
void fake_share_install(struct vfiosafe_sys *sys);

/* fake_sysfs.c */
void fake_tree_function(struct fake *fake, const struct fake_function *fn);
void fake_tree_start(struct fake *fake);
void fake_sysfs_install(struct vfiosafe_sys *sys);

/* fake_doors.c: opening a node, and the ioctls of what is no device */
int fake_door_open(struct fake *fake, const struct fake_node *node,
		   struct fake_file *file);
void fake_door_release(struct fake *fake, struct fake_file *file);
int fake_door_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		    void *arg);
bool fake_bound(const struct fake_file *file); /* an open device, ready for use */
int fake_device_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		      void *arg);

/* fake_iommu.c: address spaces */
void fake_iommu_start(struct fake *fake);
void fake_iommu_release(struct fake *fake, const struct fake_file *file);
int fake_ioas_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		    void *arg);
int fake_type1_ioctl(struct fake *fake, struct fake_file *file, unsigned long request,
		     void *arg);

/* fake_vectors.c; -ENOSYS: no request of its */
void fake_vectors_start(struct fake_function *fn);
void fake_vectors_off(struct fake_function *fn);
int fake_vectors_ioctl(struct fake *fake, struct fake_function *fn, unsigned long request,
		       void *arg);

/* fake_dmabuf.c */
struct vfio_device_feature;
int fake_dmabuf_export(struct fake *fake, struct fake_function *fn,
		       const struct vfio_device_feature *head);
void fake_dmabuf_release(struct fake_dmabuf *buf);
void fake_dmabuf_revoke(struct fake *fake, struct fake_function *fn);
void fake_dmabuf_unrevoke(struct fake *fake, const struct fake_function *fn);
void fake_dmabuf_last_close(struct fake *fake, struct fake_function *fn);
/* As IOMMU_IOAS_MAP_FILE sees it: fills what is of the BAR. */
int fake_dmabuf_map(const struct fake_dmabuf *buf, struct fake_dma *dma);
/* Where it lies in a memfd. */
int fake_dmabuf_mmap(const struct fake *fake, const struct fake_dmabuf *buf, size_t len,
		     int *fd, uint64_t *offset);

/* fake_memory.c: whose BAR is mapped at @at, and what of it; NULL */
struct fake_function *fake_bar_mapped(struct fake *fake, uintptr_t at, uint64_t *offset);

/* fake_device.c */
int fake_function_ioctl(struct fake *fake, struct fake_function *fn,
			unsigned long request, void *arg);
ssize_t fake_device_rw(struct fake *fake, struct fake_function *fn, void *buf, size_t len,
		       uint64_t offset, bool write);
void fake_log_locked(struct fake *fake, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void fake_function_reset(struct fake *fake, struct fake_function *fn);

/* fake_hot.c */
struct vfio_pci_hot_reset_info;
struct vfio_pci_hot_reset;
int fake_hot_info(struct fake *fake, const struct fake_file *caller,
		  struct vfio_pci_hot_reset_info *info);
/* Is it bound to VFIO, and no virtual function: one of the set? */
bool fake_hot_resettable(struct fake *fake, const struct fake_function *fn);
/* In the eyes of @caller's iommufd: an id, 0 by its group, or -1. */
uint32_t fake_hot_devid(struct fake *fake, const struct fake_file *caller,
			const struct fake_function *fn);

/* fake_hot_reset.c */
int fake_hot_reset(struct fake *fake, const struct fake_file *caller,
		   const struct vfio_pci_hot_reset *arg);

/* fake_irq.c */
void fake_irqs_start(struct fake_function *fn);
void fake_irqs_off(struct fake_function *fn);
int fake_irq_ioctl(struct fake *fake, struct fake_function *fn, unsigned long request,
		   void *arg);

/* fake_config.c */
ssize_t fake_config_rw(struct fake *fake, struct fake_function *fn, uint8_t *buf,
		       size_t len, uint64_t at, bool write);

/* fake_memory.c */
void fake_memory_install(struct vfiosafe_sys *sys);
void fake_memory_stop(struct fake *fake);

/* fake_clock.c */
void fake_clock_install(struct vfiosafe_sys *sys);

#endif
