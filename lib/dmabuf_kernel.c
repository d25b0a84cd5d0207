/* SPDX-License-Identifier: MIT */
/* What the kernel makes of ranges: VFIO_DEVICE_FEATURE_DMA_BUF. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "device.h"
#include "dmabuf.h"
#include "error.h"
#include "uapi.h"

#define HEAD (sizeof(struct vfio_device_feature) + sizeof(struct vfio_device_feature_dma_buf))

/* After our own checks the kernel's codes leave few meanings. */
static int refused(const struct vfiosafe_dmabuf *buf, int err)
{
	const char *address = buf->dev->address;

	switch (err) {
	case -ENOTTY:
		return vsf_fail(EOPNOTSUPP,
				"this kernel exports no BARs as dma-buf: that is in Linux 6.19 "
				"and later, with CONFIG_VFIO_PCI_DMABUF");
	case -EOPNOTSUPP:
		return vsf_fail(EOPNOTSUPP,
				"the kernel driver of %s exports no BARs as dma-buf; vfio-pci "
				"does",
				address);
	case -EINVAL:
		return vsf_fail(EOPNOTSUPP,
				"the kernel does not export BAR %u of %s as dma-buf (EINVAL)",
				buf->index, address);
	case -ENODEV:
		return vsf_fail(EBUSY,
				"the kernel does not export BAR %u of %s: another driver owns "
				"it, or the device is being removed",
				buf->index, address);
	default:
		return vsf_fail(-err, "exporting BAR %u of %s failed: %s", buf->index, address,
				strerror(-err));
	}
}

/* The fd, or the kernel's -errno. */
static int ask(const struct vfiosafe_dmabuf *buf, uint32_t first, uint32_t n)
{
	struct vfio_region_dma_range range[VFIOSAFE_DMABUF_RANGES];
	_Alignas(struct vfio_device_feature) uint8_t arg[HEAD + sizeof(range)];
	struct vfio_device_feature feature = {
		.argsz = (uint32_t)(HEAD + n * sizeof(range[0])),
		.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
	};
	struct vfio_device_feature_dma_buf body = {
		.region_index = buf->index,
		.open_flags = O_CLOEXEC | O_RDWR,
		.nr_ranges = n,
	};

	for (uint32_t i = 0; i < n; i++)
		range[i] = (struct vfio_region_dma_range){
			buf->part[first + i].area.offset, buf->part[first + i].area.len
		};
	memcpy(arg, &feature, sizeof(feature));
	memcpy(arg + sizeof(feature), &body, sizeof(body));
	memcpy(arg + HEAD, range, n * sizeof(range[0]));
	return vsf_sys(buf->dev->sys, ioctl, buf->dev->fd, VFIO_DEVICE_FEATURE, arg);
}

int vsf_dmabuf_ask(struct vfiosafe_dmabuf *buf)
{
	int rc = ask(buf, 0, buf->count);

	if (rc < 0)
		return refused(buf, rc);
	buf->fd = rc;
	return 0;
}

int vsf_dmabuf_part_fd(const struct vfiosafe_dmabuf *buf, uint32_t i)
{
	return buf->count == 1 ? buf->fd : buf->part[i].fd;
}

int vsf_dmabuf_split(struct vfiosafe_dmabuf *buf)
{
	for (uint32_t i = 0; i < buf->count && buf->count > 1; i++) {
		int rc = buf->part[i].fd < 0 ? ask(buf, i, 1) : buf->part[i].fd;

		if (rc < 0)
			return refused(buf, rc);
		buf->part[i].fd = rc;
	}
	return 0;
}

/* A new dma-buf of these ranges, where the number @fd means the old one. */
static int replace(const struct vfiosafe_dmabuf *buf, int fd, uint32_t first, uint32_t n)
{
	const struct vfiosafe_sys *sys = buf->dev->sys;
	int new = fd < 0 ? fd : ask(buf, first, n), rc;

	if (fd < 0)
		return 0;
	if (new < 0)
		return refused(buf, new);
	rc = vsf_sys(sys, dup_onto, new, fd);
	vsf_sys(sys, close, new);
	return rc < 0 ? vsf_fail(-rc, "no fd for the dma-buf of BAR %u: %s", buf->index,
				 strerror(-rc))
		      : 0;
}

int vsf_dmabuf_renew(struct vfiosafe_dmabuf *buf)
{
	int rc = replace(buf, buf->fd, 0, buf->count);

	for (uint32_t i = 0; i < buf->count && rc == 0; i++)
		rc = replace(buf, buf->part[i].fd, i, 1);
	buf->renewed = true;
	return rc;
}

/* Two threads may revoke it. */
static void close_fd(const struct vfiosafe_dmabuf *buf, int *at)
{
	int fd = __atomic_exchange_n(at, -1, __ATOMIC_ACQ_REL);

	if (fd >= 0)
		vsf_sys(buf->dev->sys, close, fd);
}

void vsf_dmabuf_close_fds(struct vfiosafe_dmabuf *buf)
{
	close_fd(buf, &buf->fd);
	for (uint32_t i = 0; i < buf->count; i++)
		close_fd(buf, &buf->part[i].fd);
}
