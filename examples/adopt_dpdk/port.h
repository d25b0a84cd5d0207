/* SPDX-License-Identifier: MIT */
/*
 * port.h - an Ethernet port that DPDK drives, and whose resets libvfiosafe makes.
 *
 *   port.c   EAL; find, configure, start: as in any DPDK program
 *   adopt.c  the device fd and the mapping of the registers, for the library
 *   path.c   the data path: each burst is a section
 *   reset.c  all that there is about resets
 *
 * One thread calls port_send() and port_receive(); any other one resets
 * (vfiosafe_reset). A burst that meets a window moves nothing.
 */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <rte_mbuf.h>
#include <vfiosafe/vfiosafe.h>

#define PORT_BURST 32u
#define PORT_RING 256u
#define PORT_REGS 0u /* the BAR that bursts and start and stop touch */

struct port {
	const char *address;
	uint16_t id; /* DPDK's number */
	int fd;	     /* the VFIO device, beside the one that the PMD has; -1: none */
	bool guarded;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view regs;
	uint64_t
		link_at; /* the data path's: generation in which it saw a link; 0: none */
	unsigned int lost; /* atomic; how often: somebody has to recover it */
};

/* port.c: 0; -errno, and says why on stderr; _fail says it. @options: for EAL, @n of them
 */
int port_fail(const char *address, const char *what, int rc);
int port_eal(char **options, int n);
struct rte_mempool *port_pool(void);
int port_open(struct port *port, const char *address, struct rte_mempool *pool,
	      bool guarded);
/* Return: as DPDK's functions, 0 or -errno */
int port_start(struct port *port);
int port_stop(struct port *port);
void port_close(struct port *port);

/* adopt.c: likewise; not before the PMD has probed the device, nor twice */
int port_device_fd(const char *address);
int port_adopt(struct port *port);

/*
 * path.c: frames that were sent or received; 0 in a window, in FAULT, and without a link.
 * @make gives up to @n frames, all of this generation; those that find no room are freed.
 */
typedef unsigned int port_make(void *ctx, uint64_t generation, struct rte_mbuf **frames,
			       unsigned int n);
unsigned int port_send(struct port *port, unsigned int n, port_make *make, void *ctx);
unsigned int port_receive(struct port *port, struct rte_mbuf **frames, unsigned int n,
			  uint64_t *generation);

/* reset.c */
int port_survive_resets(struct port *port);

#endif
