/* SPDX-License-Identifier: MIT */
/*
 * The two doors to a device, and the IOMMU context behind each. Only
 * open_cdev.c, open_group.c, dma_cdev.c and dma_group.c know what lies behind them.
 */
#ifndef VSF_DOOR_H
#define VSF_DOOR_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/device.h>

#include "dma.h"
#include "function.h"
#include "sys.h"

/* What every step of an open needs to know. */
struct vsf_open {
	const struct vfiosafe_sys *sys;
	const char *address; /* canonical */
	int64_t deadline;    /* for EAGAIN */
	struct vsf_iommu *iommu; /* in: shared with another device, or NULL; out */
	int fd;			 /* out */
	const uint8_t *vf_token; /* 16 bytes, or NULL */
};

/* vf_token.c: what the group door takes for a name, with the token in it. */
#define VSF_TOKEN_NAME_LEN 80
const char *vsf_token_name(const struct vsf_open *req, char name[VSF_TOKEN_NAME_LEN]);
/* -EACCES with a text. */
int vsf_refuse_token(const struct vsf_open *req);

/* An IOMMU context, shared by the devices that were opened into it. */
struct vsf_iommu {
	const struct vfiosafe_sys *sys;
	enum vfiosafe_door door;
	unsigned int refs;
	int fd;		  /* iommufd, or container */
	uint32_t ioas_id; /* cdev door */
	pthread_mutex_t lock;	  /* of groups: one open at a time */
	struct vsf_group *groups; /* group door */
	const struct vsf_dma_door *dma; /* how mappings are made; constant */
	struct vsf_mappings maps;	/* with a lock of its own */
	struct vfiosafe_device *devices; /* open in it; under `lock` */
};

struct vsf_group {
	struct vsf_group *next;
	unsigned int id;
	int fd;
};

/*
 * Each opens req->address. On success req->fd and req->iommu are set, the latter
 * with a reference of its own. -EOPNOTSUPP: this kernel has no such door.
 */
int vsf_open_cdev(struct vsf_open *req);
int vsf_open_group(struct vsf_open *req);

/* iommu.c: life of a context. The last reference closes its fds. */
struct vsf_iommu *vsf_iommu_new(const struct vfiosafe_sys *sys, enum vfiosafe_door door);
void vsf_iommu_get(struct vsf_iommu *iommu);
void vsf_iommu_put(struct vsf_iommu *iommu);
/* What is open in it; a forked child does not ask. */
void vsf_iommu_add(struct vsf_iommu *iommu, struct vfiosafe_device *dev);
void vsf_iommu_remove(struct vfiosafe_device *dev);
/* In a forked child, before the put: what the child did not inherit. */
void vsf_iommu_forget(struct vsf_iommu *iommu);

/*
 * Retries an ioctl that answers EAGAIN, with back-off, until req->deadline;
 * then -ETIMEDOUT. Contention is normal: opening a device resets it.
 */
int vsf_open_ioctl(const struct vsf_open *req, int fd, unsigned long request, void *arg);

/* diagnose.c: 0 if the function exists and is bound to a VFIO driver. */
int vsf_check_bound(const struct vsf_open *req);

/* -EACCES, -ENOENT, ... of opening @node, in words. */
int vsf_refuse_node(int err, const char *node, const char *hint);

/*
 * Names the functions of the same IOMMU group that are bound to drivers other
 * than VFIO's; false if there are none.
 */
bool vsf_group_blockers(const struct vsf_open *req, char *buf, size_t len);

/* address.c: true, and its canonical form, if it is "dddd:bb:dd.f". */
bool vsf_address_canonical(const char *address, char *canonical, size_t len);

/* address.c: canonical form of "dddd:bb:dd.f"; -EINVAL with a text. */
int vsf_address_parse(const char *address, char *canonical, size_t len);

#endif
