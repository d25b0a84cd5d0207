/* SPDX-License-Identifier: MIT */
/* The device that imports, its driver, and what must hold for the map. */
#include <errno.h>
#include <string.h>

#include "peer.h"

/* There is one world: callbacks get the peer. */
static struct world *the_world;

bool peer_dma(struct world *world, uint64_t at)
{
	struct peer *peer = world->peer;
	struct vfiosafe_sim_counts counts;
	uint32_t value = 0;
	int rc = vfiosafe_write64(&peer->view, VFIOSAFE_SIM_REG_DMA_ADDRESS,
				  peer->iova + at);

	if (rc == 0)
		rc = vfiosafe_write32(&peer->view, VFIOSAFE_SIM_REG_DMA,
				      VFIOSAFE_SIM_DMA_START);
	/* The device looks at its registers now. */
	vfiosafe_sim_counts(peer->sim, &counts);
	if (rc == 0)
		rc = vfiosafe_read32(&peer->view, VFIOSAFE_SIM_REG_DMA, &value);
	must(world, rc == 0 && value != VFIOSAFE_SIM_DMA_START,
	     "the importer's registers: %d, 0x%x", rc, value);
	return value == 0;
}

/* Late, or wrong, by chance: then the map is broken. */
static int answer(struct world *world, struct peer *peer, bool stop)
{
	bool bad = one_in(world, 15);

	if (one_in(world, 40)) {
		int64_t late = (int64_t)pick(world, 60) * 1000000;

		world->now += late;
		world->in_callbacks += late;
	}
	peer->broken = peer->broken || bad;
	peer->started = !stop && !bad;
	return bad ? -EPROTO : 0;
}

/* Before anything has gone: DMA still arrives. */
static int p2p_stop(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct world *world = the_world;
	struct peer *peer = ctx;

	must(world, map == peer->map, "stop of a map that is not there");
	must(world, peer->started, "stop of a map that is not started");
	must(world, vfiosafe_device_state(dev) == VFIOSAFE_LIVE, "stop, not LIVE");
	if (!peer->cut)
		must(world, peer_dma(world, 0) && peer_dma(world, 0),
		     "the map is gone before its importer has stopped");
	return answer(world, peer, true);
}

static int p2p_start(struct vfiosafe_device *dev, void *ctx, struct vfiosafe_p2p *map)
{
	struct world *world = the_world;
	struct peer *peer = ctx;

	must(world, map == peer->map, "start of a map that is not there");
	must(world, !peer->started && !peer->broken,
	     "start once more, or of a broken map");
	must(world, vfiosafe_p2p_iova(map) == peer->iova, "started at another address");
	/* Not at the end of a window of its own: at that of the exporter's. */
	if (vfiosafe_device_state(dev) == VFIOSAFE_LIVE)
		peer->cut = false;
	if (!peer->cut)
		must(world, peer_dma(world, 8) && peer_dma(world, 8),
		     "started before the map is there");
	return answer(world, peer, false);
}

static int quiesce(struct vfiosafe_device *dev, void *ctx)
{
	struct peer *peer = ctx;

	(void)dev;
	peer->started = false;
	return 0;
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct peer *peer = ctx;

	(void)dev;
	return vfiosafe_bar_view(peer->bar, &peer->view);
}

void peer_open(struct world *world)
{
	const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
						 .quiesce = quiesce,
						 .reinit = reinit,
						 .p2p_stop = p2p_stop,
						 .p2p_start = p2p_start };
	const struct vfiosafe_sim_opts sim_opts = { .size = sizeof(sim_opts),
						    .window_us = 1 };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	struct peer *peer = world->peer;

	the_world = world;
	must(world, vfiosafe_sim_open(&peer->sim, "sim:reg", &sim_opts) == 0, "no peer");
	peer->sys = *vfiosafe_sim_sys(peer->sim);
	world_clock(&peer->sys);
	opts.sys = &peer->sys;
	must(world,
	     vfiosafe_device_open(&peer->dev, vfiosafe_sim_address(peer->sim), &opts) ==
			     0 &&
		     vfiosafe_bar_map(&peer->bar, peer->dev, 0, 0, 0, 0) == 0 &&
		     vfiosafe_device_set_driver(peer->dev, &ops, peer) == 0 &&
		     vfiosafe_set_bus_master(peer->dev, true) == 0 &&
		     reinit(peer->dev, peer) == 0,
	     "the importer does not open");
	peer->generation = vfiosafe_device_generation(peer->dev);
}

