/* SPDX-License-Identifier: MIT */
/*
 * stream.c - frames that say which one they are, and whether they are whole.
 */
#include <string.h>
#include "job.h"

#define ETHERNET 16u /* its header, and 2 bytes so that what follows is aligned */
#define TYPE 0x88b5u /* for experiments */

struct payload {
	uint64_t number;
	struct nic_since from; /* the sender's, when it was sent */
	uint64_t filler[];     /* the last one is the sum of all others */
};

static uint64_t sum(const uint64_t *words, size_t n)
{
	uint64_t sum = n;

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15u;
	return sum;
}

static size_t filler(unsigned int size)
{
	return (size - ETHERNET - sizeof(struct payload)) / sizeof(uint64_t);
}

static size_t summed(unsigned int size)
{
	return (size - ETHERNET) / sizeof(uint64_t) - 1;
}

/* In a section: what is said of the sender is of the generation that it is sent in. */
uint32_t stream_fill(void *ctx, const struct nic *nic, uint8_t *frame)
{
	const struct burst *burst = ctx;
	struct payload *payload = (void *)(frame + ETHERNET);
	size_t last = filler(burst->size) - 1;

	memset(frame, 0xff, 6);
	memset(frame + 6, 2, ETHERNET - 6);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 0xff;
	payload->number = burst->stream->sent++;
	payload->from = nic->since;
	for (size_t i = 0; i < last; i++)
		payload->filler[i] = payload->number + i;
	payload->filler[last] = sum(&payload->number, summed(burst->size));
	return burst->size;
}

static bool is_whole(const struct nic_frame *frame)
{
	const struct payload *payload = (const void *)(frame->data + ETHERNET);
	unsigned int len = (unsigned int)frame->len;

	return len >= ETHERNET + sizeof(*payload) + sizeof(uint64_t) && len % 8 == 0 &&
	       frame->data[12] == TYPE >> 8 && frame->data[13] == (TYPE & 0xff) &&
	       payload->filler[filler(len) - 1] == sum(&payload->number, summed(len));
}

/* A frame came from, or to, a device that was switched on since the last one came. */
static void note_resume(struct job_result *result, struct nic_since *last,
			const struct nic_since *now)
{
	unsigned int n = result->resumes;

	if (last->switched && last->switched != now->switched && n < JOB_RESUMES) {
		result->resumed_ns[n] = job_now() - now->ns;
		__atomic_store_n(&result->resumes, n + 1, __ATOMIC_RELEASE);
	}
	*last = *now;
}

/* The wire keeps the order: what comes late has come before. */
void stream_judge(struct job_result *result, struct stream *stream,
		  const struct nic_frame *frame, const struct nic_since *to)
{
	const struct payload *payload = (const void *)(frame->data + ETHERNET);
	uint64_t gap;

	if (!is_whole(frame)) {
		stream->corrupted++;
		return;
	}
	if (payload->number < stream->next) {
		stream->duplicated++;
		return;
	}
	gap = payload->number - stream->next;
	if (payload->from.switched == stream->from.switched &&
	    to->switched == stream->to.switched)
		stream->strayed += gap;
	else
		stream->dropped += gap;
	note_resume(result, &stream->from, &payload->from);
	note_resume(result, &stream->to, to);
	stream->next = payload->number + 1;
	stream->received++;
	stream->moved_ns = job_now();
}
