/* SPDX-License-Identifier: MIT */
/*
 * sim_toucher.h - a thread that touches one word of a BAR, once, and may hang.
 */
#ifndef SIM_TOUCHER_H
#define SIM_TOUCHER_H

#include "sim_rig.h"

struct toucher {
	volatile uint64_t *word;
	bool store;
	uint64_t value; /* stored, or loaded */
	pid_t tid;	/* known when it is about to touch */
	bool done;
	pthread_t thread;
};

static inline void *touch(void *arg)
{
	struct toucher *toucher = arg;

	__atomic_store_n(&toucher->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (toucher->store)
		*toucher->word = toucher->value;
	else
		toucher->value = *toucher->word;
	__atomic_store_n(&toucher->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static inline bool asleep(pid_t tid)
{
	char path[64];
	char text[256] = "";
	const char *after_name;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	after_name = strrchr(text, ')');
	return after_name && (after_name[2] == 'S' || after_name[2] == 'D');
}

/* Returns whether the kernel has put the thread to sleep in its touch. */
static inline bool toucher_blocks(struct toucher *toucher)
{
	pid_t tid = 0;

	assert_int_equal(pthread_create(&toucher->thread, NULL, touch, toucher), 0);
	until((tid = __atomic_load_n(&toucher->tid, __ATOMIC_ACQUIRE)) != 0);
	until(asleep(tid) || __atomic_load_n(&toucher->done, __ATOMIC_ACQUIRE));
	return !__atomic_load_n(&toucher->done, __ATOMIC_ACQUIRE);
}

static inline void toucher_join(struct toucher *toucher)
{
	assert_int_equal(pthread_join(toucher->thread, NULL), 0);
}

#endif
