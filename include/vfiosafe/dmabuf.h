/* SPDX-License-Identifier: MIT */
/*
 * dmabuf.h - parts of a BAR as a dma-buf, for other devices and other drivers.
 *
 *      struct vfiosafe_area whole = { 0, vfiosafe_bar_len(bar) };
 *
 *      vfiosafe_dmabuf_export(&buf, bar, &whole, 1, 0);
 *      vfiosafe_p2p_map(&map, importer, buf, NULL, &iova);     // p2p.h
 *      ibv_reg_dmabuf_mr(..., vfiosafe_dmabuf_fd(buf), ...);   // or somebody else's
 *
 * Each reset of the device, and each change of its power state or memory decode, takes
 * the memory away from all who imported it, also one that the kernel then refuses. Maps
 * of p2p.h come back by themselves, at the same address; for importers that the library
 * does not know there is vfiosafe_dmabuf_watch().
 *
 * The state of the buffer:
 *
 *   OK        can be imported
 *   REVOKED   a window of the device is open, the device is parked (power.h) or could
 *             not be brought back; comes back with the device
 *   DEAD      for good: revoked by the program, or the device was closed
 *
 * A buffer is freed with its device, as BARs are.
 */
#ifndef VFIOSAFE_DMABUF_H
#define VFIOSAFE_DMABUF_H

#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/region.h>
#include <vfiosafe/view.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_dmabuf;

/* Of one buffer, at most. */
#define VFIOSAFE_DMABUF_RANGES 64

/*
 * Flag of vfiosafe_dmabuf_export(): ranges may cover the MSI-X table. Who imports it
 * may write the device's interrupt messages.
 */
#define VFIOSAFE_DMABUF_MSIX (1u << 0)

enum vfiosafe_dmabuf_state {
	VFIOSAFE_DMABUF_OK = 1,
	VFIOSAFE_DMABUF_REVOKED = 2,
	VFIOSAFE_DMABUF_DEAD = 3,
};

/* What vfiosafe_dmabuf_revoke() could do. */
enum vfiosafe_revoked {
	/*
	 * Maps of p2p.h are gone, the library's fd is closed. Who holds a copy of the
	 * fd may go on using the memory until the device is closed.
	 */
	VFIOSAFE_REVOKED_OURS = 1,
	/* Nobody holds it: vfiosafe_dmabuf_fd() was never called. */
	VFIOSAFE_REVOKED_FOR_ALL = 2,
};

/**
 * vfiosafe_dmabuf_export - make a dma-buf of parts of a BAR
 * @buf: written on success only; free with vfiosafe_dmabuf_free(), or leave it to
 *       vfiosafe_device_close()
 * @bar: what is exported is the BAR, not the mapping: @bar may be unmapped afterwards
 * @ranges: @n parts, in bytes from the start of @bar, in the order in which they lie in
 *          the buffer; whole pages, not overlapping; copied
 * @n: 1 to VFIOSAFE_DMABUF_RANGES
 * @flags: VFIOSAFE_DMABUF_MSIX or 0
 *
 * Export what an importer needs and no more: the dma-buf gives it these pages of the
 * device for reading and writing.
 *
 * Return: 0, or
 *   -EINVAL      not whole pages, empty, overlapping, too many, over the MSI-X table
 *                without the flag, unknown flags
 *   -ERANGE      a range ends beyond @bar
 *   -EOPNOTSUPP  the BAR is I/O ports, smaller than a page or not mappable there, or
 *                the kernel has no such export (Linux 6.19, CONFIG_VFIO_PCI_DMABUF)
 *   -EBUSY       another kernel driver owns that BAR
 *   -EAGAIN      a window is open, or the device is parked; -EIO in FAULT; -ENODEV gone
 *   -EDEADLK     inside a section or a callback of the device
 *   -ENOMEM, -EMFILE and other errors of the kernel
 * Context: any thread, outside of sections and of callbacks of this device.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_dmabuf_export(struct vfiosafe_dmabuf **buf, struct vfiosafe_bar *bar,
		       const struct vfiosafe_area *ranges, uint32_t n, uint32_t flags);

/**
 * vfiosafe_dmabuf_free - give a buffer up, and close its fd
 * @buf: may be NULL
 *
 * Copies of the fd stay usable by who has them. Watches end without a call.
 *
 * Return: 0, @buf is freed; -EBUSY while it is mapped for other devices (the text names
 * them); -EAGAIN while a window of the device is open; -EDEADLK inside a section or a
 * callback of the device; -ENODEV gone: the close of the device frees it.
 * Context: any thread, outside of sections and of callbacks of this device.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_dmabuf_free(struct vfiosafe_dmabuf *buf);

/**
 * vfiosafe_dmabuf_fd - the dma-buf, for ioctls and to be sent elsewhere
 *
 * The number stays the same for the life of the buffer, also where a reset makes a new
 * dma-buf necessary (a watch is told then).
 *
 * Return: an fd owned by @buf, with close-on-exec: do not close it; dup(2) it to give it
 * away for good. -ESTALE revoked, -ENODEV the device is gone.
 * Context: any thread, callbacks included.
 */
VFIOSAFE_API int vfiosafe_dmabuf_fd(struct vfiosafe_dmabuf *buf);

