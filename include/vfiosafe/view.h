/* SPDX-License-Identifier: MIT */
/*
 * view.h - the right to touch one BAR in one generation.
 *
 * A view is a small plain struct. Keep a copy beside the state that was derived
 * from the device (queue heads, firmware handles), per queue or per thread: the
 * view then says whether that state still belongs to the device in front of you.
 *
 *      device word                     gate
 *      generation << 8 | state         the same, private to this process
 *            |                               |
 *            +---- compared with the two values in the view, ----+
 *                  before the first and after the last access
 *
 * A zeroed view is one that was never taken: every use of it is -EINVAL.
 *
 * The layout below is the one public layout of the library; do not look into it,
 * do not build one by hand. It holds only on 64-bit machines.
 */
#ifndef VFIOSAFE_VIEW_H
#define VFIOSAFE_VIEW_H

#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/api.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_bar;

struct vfiosafe_view {
	uint64_t device_value;
	uint64_t gate_value;
	const uint64_t *device_word;
	const uint64_t *gate_word;
	volatile void *base; /* NULL unless all of the range is mapped */
	uint64_t len;
	struct vfiosafe_bar *bar;
	uint64_t reserved;
};

#ifdef __cplusplus
#define VFIOSAFE_STATIC_ASSERT static_assert
#else
#define VFIOSAFE_STATIC_ASSERT _Static_assert
#endif
VFIOSAFE_STATIC_ASSERT(sizeof(struct vfiosafe_view) == 64, "frozen layout");
VFIOSAFE_STATIC_ASSERT(offsetof(struct vfiosafe_view, base) == 32, "frozen layout");

/**
 * vfiosafe_bar_view - take, or renew, a view of this generation
 * @bar: from vfiosafe_bar_map()
 * @view: written on success only, by one atomic store per word, so that threads
 *        may share a view that the reinit callback renews (share it by its address:
 *        it is not to be copied meanwhile)
 *
 * Inside the reinit callback the view is already the one that the data path
 * uses after LIVE.
 *
 * Renew only after the state that belongs to the view was re-synchronised with
 * the device: after that the library can no longer tell old state from new.
 *
 * Return: 0, or the error an access would meet now (-ENODEV, -EIO, -EAGAIN).
 * Context: any thread; callbacks and sections included; not signal-safe.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_bar_view(struct vfiosafe_bar *bar, struct vfiosafe_view *view);

VFIOSAFE_END_DECLS

#endif
