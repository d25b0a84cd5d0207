/* SPDX-License-Identifier: MIT */
/*
 * stream.c - frames that say which one they are, and whether they are whole.
 */
#include <string.h>
#include "job.h"

#define HEADER 16u   /* Ethernet's, and 2 bytes so that what follows is aligned */
#define TYPE 0x88b5u /* for experiments */
#define WORDS 60u

struct payload {
	uint64_t number;
	uint64_t generation; /* of the sender, when it was sent */
	uint64_t filler[WORDS];
	uint64_t sum; /* of all before */
};

static uint64_t sum(const struct payload *payload)
{
	const uint64_t *words = &payload->number;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < WORDS + 2; i++)
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15u;
	return sum;
}

static void fill(struct rte_mbuf *frame, uint64_t number, uint64_t generation)
{
	uint8_t *header = rte_pktmbuf_mtod(frame, uint8_t *);
	struct payload *payload = (void *)(header + HEADER);

	frame->data_len = HEADER + sizeof(*payload);
	frame->pkt_len = frame->data_len;
	memset(header, 0xff, 6);
	memset(header + 6, 2, HEADER - 6);
	header[12] = TYPE >> 8;
	header[13] = TYPE & 0xff;
	payload->number = number;
	payload->generation = generation;
	for (unsigned int i = 0; i < WORDS; i++)
		payload->filler[i] = number + i;
	payload->sum = sum(payload);
}

unsigned int stream_make(void *ctx, uint64_t generation, struct rte_mbuf **frames,
			 unsigned int n)
{
	const struct burst *burst = ctx;

	if (rte_pktmbuf_alloc_bulk(burst->pool, frames, n) < 0)
		return 0;
	for (unsigned int i = 0; i < n; i++)
		fill(frames[i], burst->stream->sent + i, generation);
	return n;
}

static bool is_whole(const struct rte_mbuf *frame, const struct payload *payload)
{
	const uint8_t *header = rte_pktmbuf_mtod(frame, const uint8_t *);

	return frame->nb_segs == 1 && frame->pkt_len == HEADER + sizeof(*payload) &&
	       header[12] == TYPE >> 8 && header[13] == (TYPE & 0xff) &&
	       payload->sum == sum(payload);
}

/* Return: how many of the two are new. */
static unsigned int note(struct stream *stream, uint64_t from, uint64_t to)
{
	unsigned int new =
		(stream->generation[0] != from) + (stream->generation[1] != to);

	stream->generation[0] = from;
	stream->generation[1] = to;
	return new;
}

/* The wire keeps the order: what comes late has come before. */
void stream_judge(struct stream *stream, const struct rte_mbuf *frame,
		  uint64_t generation)
{
	const struct payload *payload =
		rte_pktmbuf_mtod_offset(frame, const struct payload *, HEADER);
	uint64_t gap;
	unsigned int new;

	if (!is_whole(frame, payload)) {
		stream->corrupt++;
		return;
	}
	if (payload->number < stream->next) {
		stream->duplicated++;
		return;
	}
	gap = payload->number - stream->next;
	new = note(stream, payload->generation, generation);
	if (new > 0)
		stream->lost += gap;
	else
		stream->strayed += gap;
	stream->next = payload->number + 1;
	stream->received++;
	stream->moved_ns = job_now();
	__atomic_fetch_add(&stream->resumes, new, __ATOMIC_RELEASE);
}
