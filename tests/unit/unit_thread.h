/* SPDX-License-Identifier: MIT */
/* unit_thread.h - other threads, of which the test knows where they are. */
#ifndef UNIT_THREAD_H
#define UNIT_THREAD_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/types.h>

#include "unit.h"

/* A thread that opens a section, stays in it, and ends it when told. */
struct holder {
	pthread_t thread;
	sem_t in, out;
	const struct vfiosafe_view *view;
	pid_t tid;
	int begin_rc, end_rc;
	bool never_ends; /* the thread ends instead, inside the section */
};

void hold(struct holder *holder, const struct vfiosafe_view *view);
/* What vfiosafe_end() said there. */
int release(struct holder *holder);

/* Runs @fn on a thread of its own until it returns; its result. */
int on_another_thread(int (*fn)(void));

/* The same, in parallel. */
struct runner {
	pthread_t thread;
	int (*fn)(void);
	int rc;
};
void run_beside(struct runner *runner, int (*fn)(void));
int run_ended(struct runner *runner);

/* Waits, without a time, for what another thread is sure to do; CTest bounds it. */
#define until(condition)                                                                 \
	do                                                                               \
		sched_yield();                                                           \
	while (!(condition))

unsigned int times_called(enum fake_call call);

#endif
