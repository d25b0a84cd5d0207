/* SPDX-License-Identifier: MIT */
/*
 * p2p.h - let one device read and write the BAR of another one.
 *
 *      vfiosafe_p2p_map(&map, nic, buf, NULL, &iova);  // buf: dmabuf.h, of the GPU
 *      ...give the NIC descriptors with iova...
 *
 * The device whose BAR it is exports, the other one imports. The library takes the map
 * away before each window of the exporter and brings it back afterwards, at the same
 * address. For the importer a window of the exporter is this:
 *
 *      p2p_stop(importer, ctx, map)     DMA through the map has ended when it returns
 *      ...the exporter is reset...
 *      p2p_start(importer, ctx, map)    DMA may go on, at the same address
 *
 * (members of struct vfiosafe_driver_ops). Its state is LIVE all the time and its
 * generation does not move: it lost nothing. What the exporter's memory held is lost,
 * if the exporter was reset.
 *
 * For windows of the importer: its quiesce callback stops P2P DMA with all other DMA;
 * resume and reinit do not start it: p2p_start is called after them, for each map that
 * is there. So two devices may import from each other.
 *
 * If p2p_stop fails, or returns after the deadline, the map is BROKEN: taken away all
 * the same, and not brought back (the IOMMU stops what DMA there still is). So it is if
 * p2p_start fails. A VFIOSAFE_EVENT_P2P tells the importer; vfiosafe_p2p_unmap() and a
 * new vfiosafe_p2p_map() begin anew. The exporter goes on.
 *
 * The kernel refuses to bring a map back: the exporter is in FAULT (the text says
 * which map). vfiosafe_recover() tries again; vfiosafe_p2p_unmap() gives the map up.
 */
#ifndef VFIOSAFE_P2P_H
#define VFIOSAFE_P2P_H

#include <stdint.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_device;
struct vfiosafe_dmabuf;
struct vfiosafe_iommu_opts;
struct vfiosafe_p2p;

enum vfiosafe_p2p_state {
	VFIOSAFE_P2P_MAPPED = 1,
	VFIOSAFE_P2P_AWAY = 2,	 /* a window of the exporter; comes back */
	VFIOSAFE_P2P_BROKEN = 3, /* a callback of the importer failed */
	VFIOSAFE_P2P_DEAD = 4,	 /* the exporter was closed, or revoked the buffer */
};

/**
 * vfiosafe_p2p_map - map a buffer into the address space of a device
 * @map: written on success only; free with vfiosafe_p2p_unmap(), or leave it to the
 *       close of @importer
 * @importer: a device that this library opened; it may be the exporter itself
 * @buf: state OK
 * @opts: as for vfiosafe_iommu_map(); may be NULL
 * @iova: written on success: the address of the buffer for @importer. With opts.fixed
 *        it is read.
 *
 * All ranges of the buffer lie there one behind the other. The address belongs to the
 * map until vfiosafe_p2p_unmap(), also while the map is away, BROKEN or DEAD: DMA that
 * still goes there hits nothing else. As a mapping of dma.h it is reached by all devices
 * that share the IOMMU context of @importer; only @importer is asked to stop.
 *
 * P2P DMA may begin when this returns. Where @importer is not LIVE, p2p_start is called
 * when it comes back; *@map and *@iova are written before the first callback.
 *
 * Whether the fabric between the devices routes such DMA is not checked by anybody:
 * behind some root complexes writes vanish. Try it once.
 *
 * Through the cdev door this is IOMMU_IOAS_MAP_FILE; the kernel takes the mapping away
 * when it revokes the buffer. Through the group door the BAR's pages are mapped by type1,
 * which does not know about resets: the library takes that away before each window, but
 * resets that it does not make find it in place.
 *
 * Return: 0, or
 *   -EOPNOTSUPP  this kernel cannot (the text says what can), or @importer was adopted
 *   -ESTALE      @buf was revoked
 *   -EAGAIN      a window of the exporter is open, or it is parked; -EIO it is in
 *                FAULT; -ENODEV it, or @importer, is gone
 *   -EDEADLK     inside a section
 *   -EINVAL, -ENOSPC, -EEXIST, -ERANGE, -ENOMEM as vfiosafe_iommu_map(); others
 * Context: any thread, callbacks of the importer included.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_p2p_map(struct vfiosafe_p2p **map, struct vfiosafe_device *importer,
		 struct vfiosafe_dmabuf *buf, const struct vfiosafe_iommu_opts *opts,
		 uint64_t *iova);

/**
 * vfiosafe_p2p_unmap - take the buffer back from the importer
 * @map: may be NULL
 *
 * Stop the importer's DMA first: p2p_stop is not called. Waits for a callback that is
 * running for @map on another thread. Works in any state of both devices.
 *
 * Return: 0, @map is freed and its address free; -EDEADLK inside a section, or in
 * p2p_stop or p2p_start for @map; -ENODEV in a forked child; other errors of the
 * kernel: it is still mapped.
 * Context: any thread, outside of sections; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_p2p_unmap(struct vfiosafe_p2p *map);

/** vfiosafe_p2p_state - a snapshot. Context: any thread, callbacks included. */
VFIOSAFE_API enum vfiosafe_p2p_state vfiosafe_p2p_state(const struct vfiosafe_p2p *map);

/** vfiosafe_p2p_iova - the address for the importer; constant. Context: any. */
VFIOSAFE_API uint64_t vfiosafe_p2p_iova(const struct vfiosafe_p2p *map);

/** vfiosafe_p2p_len - bytes; constant. Context: any. */
VFIOSAFE_API uint64_t vfiosafe_p2p_len(const struct vfiosafe_p2p *map);

VFIOSAFE_END_DECLS

#endif