/* With its map, if there is one: the exporter does not mind. */
void peer_close(struct world *world)
{
	struct peer *peer = world->peer;
	struct vfiosafe_sim_held held;

	world->rc = vfiosafe_device_close(peer->dev, 5);
	must(world, world->rc == 0, "the importer does not close");
	vfiosafe_sim_held(peer->sim, &held);
	must(world, held.fds + held.mappings + held.iovas == 0,
	     "%llu fds, %llu mappings, %llu addresses are left",
	     (unsigned long long)held.fds, (unsigned long long)held.mappings,
	     (unsigned long long)held.iovas);
	vfiosafe_sim_close(peer->sim);
	peer->map = NULL;
	peer->started = peer->broken = peer->cut = false;
}

void peer_lost(struct world *world)
{
	struct peer *peer = world->peer;

	if (peer->map) {
		must(world, vfiosafe_p2p_state(peer->map) == VFIOSAFE_P2P_DEAD,
		     "a map of a device that was closed is not DEAD");
		must(world, !peer_dma(world, 0), "DMA to a device that was closed");
		must(world, vfiosafe_p2p_unmap(peer->map) == 0, "unmap fails");
	}
	peer->map = NULL;
	peer->buf = NULL;
	peer->started = peer->broken = peer->cut = false;
	world->maps_left = 0;
}

void peer_cut(struct world *world)
{
	struct peer *peer = world->peer;

	peer->cut = peer->map && vfiosafe_p2p_state(peer->map) == VFIOSAFE_P2P_MAPPED;
	world->maps_left += peer->cut ? peer->ranges : 0;
}

static void look_at_map(struct world *world, struct peer *peer)
{
	enum vfiosafe_p2p_state state = vfiosafe_p2p_state(peer->map);
	enum vfiosafe_dmabuf_state buf = vfiosafe_dmabuf_state(peer->buf, NULL);
	bool live = vfiosafe_device_state(world->dev) == VFIOSAFE_LIVE;

	must(world, vfiosafe_p2p_iova(peer->map) == peer->iova, "another address");
	if (state == VFIOSAFE_P2P_BROKEN) /* also by a callback that was late */
		peer->broken = true;
	if (state != VFIOSAFE_P2P_MAPPED)
		peer->cut = false;
	must(world, (buf == VFIOSAFE_DMABUF_DEAD) == (state == VFIOSAFE_P2P_DEAD),
	     "buffer %d, map %d", buf, state);
	if (state == VFIOSAFE_P2P_DEAD)
		return;
	must(world, !live || buf == VFIOSAFE_DMABUF_OK, "LIVE, and the buffer %d", buf);
	must(world, buf != VFIOSAFE_DMABUF_REVOKED || state != VFIOSAFE_P2P_MAPPED,
	     "revoked, and mapped");
	must(world, (state == VFIOSAFE_P2P_BROKEN) == peer->broken, "broken %d, map %d",
	     peer->broken, state);
	must(world, !live || peer->broken || state == VFIOSAFE_P2P_MAPPED,
	     "LIVE, and the map %d", state);
	/* The importer is LIVE between any two steps. */
	must(world, state != VFIOSAFE_P2P_MAPPED || peer->started, "mapped, not started");
	must(world, state == VFIOSAFE_P2P_MAPPED || !peer->started,
	     "started, not mapped");
}

void peer_look(struct world *world)
{
	struct peer *peer = world->peer;
	struct vfiosafe_sim_counts counts;

	must(world, vfiosafe_device_state(peer->dev) == VFIOSAFE_LIVE,
	     "the importer is not LIVE");
	must(world, vfiosafe_device_generation(peer->dev) == peer->generation,
	     "the importer's generation moved by a window of the exporter");
	vfiosafe_sim_counts(world->sim, &counts);
	must(world, counts.maps_left <= world->maps_left,
	     "the memory was taken away with a map in place");
	if (peer->map)
		look_at_map(world, peer);
}
