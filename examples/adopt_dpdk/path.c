/* SPDX-License-Identifier: MIT */
/*
 * path.c - the data path. Each burst is one section: rings, registers and frames are of
 * one generation, and no reset begins within it. Without the library the two functions
 * at the top would not be there.
 */
#include <rte_ethdev.h>
#include "port.h"

static int enter(struct port *port, struct vfiosafe_section *sec, uint64_t *generation)
{
	int rc = port->guarded ? vfiosafe_begin(&port->regs, sec) : 0;

	*generation = port->guarded ? vfiosafe_device_generation(port->dev) : 1;
	if (rc < 0)
		port->link_at = 0;
	return rc;
}

static int leave(struct port *port, struct vfiosafe_section *sec)
{
	int rc = port->guarded ? vfiosafe_end(sec) : 0;

	if (rc < 0)
		port->link_at = 0;
	return rc;
}

/* It comes up by itself; until then DPDK looks at the registers. */
static bool has_link(struct port *port, uint64_t generation)
{
	struct rte_eth_link link;

	if (port->link_at != generation && rte_eth_link_get_nowait(port->id, &link) == 0)
		port->link_at = link.link_status == RTE_ETH_LINK_UP ? generation : 0;
	return port->link_at == generation;
}

unsigned int port_send(struct port *port, unsigned int n, port_make *make, void *ctx)
{
	struct rte_mbuf *frames[PORT_BURST];
	struct vfiosafe_section sec;
	uint64_t generation;
	unsigned int made = 0, sent = 0;

	if (enter(port, &sec, &generation) < 0)
		return 0;
	if (has_link(port, generation))
		made = make(ctx, generation, frames, n < PORT_BURST ? n : PORT_BURST);
	if (made > 0)
		sent = rte_eth_tx_burst(port->id, 0, frames, (uint16_t)made);
	rte_pktmbuf_free_bulk(frames + sent, made - sent);
	/* If this fails, what was handed over is sent or not; a reset takes the rest. */
	(void)!leave(port, &sec);
	return sent;
}

unsigned int port_receive(struct port *port, struct rte_mbuf **frames, unsigned int n,
			  uint64_t *generation)
{
	struct vfiosafe_section sec;
	unsigned int came;
	bool link;

	if (enter(port, &sec, generation) < 0)
		return 0;
	link = has_link(port, *generation);
	came = rte_eth_rx_burst(port->id, 0, frames, (uint16_t)n);
	/* The PMD lets some in before it negotiates the link anew; then it is silent. */
	if (leave(port, &sec) == 0 && link)
		return came;
	rte_pktmbuf_free_bulk(frames, came);
	return 0;
}
