/* SPDX-License-Identifier: MIT */
/*
 * 0: the input was accepted; -1: refused, and not to be kept.
 *
 * A fuzz target is one function, by the name that libFuzzer wants: build it with
 * clang -fsanitize=fuzzer to have it find its own inputs. fuzz_main.c feeds it
 * mutations of messages that are valid, from a seed.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
