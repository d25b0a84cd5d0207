/* SPDX-License-Identifier: MIT */
/*
 * Order between device memory and ordinary memory. BARs are mapped uncached.
 *
 * x86: loads stay in order among themselves, stores too, uncached ones included;
 * only the compiler has to be held back.
 */
#ifndef VSF_ARCH_H
#define VSF_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#define vsf_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
/* A device load before all later loads: the second look, DMA memory. */
#define vsf_after_device_load() vsf_barrier()
/* Stores to DMA memory before a device store: a doorbell. */
#define vsf_before_device_store() vsf_barrier()
/* A device store before the store that ends the section. */
#define vsf_after_device_store() vsf_barrier()
#elif defined(__aarch64__)
#define vsf_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define vsf_after_device_load() __asm__ volatile("dmb oshld" ::: "memory")
#define vsf_before_device_store() __asm__ volatile("dmb oshst" ::: "memory")
#define vsf_after_device_store() __asm__ volatile("dmb oshst" ::: "memory")
#else
#define vsf_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#define vsf_after_device_load() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define vsf_before_device_store() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define vsf_after_device_store() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/*
 * Does the word hold @value? An acquire load, which every load is on x86. There the
 * compare takes the word from memory, which gcc does not do with an atomic load: an
 * access looks four times. A thread sanitizer has to see a load.
 */
static inline bool vsf_word_is(const uint64_t *word, uint64_t value)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	bool is;

	__asm__ volatile("cmpq %2, %1" : "=@ccz"(is) : "m"(*word), "r"(value) : "memory");
	return is;
#else
	return __atomic_load_n(word, __ATOMIC_ACQUIRE) == value;
#endif
}

/*
 * One load of a register, of exactly that width, as the bus has it (little-endian).
 * On x86 base and offset are added by the load itself: of a volatile access gcc
 * makes an addition and a load.
 */
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define VSF_DEFINE_LOAD(bits, mov, to)                                                   \
	static inline uint##bits##_t vsf_load##bits(const volatile void *base,           \
						    uint64_t offset)                     \
	{                                                                                \
		uint##bits##_t value;                                                    \
                                                                                         \
		__asm__ volatile(mov " (%1,%2), %" to "0"                                \
				 : "=r"(value)                                           \
				 : "r"(base), "r"(offset)                                \
				 : "memory");                                            \
		return value;                                                            \
	}
#else
#define VSF_DEFINE_LOAD(bits, mov, to)                                                   \
	static inline uint##bits##_t vsf_load##bits(const volatile void *base,           \
						    uint64_t offset)                     \
	{                                                                                \
		return *(const volatile uint##bits##_t *)((const volatile uint8_t *)base + \
							  offset);                       \
	}
#endif
VSF_DEFINE_LOAD(8, "movzbl", "k")
VSF_DEFINE_LOAD(16, "movzwl", "k")
VSF_DEFINE_LOAD(32, "movl", "k")
VSF_DEFINE_LOAD(64, "movq", "q")
#undef VSF_DEFINE_LOAD

#endif
