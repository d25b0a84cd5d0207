/* SPDX-License-Identifier: MIT */
/*
 * nic.c - open, program and close. It knows no resets: what programs the device at
 * first start does so after a reset too.
 */
#include <string.h>
#include "nic.h"

#define RCTL_ENABLE 0x2u
#define RCTL_PROMISCUOUS 0x18u	 /* every address, multicast too */
#define RCTL_BROADCAST 0x8000u
#define RCTL_NO_CHECKSUM 0x4000000u /* the Ethernet one is not stored */
#define TCTL_ENABLE 0x2u
#define TCTL_PAD 0x8u
#define MDIC_NEGOTIATE 0x04201200u /* write to PHY 1, BMCR: autonegotiation, again */
#define QUEUE_ENABLE 0x2000000u
#define SPLIT_ADVANCED 0x2000000u /* one buffer to a frame, of so many KiB: */

int nic_read(const struct nic *nic, uint32_t reg, uint32_t *value)
{
	if (!nic->raw)
		return vfiosafe_read32(&nic->regs, reg, value);
	*value = *(volatile uint32_t *)(nic->raw + reg);
	return 0;
}

int nic_write(const struct nic *nic, uint32_t reg, uint32_t value)
{
	if (!nic->raw)
		return vfiosafe_write32(&nic->regs, reg, value);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*(volatile uint32_t *)(nic->raw + reg) = value;
	return 0;
}

int nic_enable(struct nic *nic, bool on)
{
	uint32_t rctl = RCTL_ENABLE | RCTL_PROMISCUOUS | RCTL_BROADCAST | RCTL_NO_CHECKSUM;
	int rc = nic_write(nic, NIC_RCTL, on ? rctl : 0);

	nic->since.switched++;
	nic->since.ns = vfiosafe_deadline_in_ms(0);
	return rc < 0 ? rc : nic_write(nic, NIC_TCTL, on ? TCTL_ENABLE | TCTL_PAD : 0);
}

/* An empty ring; the device is not told yet where it is. */
static void empty(struct nic_ring *ring)
{
	struct nic_desc *desc = ring->desc.addr;

	memset(desc, 0, ring->desc.len);
	for (uint32_t i = 0; i < NIC_RING && ring->queue == NIC_RX; i++)
		desc[i].address = ring->frames.iova + (uint64_t)i * NIC_FRAME;
	ring->next = ring->done = 0;
}

static int program_ring(const struct nic *nic, const struct nic_ring *ring)
{
	uint64_t at = ring->desc.iova;
	int rc = nic_write(nic, ring->queue + NIC_BASE_LO, (uint32_t)at);

	if (rc == 0)
		rc = nic_write(nic, ring->queue + NIC_BASE_HI, (uint32_t)(at >> 32));
	if (rc == 0)
		rc = nic_write(nic, ring->queue + NIC_LEN,
			       NIC_RING * (uint32_t)sizeof(struct nic_desc));
	if (rc == 0 && ring->queue == NIC_RX)
		rc = nic_write(nic, NIC_RX + NIC_SPLIT, SPLIT_ADVANCED | NIC_FRAME >> 10);
	if (rc == 0)
		rc = nic_write(nic, ring->queue + NIC_HEAD, 0);
	return rc < 0 ? rc : nic_write(nic, ring->queue + NIC_QUEUE, QUEUE_ENABLE);
}

/* One descriptor stays the driver's, or a full ring would look like an empty one. */
int nic_program(struct nic *nic)
{
	int rc = nic_write(nic, NIC_CTRL, NIC_CTRL_LINK);

	if (rc == 0)
		rc = nic_write(nic, NIC_MDIC, MDIC_NEGOTIATE);
	empty(&nic->rx);
	empty(&nic->tx);
	nic->link = false;
	if (rc == 0)
		rc = program_ring(nic, &nic->rx);
	if (rc == 0)
		rc = program_ring(nic, &nic->tx);
	if (rc == 0)
		rc = nic_write(nic, NIC_TX + NIC_TAIL, 0);
	if (rc == 0)
		rc = nic_enable(nic, true);
	return rc < 0 ? rc : nic_write(nic, NIC_RX + NIC_TAIL, NIC_RING - 1);
}

static int allocate(struct nic *nic, struct nic_ring *ring, uint32_t queue)
{
	int rc = vfiosafe_dma_alloc(&ring->desc, nic->dev,
				    NIC_RING * sizeof(struct nic_desc), 0);

	ring->queue = queue;
	return rc < 0 ? rc
		      : vfiosafe_dma_alloc(&ring->frames, nic->dev,
					   (uint64_t)NIC_RING * NIC_FRAME, 0);
}

int nic_open(struct nic *nic, const char *address, const struct vfiosafe_device_opts *opts)
{
	int rc = vfiosafe_device_open(&nic->dev, address, opts);

	if (rc == 0)
		rc = vfiosafe_bar_map(&nic->bar, nic->dev, 0, 0, 0, 0);
	if (rc == 0)
		rc = allocate(nic, &nic->rx, NIC_RX);
	if (rc == 0)
		rc = allocate(nic, &nic->tx, NIC_TX);
	if (rc == 0)
		rc = vfiosafe_set_bus_master(nic->dev, true);
	if (rc == 0)
		rc = vfiosafe_bar_view(nic->bar, &nic->regs);
	return rc < 0 ? rc : nic_program(nic);
}

/* Its memory goes with it. */
void nic_close(struct nic *nic)
{
	if (nic->dev && vfiosafe_device_close(nic->dev, 1000) == 0)
		nic->dev = NULL;
}
