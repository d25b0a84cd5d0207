/* SPDX-License-Identifier: MIT */
/* Threads of which one runs at a time: whoever was handed the baton. */
#ifndef SCHEDULER_BATON_H
#define SCHEDULER_BATON_H

#include <pthread.h>
#include <stdbool.h>

struct baton {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	void (*task)(void *arg); /* NULL: the thread waits */
	void *arg;
	bool end;
};

void baton_start(struct baton *baton);
/* Runs @task on that thread; returns when it is done. */
void baton_pass(struct baton *baton, void (*task)(void *arg), void *arg);
void baton_stop(struct baton *baton);

#endif