/** vfiosafe_dmabuf_len - bytes of all ranges together */
VFIOSAFE_API uint64_t vfiosafe_dmabuf_len(const struct vfiosafe_dmabuf *buf);

/**
 * vfiosafe_dmabuf_state - can it be imported at this moment?
 * @generation: if not NULL: the generation of the device under which it was exported, or
 *              came back last. Another than before: what the memory held is lost.
 *
 * A snapshot, as vfiosafe_device_state().
 * Context: any thread, callbacks and sections included.
 */
VFIOSAFE_API enum vfiosafe_dmabuf_state
vfiosafe_dmabuf_state(const struct vfiosafe_dmabuf *buf, uint64_t *generation);

/**
 * vfiosafe_dmabuf_list - the buffers of a device, in the order of their export
 * @bufs: array of @room, may be NULL if that is 0
 *
 * Return: how many there are; as many as fit are stored.
 * Context: any thread, callbacks included.
 */
VFIOSAFE_API unsigned int vfiosafe_dmabuf_list(struct vfiosafe_device *dev,
					       struct vfiosafe_dmabuf **bufs,
					       unsigned int room);

/**
 * vfiosafe_dmabuf_revoke - take the memory back for good
 *
 * Importers' p2p_stop callbacks run, their maps end (state DEAD), watches are told, the
 * fd is closed. @buf stays, DEAD, until vfiosafe_dmabuf_free().
 *
 * Linux up to 7.3 cannot take a dma-buf away from who holds a copy of its fd, except by
 * the close of the device. The return value says whether there may be one. (A child
 * that was forked since the export holds one, too.)
 *
 * Return: enum vfiosafe_revoked; or -EAGAIN while a window of the device is open;
 * -EBUSY: an importer is busy with its map and did not let go in 10 s: @buf is DEAD,
 * call again; -EDEADLK inside a section or a callback of the device; -ENODEV gone.
 * Revoking it again is no error.
 * Context: any thread, outside of sections and of callbacks of this device; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_dmabuf_revoke(struct vfiosafe_dmabuf *buf);

/**
 * vfiosafe_dmabuf_mmap - map a part of the buffer itself into this process
 * @address: written on success only; give it back with munmap(2)
 *
 * For programs that get no more of the device than the buffer. Who has the BAR uses
 * vfiosafe_bar_map(): this mapping is not guarded, and a touch while the buffer is
 * REVOKED raises SIGBUS. A forked child does not inherit it.
 *
 * Return: 0; -EOPNOTSUPP: this kernel cannot (Linux 7.3 cannot); -EINVAL, -ERANGE;
 * -ESTALE, -ENODEV as vfiosafe_dmabuf_fd(); other errors of mmap(2).
 * Context: any thread, outside of sections.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_dmabuf_mmap(struct vfiosafe_dmabuf *buf,
							  uint64_t offset, uint64_t len,
							  void **address);

/*
 * For importers that the library does not know: an RDMA registration, a GPU, another
 * process.
 */
struct vfiosafe_dmabuf_watch_ops {
	size_t size; /* sizeof(struct vfiosafe_dmabuf_watch_ops) */

	/*
	 * The memory is about to go: deregister it. 0 when that is done; another
	 * result, or one after @deadline_ns, vetoes the window, which is called off
	 * (not the close of the device, nor vfiosafe_dmabuf_revoke(): then the
	 * deadline is for your own waits). The kernel waits for importers without an
	 * end: do not say 0 before they have let go. Runs after the quiesce callback.
	 */
	int (*before)(struct vfiosafe_dmabuf *buf, void *ctx, int64_t deadline_ns);

	/*
	 * It is back, register it again: @result is 0, or 1 if vfiosafe_dmabuf_fd() is
	 * another dma-buf now, of which copies have to be made anew. It will not come
	 * back: -ESTALE revoked, -ENODEV the device was closed; the watch ends then.
	 * Called once for each before that returned 0; perhaps much later, if the
	 * device could not be brought back, or is parked. Runs before it is LIVE.
	 */
	void (*after)(struct vfiosafe_dmabuf *buf, void *ctx, int result);
};

/**
 * vfiosafe_dmabuf_watch - be told around windows
 * @ops: copied; members may be NULL
 * @ctx: handed to each; not twice for the same @buf
 *
 * Return: 0; -EEXIST @ctx is there already; -EINVAL; -EAGAIN while a window of the
 * device is open, or the device is parked; -EIO in FAULT; -ESTALE, -ENODEV as
 * vfiosafe_dmabuf_fd(); -EDEADLK inside a section or a callback; -ENOMEM.
 * Context: any thread, outside of sections and of callbacks of this device.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_dmabuf_watch(struct vfiosafe_dmabuf *buf,
		      const struct vfiosafe_dmabuf_watch_ops *ops, void *ctx);

/**
 * vfiosafe_dmabuf_unwatch - no more calls for @ctx
 *
 * Return: 0; -ENOENT there is no such; -EAGAIN while a window of the device is open;
 * -ENODEV gone; -EDEADLK inside a section or a callback.
 * Context: as vfiosafe_dmabuf_watch().
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int vfiosafe_dmabuf_unwatch(struct vfiosafe_dmabuf *buf,
							     void *ctx);

VFIOSAFE_END_DECLS

#endif
