/* SPDX-License-Identifier: MIT */
/*
 * Maps of one device's BAR in the address space of another.
 *
 * A map has two ends, and both devices have windows, also at the same time. No lock is
 * held over the two; a map is held instead: who holds it (map->holder) is the only one
 * to stop, unmap, map or start it. Callbacks of an importer take turns: p2p_stop and
 * p2p_start run either in its own window, or while `peer` keeps its windows out.
 *
 * Who starts a map? It has to be mapped, and the importer LIVE or at the end of its own
 * window. What comes first is not known:
 *
 *      window of the exporter               window of the importer
 *      mapped = true           (1)          LIVE, run = NULL        (A)
 *      importer LIVE, no run?  (2)          maps that are mapped?   (B)
 *
 * Each looks after it has written, under locks: at least one of them finds both. The
 * flag `started`, under the lock, has only one of them do it.
 */
#ifndef VSF_P2P_H
#define VSF_P2P_H

#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/p2p.h>

struct vfiosafe_device;
struct vfiosafe_dmabuf;
struct vsf_iommu;
struct vsf_run;
struct vsf_thread;

struct vfiosafe_p2p {
	/* Constant. */
	struct vsf_iommu *iommu; /* the importer's, with a reference */
	uint64_t iova, len;
	uint32_t prot;
	char importer[32]; /* its address */

	/* Under the lock of all maps; held for a few instructions. Before dev->lock. */
	struct vfiosafe_device *dev; /* the importer; NULL: closed, the holder frees */
	struct vfiosafe_dmabuf *buf; /* NULL: dead */
	struct vfiosafe_p2p *next_import; /* of dev->imports */
	struct vfiosafe_p2p *next_export; /* of buf->dev->exports */
	const struct vsf_thread *holder;
	bool mapped;
	bool started; /* its DMA may be going on */
	bool broken;
	uint64_t seen; /* in this round of the exporter's */
};

/* p2p_list.c: the lock, and what is done under it */
void vsf_p2p_lock(void);
void vsf_p2p_unlock(void);
void vsf_p2p_link(struct vfiosafe_p2p *map);
void vsf_p2p_unlink_import(struct vfiosafe_p2p *map);
void vsf_p2p_unlink_export(struct vfiosafe_p2p *map); /* and it is dead */

/* Whose turn is it with the importer of a map, to @stop or start it? With the lock held. */
enum vsf_turn {
	VSF_TURN_CALL, /* ours: its windows are kept out */
	VSF_TURN_SKIP, /* nobody's */
	VSF_TURN_WAIT, /* that of another exporter, or of a window that is open */
};
enum vsf_turn vsf_p2p_turn(struct vfiosafe_device *importer, bool stop, int64_t deadline);
/* Gives the turn back. The device stays as long as somebody counts in it. */
void vsf_p2p_turn_over(struct vfiosafe_device *importer);

/* Keeps @map's importer from being freed; NULL if it is gone. With the lock held. */
struct vfiosafe_device *vsf_p2p_stay(const struct vfiosafe_p2p *map);

/* By the holder. */
void vsf_p2p_set_mapped(struct vfiosafe_p2p *map, bool mapped);
/* No longer the holder. Frees the map if its importer was closed meanwhile. */
void vsf_p2p_let_go(struct vfiosafe_p2p *map);
/*
 * Unmaps if need be, gives the address back, frees. By the holder, with the map off the
 * importer's list: the exporter's windows and its close find it until it is unmapped.
 */
void vsf_p2p_end(struct vfiosafe_p2p *map);

/* -EBUSY with a text: the buffer has maps. */
int vsf_p2p_refuse_free(const struct vfiosafe_dmabuf *buf);

/* Is its BAR, perhaps, mapped by a type1, that nobody tells when it is another's? */
bool vsf_p2p_type1_left(const struct vfiosafe_device *dev);

/* p2p_door.c: in the kernel; by who holds the map. The kernel's -errno. */
int vsf_p2p_door_map(struct vfiosafe_p2p *map, struct vfiosafe_dmabuf *buf);
int vsf_p2p_door_unmap(const struct vfiosafe_p2p *map);
/* What is meant by that, with a text. */
int vsf_p2p_door_refused(const struct vfiosafe_p2p *map, const struct vfiosafe_dmabuf *buf,
			 int err);

/* p2p_stop.c: @dev's maps go, the lowest importer first. -errno with a text. */
int vsf_p2p_stop_exports(struct vfiosafe_device *dev, uint64_t round, int64_t deadline);
/* For good: @buf's, or those of all buffers; importers are told @why, a -errno. */
int vsf_p2p_end_exports(struct vfiosafe_device *dev, const struct vfiosafe_dmabuf *buf,
			int64_t deadline, int why);
/* A callback of the importer failed with @err: say so. */
void vsf_p2p_tell(struct vfiosafe_device *importer, const struct vfiosafe_p2p *map, int err);

/* p2p_start.c: what is away comes back. -errno with a text. */
int vsf_p2p_map_exports(struct vfiosafe_device *dev, int64_t deadline);
/* Starts what may start: the importers of @dev's maps; at the end of @run, its own. */
void vsf_p2p_start_exports(struct vfiosafe_device *dev, uint64_t round);
void vsf_p2p_start_own(const struct vsf_run *run);
/*
 * @dev has become LIVE, or a turn with it is over: what could not start before. @leads:
 * the device whose window this thread is in, or NULL.
 */
void vsf_p2p_start_imports(struct vfiosafe_device *dev, const struct vfiosafe_device *leads);
/* @run's device is quiesced: its P2P DMA has stopped with all the rest. */
void vsf_p2p_quiesced(const struct vsf_run *run);

/* p2p.c: the end of an importer; its maps go. In a forked child: the books only. */
void vsf_p2p_free_imports(struct vfiosafe_device *dev);

#endif
