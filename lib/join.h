/* SPDX-License-Identifier: MIT */
/*
 * A client's side of a device that is shared. Its device word is the owner's, in a page
 * that it can only read (dev->word); its gate says where its own driver stands:
 *
 *      word        gate
 *      LIVE        LIVE           may be accessed
 *      QUIESCE...  QUIESCE        asked to leave: sections end, then the quiesce callback
 *      LIVE        REINIT         the reinit callback runs; the generation is one on
 *      any         FAULT          SIGBUS, or the reinit callback failed
 *      any         GONE           closed, or the owner has ended (VSF_GATE_OWNER_DEAD)
 *
 * The gate's generation counts what was lost here: a view that was taken before is stale.
 */
#ifndef VSF_JOIN_H
#define VSF_JOIN_H

#include <stdbool.h>
#include <stdint.h>

struct vfiosafe_bar;
struct vfiosafe_device;
struct vfiosafe_reset_opts;
struct vsf_verdict;

/* -EPERM, naming @call: the owner's alone. 0 if @dev is this process's own. */
int vsf_join_refuse(const struct vfiosafe_device *dev, const char *call);

/* One access of a range that is not mapped, by the owner. 0 or -errno. */
int vsf_join_access(const struct vfiosafe_bar *bar, uint64_t offset, unsigned int width,
		    uint64_t *value, bool write);

/* Has the owner look: 0 it is alive, -EIO it was found lost; other: cannot tell. */
int vsf_join_probe(struct vfiosafe_device *dev);

/* agent.c: the fd, and one round. */
int vsf_join_fd(const struct vfiosafe_device *dev);
int vsf_join_dispatch(struct vfiosafe_device *dev);

#endif
