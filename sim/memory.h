/* SPDX-License-Identifier: MIT */
/*
 * memory.h - how the device itself touches its registers.
 *
 * Programs touch the same bytes at the same time by plain volatile pointers, as
 * they would touch hardware; hence atomic accesses here. A thread sanitizer knows
 * memory by its address, and the device has a mapping of its own: it does not see
 * the device race with the program, as it would not see a real one.
 */
#ifndef VSIM_MEMORY_H
#define VSIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Instrumented, one look at all slots would take longer than the pause to the next.
 * clang needs the stronger attribute: by the other it leaves atomics instrumented.
 * Functions that loop are VSIM_BULK: inlined, they would be instrumented after all.
 */
#if defined(__clang__)
#define VSIM_HARDWARE __attribute__((disable_sanitizer_instrumentation))
#else
#define VSIM_HARDWARE __attribute__((no_sanitize("thread")))
#endif
#define VSIM_BULK VSIM_HARDWARE __attribute__((noinline))

#define VSIM_ONES64 UINT64_MAX
#define VSIM_ONES32 UINT32_MAX

/*
 * Orders: a swap pairs with the program's accesses on both sides, so that a
 * store is either in what the swap returned or on top of what it put. Other
 * loads are mere looks. Stores release, so that registers come back in order.
 */
static inline VSIM_HARDWARE uint64_t vsim_swap64(uint64_t *word, uint64_t value)
{
	return __atomic_exchange_n(word, value, __ATOMIC_ACQ_REL);
}

static inline VSIM_HARDWARE uint64_t vsim_get64(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline VSIM_HARDWARE void vsim_set64(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline VSIM_HARDWARE uint32_t vsim_get32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline VSIM_HARDWARE void vsim_set32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* True if @word held @old and now holds @value. */
static inline VSIM_HARDWARE bool vsim_change32(uint32_t *word, uint32_t old,
					       uint32_t value)
{
	return __atomic_compare_exchange_n(word, &old, value, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* One access of 1, 2, 4 or 8 bytes, naturally aligned, as the bus would see it. */
static inline VSIM_HARDWARE uint64_t vsim_load(const void *at, unsigned int width)
{
	switch (width) {
	case 8:
		return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint8_t *)at, __ATOMIC_ACQUIRE);
	}
}

static inline VSIM_HARDWARE void vsim_store(void *at, unsigned int width, uint64_t value)
{
	switch (width) {
	case 8:
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELEASE);
		break;
	}
}

#endif
