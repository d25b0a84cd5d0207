/* SPDX-License-Identifier: MIT */
/* Messages of the protocol, nearly right: the same ones for each seed. */
#ifndef FUZZ_MESSAGES_H
#define FUZZ_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

void fuzz_seed(uint64_t seed);
uint64_t chance(uint64_t n); /* 0 to n - 1 */

void valid(struct vsf_msg *msg);
/* Who sends it, and with how many fds: two bytes. */
void rightly(uint8_t *head, enum vsf_msg_type type);
/* Bytes, a 64-bit number, the length: some messages stay as they are. The new length. */
size_t mutate(uint8_t *buf, size_t len);

#endif
