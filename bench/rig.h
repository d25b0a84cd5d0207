/* SPDX-License-Identifier: MIT */
/*
 * rig.h - what the measurements are made on: a simulated device's register, by
 * the library and by hand.
 *
 * The register is ordinary cached memory, so a raw load takes a third of a
 * nanosecond: what remains is the cost of each guard. A load from a real BAR
 * takes about a microsecond, whatever stands around it.
 */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include <pthread.h>
#include <stdint.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

/*
 * Memory of the device that nothing but us touches. Not at the start of a page: the
 * library's words are, and a load waits for a store 4096 bytes away.
 */
#define BENCH_REG 0xf840u

/* Shared by all threads; each has a struct bench_rig of its own. */
struct bench_locks {
	pthread_rwlock_t rwlock;
	pthread_mutex_t mutex;
	int fd; /* a file whose first word stands for the register */
};

struct bench_rig {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_view view;
	volatile uint32_t *reg; /* at BENCH_REG, without the library */
	struct bench_locks *locks;
};

/* These end the program if they fail: without a rig nothing can be measured. */
void bench_rig_open(struct bench_rig *rig);
void bench_rig_close(struct bench_rig *rig);
__attribute__((format(printf, 1, 2), noreturn)) void bench_die(const char *fmt, ...);

int64_t bench_now_ns(void);

/* CPUs this process may use, and binding of the calling thread to the @nth. */
int bench_cpus(void);
void bench_pin(int nth);

#endif
