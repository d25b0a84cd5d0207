/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "baton.h"

static void *run(void *arg)
{
	struct baton *baton = arg;

	pthread_mutex_lock(&baton->lock);
	for (;;) {
		while (!baton->task && !baton->end)
			pthread_cond_wait(&baton->moved, &baton->lock);
		if (baton->end)
			break;
		baton->task(baton->arg);
		baton->task = NULL;
		pthread_cond_broadcast(&baton->moved);
	}
	pthread_mutex_unlock(&baton->lock);
	return NULL;
}

void baton_start(struct baton *baton)
{
	*baton = (struct baton){ .end = false };
	pthread_mutex_init(&baton->lock, NULL);
	pthread_cond_init(&baton->moved, NULL);
	if (pthread_create(&baton->thread, NULL, run, baton) != 0)
		abort();
}

void baton_pass(struct baton *baton, void (*task)(void *arg), void *arg)
{
	pthread_mutex_lock(&baton->lock);
	baton->arg = arg;
	baton->task = task;
	pthread_cond_broadcast(&baton->moved);
	while (baton->task)
		pthread_cond_wait(&baton->moved, &baton->lock);
	pthread_mutex_unlock(&baton->lock);
}

void baton_stop(struct baton *baton)
{
	pthread_mutex_lock(&baton->lock);
	baton->end = true;
	pthread_cond_broadcast(&baton->moved);
	pthread_mutex_unlock(&baton->lock);
	pthread_join(baton->thread, NULL);
	pthread_mutex_destroy(&baton->lock);
	pthread_cond_destroy(&baton->moved);
}
