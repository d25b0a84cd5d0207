/* SPDX-License-Identifier: MIT */
/* Memory of the device exported, imported by another one, given up, reached by DMA. */
#include <errno.h>

#include "peer.h"

#define PAGE UINT64_C(4096)

/* What a call may say that needs the device, LIVE and at rest; or no room by chance. */
static void at_rest(struct world *world, int rc)
{
	enum vfiosafe_state state = vfiosafe_device_state(world->dev);

	world->rc = rc;
	must(world,
	     rc == 0 || rc == -EAGAIN || rc == -EIO || rc == -ENODEV || rc == -ENOMEM ||
		     (rc == -EBUSY && world->released),
	     "no such call ends like this");
	must(world, rc != 0 || state == VFIOSAFE_LIVE, "goes well in %s",
	     vfiosafe_state_name(state));
	must(world, rc != -ENODEV || state == VFIOSAFE_GONE || world->decode_taken,
	     "ENODEV in %s", vfiosafe_state_name(state));
}

/* One to three ranges, in any order. */
static void choose(struct world *world, struct peer *peer)
{
	static const uint64_t page[] = { 0, 2, 5 };
	uint64_t turn = pick(world, 3);

	peer->ranges = 1 + (uint32_t)pick(world, 3);
	for (uint32_t i = 0; i < peer->ranges; i++) {
		peer->range[i].offset = PEER_MEM + page[(turn + i) % 3] * PAGE;
		peer->range[i].len = PAGE * (1 + pick(world, 2));
	}
}

static void export(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;

	if (w->depth > 0 || peer->buf)
		return;
	choose(world, peer);
	at_rest(world, vfiosafe_dmabuf_export(&peer->buf, world->bar, peer->range,
					      peer->ranges, 0));
	peer->revoked = false;
}

static void map(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;
	int rc;

	if (w->depth > 0 || !peer->buf || peer->map)
		return;
	rc = vfiosafe_p2p_map(&peer->map, peer->dev, peer->buf, NULL, &peer->iova);
	if (peer->revoked) {
		world->rc = rc;
		must(world, rc == -ESTALE || rc == -ENODEV || rc == -EAGAIN || rc == -EIO,
		     "a revoked buffer is mapped");
	} else {
		at_rest(world, rc);
	}
	peer->started = rc == 0;
	peer->broken = peer->cut = false;
	world->maps += rc == 0;
}

static void unmap(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;

	if (w->depth > 0 || !peer->map ||
	    !(peer->broken || peer->revoked || one_in(world, 6)))
		return;
	world->rc = vfiosafe_p2p_unmap(peer->map);
	must(world, world->rc == 0, "unmap fails");
	must(world, !peer_dma(world, 0), "what was unmapped is reached");
	peer->map = NULL;
	peer->started = peer->broken = peer->cut = false;
}

static void revoke(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;

	if (w->depth > 0 || !peer->buf || !one_in(world, 4))
		return;
	world->rc = vfiosafe_dmabuf_revoke(peer->buf);
	must(world,
	     world->rc == VFIOSAFE_REVOKED_FOR_ALL || world->rc == -EAGAIN ||
		     world->rc == -ENODEV,
	     "no revoke ends like this");
	if (world->rc < 0)
		return;
	peer->revoked = true;
	if (peer->map)
		must(world, !peer_dma(world, 0), "what was revoked is reached");
}

static void free_buf(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;

	if (w->depth > 0 || !peer->buf || !(peer->revoked || one_in(world, 6)))
		return;
	world->rc = vfiosafe_dmabuf_free(peer->buf);
	must(world,
	     world->rc == 0 || world->rc == -EBUSY || world->rc == -EAGAIN ||
		     world->rc == -ENODEV,
	     "no free ends like this");
	must(world, world->rc != 0 || !peer->map || peer->revoked,
	     "freed, although it is mapped");
	if (world->rc == 0 && peer->map) {
		must(world, vfiosafe_p2p_unmap(peer->map) == 0, "unmap fails");
		peer->map = NULL;
	}
	if (world->rc == 0)
		peer->buf = NULL;
}

/* A word of the device's memory as nobody but the test sees it; false: it is away. */
static bool raw(struct world *world, uint64_t at, uint64_t *value)
{
	return world->under->pread(world->under->ctx, vfiosafe_sim_device_fd(world->sim),
				   value, 8, at) == 8;
}

static uint64_t in_bar(const struct peer *peer, uint64_t at)
{
	uint32_t i = 0;

	while (at >= peer->range[i].len)
		at -= peer->range[i++].len;
	return peer->range[i].offset + at;
}

/* What is mapped is reached, there and nowhere else; what is not, is not. */
static void dma(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;
	uint64_t at, where, before, after, beside, beside_after;
	bool want, readable, reached;

	if (!peer->map)
		return;
	at = pick(world, vfiosafe_p2p_len(peer->map) / 16) * 16;
	where = in_bar(peer, at);
	want = vfiosafe_p2p_state(peer->map) == VFIOSAFE_P2P_MAPPED && !peer->cut;
	readable = raw(world, where, &before) && raw(world, where + 8, &beside);
	reached = peer_dma(world, at);
	world->transfers += reached;
	must(world, reached == want, "DMA %s", reached ? "arrives" : "does not arrive");
	if (!readable || world->suspect ||
	    vfiosafe_device_state(world->dev) != VFIOSAFE_LIVE)
		return;
	must(world, raw(world, where, &after) && raw(world, where + 8, &beside_after),
	     "it was there a moment ago");
	must(world, after == (reached ? ~before : before), "0x%llx after 0x%llx",
	     (unsigned long long)after, (unsigned long long)before);
	must(world, beside == beside_after, "its neighbour has changed");
}

/* A window of the importer. */
static void peer_reset(struct worker *w)
{
	struct world *world = w->world;
	struct peer *peer = world->peer;

	if (w->depth > 0)
		return;
	world->rc = vfiosafe_reset(peer->dev, NULL);
	must(world, world->rc == 0, "the importer cannot be reset");
	peer->generation++;
}

static void peer_reopen(struct worker *w)
{
	struct world *world = w->world;

	if (w->depth > 0 || !one_in(world, 20))
		return;
	peer_close(world);
	peer_open(world);
}

/* It does not come back at once. */
static void let_map_fail(struct worker *w)
{
	struct world *world = w->world;

	if (one_in(world, 4))
		vfiosafe_sim_fail(world->peer->sim, VFIOSAFE_SIM_CALL_MAP, ENOMEM, 1);
}

const struct op p2p_ops[] = {
	{ "p2p export", 8, export },
	{ "p2p map", 10, map },
	{ "p2p unmap", 6, unmap },
	{ "p2p revoke", 1, revoke },
	{ "p2p free", 4, free_buf },
	{ "p2p dma", 30, dma },
	{ "p2p importer reset", 4, peer_reset },
	{ "p2p importer reopened", 2, peer_reopen },
	{ "p2p let map fail", 1, let_map_fail },
	{ NULL, 0, NULL },
};
