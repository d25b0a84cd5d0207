/* SPDX-License-Identifier: MIT */
/*
 * Files that a client sent where it may send memory, and that are none. Closing a file of
 * FUSE asks its file system, which may be the client's own and never answer.
 */
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "broker.h"

#define WAIT_MAX 16

static unsigned int waiting; /* atomic */

static void *close_it(void *arg)
{
	close((int)(intptr_t)arg);
	__atomic_sub_fetch(&waiting, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Without a thread it stays open: that is less than a broker that stands still. */
static int close_stranger(void *ctx, int fd)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	(void)ctx;
	__atomic_add_fetch(&waiting, 1, __ATOMIC_RELAXED);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, close_it, (void *)(intptr_t)fd);
	pthread_attr_destroy(&attr);
	return -rc;
}

struct vfiosafe_sys strangers_closed(const struct vfiosafe_sys *sys)
{
	struct vfiosafe_sys table = *sys;

	table.close_stranger = close_stranger;
	return table;
}

bool strangers_wait(void)
{
	return __atomic_load_n(&waiting, __ATOMIC_RELAXED) >= WAIT_MAX;
}
