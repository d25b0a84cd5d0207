/* SPDX-License-Identifier: MIT */
/*
 * fuzz_x [--seed N] [--runs N]: mutations of valid messages, the same for each seed. One
 * in ten at least must get through, or it was not the parser that was tested.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_messages.h"

static uint64_t number(char **argv, int i)
{
	char *end = NULL;
	uint64_t n = argv[i + 1] ? strtoull(argv[i + 1], &end, 0) : 0;

	if (end && *end == '\0' && end != argv[i + 1])
		return n;
	fprintf(stderr, "%s: a number, please\n", argv[i]);
	exit(2);
}

int main(int argc, char **argv)
{
	uint8_t buf[2 + VSF_WIRE_LEN_MAX] = { 0 };
	uint64_t seed = 1, runs = 1000000, accepted = 0;

	for (int i = 1; i < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			seed = number(argv, i);
		else if (strcmp(argv[i], "--runs") == 0)
			runs = number(argv, i);
		else
			return fprintf(stderr, "usage: %s [--seed N] [--runs N]\n",
				       argv[0]),
			       2;
	}
	fuzz_seed(seed);
	for (uint64_t i = 0; i < runs; i++) {
		struct vsf_msg msg;

		valid(&msg);
		rightly(buf, msg.type);
		if (chance(4) == 0)
			buf[chance(2)] = (uint8_t)chance(8);
		memset(buf + 2, 0, VSF_WIRE_LEN_MAX);
		vsf_wire_encode(&msg, buf + 2);
		accepted += LLVMFuzzerTestOneInput(
				    buf, 2 + mutate(buf + 2, VSF_WIRE_LEN)) == 0;
	}
	printf("seed %llu: %llu inputs, none harmful, %llu accepted\n",
	       (unsigned long long)seed, (unsigned long long)runs,
	       (unsigned long long)accepted);
	return accepted >= runs / 10 ? 0 : 1;
}
