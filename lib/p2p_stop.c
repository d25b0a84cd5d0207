/* SPDX-License-Identifier: MIT */
/* Importers stop, and maps go: before a window of the exporter, or for good. */
#include <errno.h>
#include <string.h>

#include "device.h"
#include "dmabuf.h"
#include "epoch.h"
#include "error.h"
#include "log.h"
#include "p2p.h"
#include "window.h"

/* A map that is held, and its importer if that is there. */
struct held {
	struct vfiosafe_p2p *map;
	struct vfiosafe_device *importer; /* counted in, or NULL */
	bool call;			  /* it is our turn */
};

/* Which maps are meant. */
struct pick {
	struct vfiosafe_device *dev;
	const struct vfiosafe_dmabuf *buf; /* NULL: of all buffers */
	uint64_t round;			   /* not those that were seen in it; 0: all */
	int64_t deadline;
	const struct vsf_thread *self;
};

static bool is_meant(const struct pick *pick, const struct vfiosafe_p2p *map)
{
	if (pick->buf && map->buf != pick->buf)
		return false;
	return pick->round == 0 ||
	       (map->seen != pick->round && (map->mapped || map->holder));
}

/* With the lock held. The order is that of windows over several devices. */
static struct vfiosafe_p2p *first(const struct pick *pick)
{
	struct vfiosafe_p2p *first = NULL;

	for (struct vfiosafe_p2p *map = pick->dev->exports; map; map = map->next_export)
		if (is_meant(pick, map) &&
		    (!first || strcmp(map->importer, first->importer) <= 0))
			first = map;
	return first;
}

/* With the lock held: false if it has to be waited for. */
static bool try_hold(const struct pick *pick, struct held *held)
{
	struct vfiosafe_p2p *map = held->map;
	enum vsf_turn turn = VSF_TURN_SKIP;

	if (map->holder)
		return false;
	held->importer = vsf_p2p_stay(map);
	if (held->importer && map->started)
		turn = vsf_p2p_turn(held->importer, true, pick->deadline);
	if (turn == VSF_TURN_WAIT)
		return false;
	held->call = turn == VSF_TURN_CALL;
	map->holder = pick->self;
	map->seen = pick->round;
	return true;
}

static int still_busy(const struct pick *pick, const char *importer)
{
	return vsf_fail(ETIMEDOUT, "%s: importer %s has a window open, or is in a callback, and "
				   "did not let go of its map before the deadline",
			pick->dev->address, importer);
}

/* The next one; held->map is NULL if there is none. -ETIMEDOUT with a text. */
static int hold_next(const struct pick *pick, struct held *held)
{
	char importer[32] = "";
	bool got;

	for (unsigned int round = 0;; round++) {
		vsf_p2p_lock();
		*held = (struct held){ .map = first(pick) };
		got = !held->map || try_hold(pick, held);
		if (!got)
			memcpy(importer, held->map->importer, sizeof(importer));
		vsf_p2p_unlock();
		if (got)
			return 0;
		if (held->importer)
			vsf_count_inside(held->importer, -1);
		if (vsf_now(pick->dev->sys) >= pick->deadline)
			return still_busy(pick, importer);
		vsf_drain_pause(pick->dev, round, pick->deadline);
	}
}

static void let_go(const struct pick *pick, struct held *held)
{
	struct vfiosafe_device *importer = held->importer;

	vsf_p2p_let_go(held->map);
	if (held->call) {
		vsf_p2p_turn_over(importer);
		/* Maps that could not start during our turn. */
		vsf_p2p_start_imports(importer, pick->dev);
	}
	if (importer)
		vsf_count_inside(importer, -1);
}

void vsf_p2p_tell(struct vfiosafe_device *importer, const struct vfiosafe_p2p *map, int err)
{
	vsf_log(VFIOSAFE_LOG_WARN, "%s: the map at IOVA 0x%llx ended: %s", map->importer,
		(unsigned long long)map->iova, strerror(-err));
	if (importer)
		vsf_event_put(importer, VFIOSAFE_EVENT_P2P, err, VFIOSAFE_CAUSE_NONE, 1);
}

/* 0, or what the callback said; -ETIMEDOUT if it was late. */
static int stop(const struct pick *pick, const struct held *held)
{
	const struct vsf_p2p_call call = {
		.map = held->map,
		.deadline = pick->deadline,
		.leads = pick->dev->word,
	};
	int rc = held->call ? vsf_callback_p2p(held->importer, &call) : 0;

	return rc == -ETIME ? -ETIMEDOUT : rc;
}

/* The importer's DMA stops, the map goes; @broken if its callback failed. */
static int take_away(const struct pick *pick, struct held *held, int *broken)
{
	struct vfiosafe_p2p *map = held->map;
	int rc = 0;

	*broken = stop(pick, held);
	if (map->mapped)
		rc = vsf_p2p_door_unmap(map);
	vsf_p2p_lock();
	map->started = false;
	map->mapped = map->mapped && rc < 0;
	map->broken = map->broken || *broken < 0 || rc < 0;
	vsf_p2p_unlock();
	return rc;
}

static int not_unmapped(const struct vfiosafe_p2p *map, int rc)
{
	return vsf_fail(-rc, "the map at IOVA 0x%llx of %s could not be taken away: %s",
			(unsigned long long)map->iova, map->importer, strerror(-rc));
}

int vsf_p2p_stop_exports(struct vfiosafe_device *dev, uint64_t round, int64_t deadline)
{
	struct pick pick = { .dev = dev, .round = round, .deadline = deadline };
	struct vsf_thread *self;
	struct held held;
	int rc = vsf_thread_get(&self), broken;

	pick.self = self;
	while (rc == 0) {
		rc = hold_next(&pick, &held);
		if (rc < 0 || !held.map)
			return rc;
		rc = take_away(&pick, &held, &broken);
		if (broken < 0)
			vsf_p2p_tell(held.importer, held.map, broken);
		if (rc < 0)
			rc = not_unmapped(held.map, rc);
		let_go(&pick, &held);
	}
	return rc;
}

int vsf_p2p_end_exports(struct vfiosafe_device *dev, const struct vfiosafe_dmabuf *buf,
			int64_t deadline, int why)
{
	struct pick pick = { .dev = dev, .buf = buf, .deadline = deadline };
	struct vsf_thread *self;
	struct held held;
	int rc = vsf_thread_get(&self), broken;

	pick.self = self;
	while (rc == 0) {
		rc = hold_next(&pick, &held);
		if (rc < 0 || !held.map)
			return rc;
		rc = take_away(&pick, &held, &broken);
		if (rc == 0) {
			vsf_p2p_lock();
			vsf_p2p_unlink_export(held.map);
			vsf_p2p_unlock();
			vsf_p2p_tell(held.importer, held.map, why);
		} else {
			rc = not_unmapped(held.map, rc);
		}
		let_go(&pick, &held);
	}
	return rc;
}
