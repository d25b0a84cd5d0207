/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "epoch.h"
#include "error.h"
#include "fault.h"
#include "log.h"
#include "sys.h"

/* The model once more: a definition without it forgets what the header said. */
__thread struct vsf_thread *vsf_self __attribute__((tls_model("initial-exec")));
__thread const uint64_t **vsf_top __attribute__((tls_model("initial-exec")));

static struct vsf_thread *thread_of(struct vsf_node *node)
{
	return (struct vsf_thread *)((char *)node - offsetof(struct vsf_thread, node));
}

static void thread_free(struct vsf_node *node)
{
	free(thread_of(node));
}

static struct vsf_table threads = VSF_TABLE_INIT(thread_free);

/*
 * Made once per process. The canary lies in memory that the kernel wipes in a
 * forked child: there, locks may be held by threads that do not exist, so no
 * record is made or given back.
 */
static struct {
	pthread_once_t once;
	int rc;
	pthread_key_t key;
	const uint32_t *canary;
} process = { .once = PTHREAD_ONCE_INIT };

static bool forked(void)
{
	return __atomic_load_n(process.canary, __ATOMIC_RELAXED) == 0;
}

/* Runs when a thread ends. Off the table, its slots hold nobody up. */
static void thread_end(void *arg)
{
	struct vsf_thread *self = arg;
	size_t depth = vsf_depth();

	vsf_self = NULL;
	vsf_top = NULL;
	if (forked())
		return;
	if (depth > 0)
		vsf_log(VFIOSAFE_LOG_ERROR,
			"thread %d ended inside a section; its accesses are not covered",
			(int)self->tid);
	vsf_table_retire(&threads, &self->node);
	/* Here a thread may wait; in a section's first call it should not. */
	vsf_table_reap(&threads);
}

static int make_canary(const uint32_t **canary)
{
	void *page;
	int rc = vsf_page_new(vfiosafe_sys_default(), &page);

	if (rc < 0)
		return rc;
	*(uint32_t *)page = 1;
	*canary = page;
	return 0;
}

static void process_init(void)
{
	process.rc = make_canary(&process.canary);
	if (process.rc == 0)
		process.rc = -pthread_key_create(&process.key, thread_end);
}

int vsf_thread_get(struct vsf_thread **out)
{
	struct vsf_thread *self = vsf_self;
	int rc;

	if (self) {
		*out = self;
		return 0;
	}
	pthread_once(&process.once, process_init);
	if (process.rc < 0)
		return process.rc;
	if (forked())
		return -ENODEV;
	self = calloc(1, sizeof(*self));
	if (!self)
		return -ENOMEM;
	self->tid = gettid();
	rc = -pthread_setspecific(process.key, self);
	if (rc < 0) {
		free(self);
		return rc;
	}
	vsf_table_insert(&threads, &self->node);
	vsf_self = self;
	vsf_top = self->slot;
	*out = self;
	/* Its first use of a device, and no section is open yet. */
	vsf_sigbus_check_mask();
	return 0;
}

int vsf_epoch_init(const struct vfiosafe_sys *sys, bool *fenced)
{
	struct vsf_thread *self;
	int rc = vsf_thread_get(&self);

	/* A record that was inherited, in a child whose other threads can have none. */
	if (rc == 0 && forked())
		return vsf_fail(ENODEV, "this process was forked from one that had used the "
					"library: fork before its first call, or exec");
	if (rc < 0)
		return vsf_fail(-rc, "cannot prepare this thread: %s", strerror(-rc));
	*fenced = vsf_sys(sys, membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) < 0;
	return 0;
}

int vsf_epoch_barrier(const struct vfiosafe_sys *sys, bool fenced)
{
	/* Pairs with the readers' fence, or stands for it: see epoch.h. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (fenced)
		return 0;
	return vsf_sys(sys, membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

struct search {
	const uint64_t *word;
	pid_t tid;
	unsigned int count;
};

static bool is_in(const struct vsf_thread *thread, const uint64_t *word)
{
	/* Acquire: pairs with the release store that ends a section. */
	for (size_t i = 0; i < sizeof(thread->slot) / sizeof(thread->slot[0]); i++)
		if (__atomic_load_n(&thread->slot[i], __ATOMIC_ACQUIRE) == word)
			return true;
	return false;
}

static bool thread_is_in(struct vsf_node *node, void *ctx)
{
	const struct vsf_thread *thread = thread_of(node);
	struct search *search = ctx;

	search->tid = thread->tid;
	return is_in(thread, search->word);
}

static bool count_thread(struct vsf_node *node, void *ctx)
{
	struct search *search = ctx;

	search->count += is_in(thread_of(node), search->word);
	return false;
}

unsigned int vsf_epoch_count(const uint64_t *word)
{
	struct search search = { .word = word };

	(void)vsf_table_walk(&threads, count_thread, &search);
	return search.count;
}

bool vsf_epoch_busy(const uint64_t *word, pid_t *tid)
{
	struct search search = { .word = word };

	if (!vsf_table_walk(&threads, thread_is_in, &search))
		return false;
	*tid = search.tid;
	return true;
}
