/* SPDX-License-Identifier: MIT */
/*
 * port.c - what any DPDK program does: EAL, probe, configure, start. It knows no resets.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include "port.h"

#define OPTIONS 32
#define MBUFS 4095u
#define MBUF_CACHE 32u

int port_fail(const char *address, const char *what, int rc)
{
	fprintf(stderr, "adopt_dpdk: %s: %s: %s\n", address, what, rte_strerror(-rc));
	return rc;
}

/*
 * One lcore for the job, one for the data path, on any of two processors. The devices
 * are probed one after the other (adopt.c says why), none at the start: the bridge in
 * slot 0 has no driver.
 */
int port_eal(char **options, int n)
{
	static char fixed[][32] = { "adopt_dpdk", "--no-telemetry", "--log-level=*:error",
				    "--lcores=0@(0-1),1@(0-1)", "--allow=0000:00:00.0" };
	enum { FIXED = sizeof(fixed) / sizeof(fixed[0]) };
	char *argv[OPTIONS + 1] = { NULL };
	int argc = 0;

	if (n > OPTIONS - FIXED)
		return port_fail("EAL", "so many options", -E2BIG);
	for (; argc < FIXED; argc++)
		argv[argc] = fixed[argc];
	for (int i = 0; i < n; i++)
		argv[argc++] = options[i];
	return rte_eal_init(argc, argv) < 0
		       ? port_fail("EAL", "does not start", -rte_errno)
		       : 0;
}

struct rte_mempool *port_pool(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("frames", MBUFS, MBUF_CACHE, 0,
							   RTE_MBUF_DEFAULT_BUF_SIZE, 0);

	if (!pool)
		port_fail("frames", "no memory for them", -rte_errno);
	return pool;
}

static int configure(const struct port *port, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { .link_speeds = RTE_ETH_LINK_SPEED_AUTONEG };
	int rc = rte_eth_dev_configure(port->id, 1, 1, &conf);

	if (rc == 0)
		rc = rte_eth_rx_queue_setup(port->id, 0, PORT_RING, 0, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(port->id, 0, PORT_RING, 0, NULL);
	return rc == 0 ? rte_eth_promiscuous_enable(port->id) : rc;
}

int port_open(struct port *port, const char *address, struct rte_mempool *pool,
	      bool guarded)
{
	int rc = rte_dev_probe(address);

	*port = (struct port){ .address = address, .fd = -1, .guarded = guarded };
	if (rc < 0)
		return port_fail(address, "DPDK cannot drive it", rc);
	rc = rte_eth_dev_get_port_by_name(address, &port->id);
	if (rc < 0)
		return port_fail(address, "no port of DPDK's; is it bound to vfio-pci?",
				 rc);
	port->fd = port_device_fd(address);
	if (port->fd < 0)
		return port_fail(address, "no device fd", port->fd);
	rc = guarded ? port_adopt(port) : 0;
	if (rc < 0)
		return rc;
	rc = configure(port, pool);
	/* Each start of the PMD disables interrupts twice, which is an error to EAL. */
	rte_log_set_level_pattern("lib.eal", RTE_LOG_CRIT);
	if (rc == 0)
		rc = port_start(port);
	return rc < 0 ? port_fail(address, "cannot be started", rc) : 0;
}

int port_start(struct port *port)
{
	return rte_eth_dev_start(port->id);
}

int port_stop(struct port *port)
{
	return rte_eth_dev_stop(port->id);
}

void port_close(struct port *port)
{
	port_stop(port);
	if (port->dev && vfiosafe_device_close(port->dev, 1000) == 0)
		port->dev = NULL;
	rte_eth_dev_close(port->id);
	close(port->fd);
}
