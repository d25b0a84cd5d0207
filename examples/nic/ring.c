/* SPDX-License-Identifier: MIT */
/*
 * ring.c - the data path. Each burst is one section: rings and registers are of one
 * generation, and no reset comes between the descriptors and the doorbell.
 */
#include <endian.h>
#include <string.h>
#include "nic.h"

#define DONE 1u
#define SEND 0x2b300000u /* data, advanced: a whole frame, with checksum, reported */
#define PAYLOAD_SHIFT 14

static int enter(const struct nic *nic, struct vfiosafe_section *sec)
{
	return nic->raw ? 0 : vfiosafe_begin(&nic->regs, sec);
}

/* Good are the frames only if the section was. */
static int leave(const struct nic *nic, struct vfiosafe_section *sec, int rc)
{
	int end = nic->raw ? 0 : vfiosafe_end(sec);

	return rc < 0 ? rc : end;
}

static struct nic_desc *desc_at(const struct nic_ring *ring, uint32_t i)
{
	return (struct nic_desc *)ring->desc.addr + i % NIC_RING;
}

static uint8_t *frame_at(const struct nic_ring *ring, uint32_t i)
{
	return (uint8_t *)ring->frames.addr + (size_t)(i % NIC_RING) * NIC_FRAME;
}

/* Has the device written this one back? What it wrote before is there then. */
static bool is_done(const uint32_t *status)
{
	return le32toh(__atomic_load_n(status, __ATOMIC_ACQUIRE)) & DONE;
}

/* It comes up by itself; until then the register is looked at. */
static int look_at_link(struct nic *nic)
{
	uint32_t status = 0;
	int rc = nic->link ? 0 : nic_read(nic, NIC_STATUS, &status);

	if (rc == 0 && (status & NIC_STATUS_LINK))
		nic->link = true;
	return rc;
}

static void post(struct nic_ring *tx, uint32_t len)
{
	struct nic_desc *desc = desc_at(tx, tx->next);

	desc->address =
		htole64(tx->frames.iova + (uint64_t)(tx->next % NIC_RING) * NIC_FRAME);
	desc->command = htole32(SEND | len);
	desc->status = htole32(len << PAYLOAD_SHIFT);
	tx->next++;
}

static unsigned int post_burst(struct nic *nic, unsigned int n, nic_fill *fill, void *ctx)
{
	struct nic_ring *tx = &nic->tx;
	unsigned int done = 0;

	while (tx->done != tx->next && is_done(&desc_at(tx, tx->done)->status))
		tx->done++;
	for (; done < n && tx->next - tx->done < NIC_RING - 1; done++)
		post(tx, fill(ctx, nic, frame_at(tx, tx->next)));
	return done;
}

int nic_send(struct nic *nic, unsigned int n, nic_fill *fill, void *ctx)
{
	struct vfiosafe_section sec;
	unsigned int done = 0;
	int rc = enter(nic, &sec);

	if (rc < 0)
		return rc;
	rc = look_at_link(nic);
	if (rc == 0 && nic->link)
		done = post_burst(nic, n, fill, ctx);
	if (done > 0)
		rc = nic_write(nic, NIC_TX + NIC_TAIL, nic->tx.next % NIC_RING);
	rc = leave(nic, &sec, rc);
	return rc < 0 ? rc : (int)done;
}

static void take(struct nic_ring *rx, struct nic_frame *to)
{
	struct nic_desc *desc = desc_at(rx, rx->next);
	uint32_t len = le32toh(desc->status) & 0xffff;

	to->len = len < NIC_FRAME ? len : NIC_FRAME;
	memcpy(to->data, frame_at(rx, rx->next), to->len);
	desc->address =
		htole64(rx->frames.iova + (uint64_t)(rx->next % NIC_RING) * NIC_FRAME);
	desc->command = 0;
	desc->status = 0;
	rx->next++;
}

int nic_receive(struct nic *nic, unsigned int n, struct nic_frame *frames,
		struct nic_since *since)
{
	struct nic_ring *rx = &nic->rx;
	struct vfiosafe_section sec;
	unsigned int done = 0;
	int rc = enter(nic, &sec);

	if (rc < 0)
		return rc;
	*since = nic->since;
	while (done < n && is_done(&desc_at(rx, rx->next)->command))
		take(rx, &frames[done++]);
	/* The device may fill all but the one before the next. */
	if (done > 0)
		rc = nic_write(nic, NIC_RX + NIC_TAIL, (rx->next - 1) % NIC_RING);
	rc = leave(nic, &sec, rc);
	return rc < 0 ? rc : (int)done;
}
