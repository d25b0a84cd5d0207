/* SPDX-License-Identifier: MIT */
/* The fake kernel as a whole: its start and end, its log, failures on demand. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "epoch.h"
#include "fake_parts.h"

static bool rule_hits(struct fake_rule *rule, enum fake_call call, uint64_t key)
{
	if (rule->times == 0 || rule->call != call ||
	    (rule->key != FAKE_ANY && rule->key != key))
		return false;
	if (rule->skip > 0) {
		rule->skip--;
		return false;
	}
	rule->times--;
	return true;
}

static int failure(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (fake->fail_nth > 0 && --fake->fail_nth == 0) {
		fake->failed = true;
		fake->failed_call = call;
		fake->failed_key = key;
		return -fake->fail_err;
	}
	for (size_t i = 0; i < sizeof(fake->rule) / sizeof(fake->rule[0]); i++)
		if (rule_hits(&fake->rule[i], call, key))
			return -fake->rule[i].err;
	return 0;
}

int fake_enter(struct fake *fake, enum fake_call call, uint64_t key)
{
	if (fake->hook)
		fake->hook(fake, call, key);
	pthread_mutex_lock(&fake->lock);
	fake->count[call]++;
	return failure(fake, call, key);
}

int fake_leave(struct fake *fake, int rc)
{
	pthread_mutex_unlock(&fake->lock);
	return rc;
}

void fake_fail_later(struct fake *fake, enum fake_call call, uint64_t key, int err,
		     unsigned int skip, unsigned int times)
{
	struct fake_rule *rule = fake->rule;

	while (rule->times > 0)
		rule++;
	*rule = (struct fake_rule){ call, key, skip, times, err };
}

void fake_fail(struct fake *fake, enum fake_call call, uint64_t key, int err,
	       unsigned int times)
{
	fake_fail_later(fake, call, key, err, 0, times);
}

const char *fake_call_name(enum fake_call call)
{
	static const char *const names[] = {
		"open",	  "close",   "dup",	   "ioctl",	 "pread",
		"pwrite", "rdev",    "readlink",   "dir_names",	 "mmap",
		"munmap", "madvise", "membarrier", "futex_wait", "sleep",
		"memfd",  "eventfd", "event_read", "event_write", "epoll",
		"epoll_add", "dup_onto", "memlock_limit", "socketpair", "credentials",
		"send",	  "receive", "epoll_del",  "epoll_wait", "timer",
		"timer_set", "pidfd", "kill",	   "sealable",	 "seal",
		"sealed", "memfd_look", "close_stranger",
	};

	return call < FAKE_CALLS ? names[call] : "?";
}

static void __attribute__((format(printf, 2, 0)))
log_words(struct fake *fake, const char *fmt, va_list ap)
{
	size_t used = strlen(fake->log);

	if (used > 0 && used < sizeof(fake->log) - 1)
		fake->log[used++] = ' ';
	vsnprintf(fake->log + used, sizeof(fake->log) - used, fmt, ap);
}

void fake_log_locked(struct fake *fake, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_words(fake, fmt, ap);
	va_end(ap);
}

void fake_note(struct fake *fake, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	pthread_mutex_lock(&fake->lock);
	log_words(fake, fmt, ap);
	pthread_mutex_unlock(&fake->lock);
	va_end(ap);
}

void fake_log_clear(struct fake *fake)
{
	memset(fake->log, 0, sizeof(fake->log));
}

struct fake_group *fake_group_of(struct fake *fake, unsigned int id)
{
	struct fake_group *group = fake->group;

	while (group->id != 0 && group->id != id)
		group++;
	group->id = id;
	return group;
}

static void memory_start(struct fake_function *fn)
{
	size_t len = FAKE_BARS * FAKE_BAR_MAX;

	fn->memfd = memfd_create("fake-bars", MFD_CLOEXEC);
	if (fn->memfd < 0 || ftruncate(fn->memfd, (off_t)len) < 0)
		perror("memfd of the fake BARs");
	fn->memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fn->memfd, 0);
}

struct fake_function *fake_add(struct fake *fake, const char *address, unsigned int group,
			       unsigned int node)
{
	struct fake_function *fn = &fake->fn[fake->functions++];

	snprintf(fn->address, sizeof(fn->address), "%s", address);
	fn->group = group;
	fn->node = node;
	fn->bar[0].len = 0x10000;
	fn->bar[2] = (struct fake_bar){ .len = 0x20, .no_mmap = true };
	fn->bar[4] = (struct fake_bar){ .len = 0x40, .io_port = true };
	memory_start(fn);
	fake_config_start(fn);
	fake_irqs_start(fn);
	fake_vectors_start(fn);
	fake_tree_function(fake, fn);
	return fn;
}

void fake_start(struct fake *fake)
{
	struct vsf_thread *self;

	memset(fake, 0, sizeof(*fake));
	pthread_mutex_init(&fake->lock, NULL);
	fake->now = INT64_C(1000000000000);
	fake->sys.size = sizeof(fake->sys);
	fake->sys.ctx = fake;
	fake->memlock_limit = UINT64_C(64) << 20;
	fake_files_install(&fake->sys);
	fake_events_install(&fake->sys);
	fake_share_install(&fake->sys);
	fake_sysfs_install(&fake->sys);
	fake_memory_install(&fake->sys);
	fake_clock_install(&fake->sys);
	fake_tree_start(fake);
	fake_iommu_start(fake);
	fake_add(fake, "0000:01:00.0", 7, 3);
	/* A thread's record stays until the thread ends: it is no leak. */
	(void)vsf_thread_get(&self);
	/* Nor are sections that a failed test left open: the next begins anew. */
	vsf_top = self->slot;
	memset(self->slot, 0, sizeof(self->slot));
	fake->heap_blocks = heap_blocks();
	fake->heap_bytes = heap_bytes();
}

const char *fake_leaks(struct fake *fake)
{
	static char text[160];
	int64_t blocks = heap_blocks() - fake->heap_blocks;
	int64_t bytes = heap_bytes() - fake->heap_bytes;
	unsigned int fds = fake_open_fds(fake);
	size_t mapped = fake_mapped(fake);

	if (fds == 0 && mapped == 0 && blocks == 0 && bytes == 0 && !fake->misuse)
		return NULL;
	snprintf(text, sizeof(text),
		 "%u fds open, %zu bytes mapped, %lld blocks of %lld bytes allocated; %s",
		 fds, mapped, (long long)blocks, (long long)bytes,
		 fake->misuse ? fake->misuse : "no misuse");
	return text;
}

void fake_stop(struct fake *fake)
{
	fake_memory_stop(fake);
	for (unsigned int i = 0; i < fake->functions; i++) {
		munmap(fake->fn[i].memory, FAKE_BARS * FAKE_BAR_MAX);
		close(fake->fn[i].memfd);
	}
	pthread_mutex_destroy(&fake->lock);
}
