/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "ledger.h"
#include "sys.h"

#define FIRST_LEN 16
#define STARTED 20 /* fields after the name of the program, in /proc/PID/stat */

/* The name of the program is in parentheses, and may hold some itself. */
static uint64_t parse_started(char *stat)
{
	char *at = strrchr(stat, ')'), *save = NULL;

	at = at ? strtok_r(at + 1, " ", &save) : NULL;
	for (int field = 1; at && field < STARTED; field++)
		at = strtok_r(NULL, " ", &save);
	return at ? strtoull(at, NULL, 10) : 0;
}

uint64_t vsf_process_started(const struct vfiosafe_sys *sys, pid_t pid)
{
	char path[32], stat[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = vsf_sys(sys, open, path, O_RDONLY);
	if (fd < 0)
		return 0;
	n = vsf_sys(sys, pread, fd, stat, sizeof(stat) - 1, 0);
	vsf_sys(sys, close, fd);
	if (n <= 0)
		return 0;
	stat[n] = '\0';
	return parse_started(stat);
}

static int put(const struct vfiosafe_sys *sys, const struct vsf_ledger *ledger,
	       const void *what, size_t len, uint64_t at)
{
	ssize_t n = vsf_sys(sys, pwrite, ledger->fd, what, len, at);

	if (n == (ssize_t)len)
		return 0;
	return vsf_fail(n < 0 ? (int)-n : EIO, "cannot write the ledger of clients: %s",
			strerror(n < 0 ? (int)-n : EIO));
}

static int put_entry(const struct vfiosafe_sys *sys, const struct vsf_ledger *ledger,
		     size_t slot, const struct vsf_ledger_entry *entry)
{
	return put(sys, ledger, entry, sizeof(*entry),
		   sizeof(struct vsf_ledger_head) + slot * sizeof(*entry));
}

int vsf_ledger_generation(const struct vfiosafe_sys *sys, const struct vsf_ledger *ledger,
			  uint64_t generation)
{
	return put(sys, ledger, &generation, sizeof(generation),
		   offsetof(struct vsf_ledger_head, generation));
}

int vsf_ledger_new(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger,
		   uint64_t generation)
{
	const struct vsf_ledger_head head = { VSF_LEDGER_MAGIC, VSF_LEDGER_VERSION,
					      generation };
	int rc;

	ledger->fd = vsf_sys(sys, memfd, "vfiosafe-ledger");
	if (ledger->fd < 0)
		return vsf_fail(-ledger->fd, "no memory for a ledger of clients: %s",
				strerror(-ledger->fd));
	rc = put(sys, ledger, &head, sizeof(head), 0);
	if (rc == 0)
		rc = vsf_ledger_add(sys, ledger, getpid());
	if (rc < 0)
		vsf_ledger_free(sys, ledger);
	return rc < 0 ? rc : 0;
}

void vsf_ledger_free(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger)
{
	if (ledger->fd >= 0)
		vsf_sys(sys, close, ledger->fd);
	free(ledger->taken);
	*ledger = (struct vsf_ledger){ .fd = -1 };
}

static int free_slot(struct vsf_ledger *ledger)
{
	size_t len = ledger->len ? 2 * ledger->len : FIRST_LEN;
	uint8_t *more, *hole = ledger->len ? memchr(ledger->taken, 0, ledger->len) : NULL;

	if (hole)
		return (int)(hole - ledger->taken);
	more = calloc(1, len);
	if (!more)
		return vsf_fail(ENOMEM, "out of memory");
	if (ledger->len)
		memcpy(more, ledger->taken, ledger->len);
	free(ledger->taken);
	ledger->taken = more;
	ledger->len = len;
	return (int)(len == FIRST_LEN ? 0 : len / 2);
}

int vsf_ledger_add(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger, pid_t pid)
{
	const struct vsf_ledger_entry entry = { .started = vsf_process_started(sys, pid),
						.pid = (uint32_t)pid };
	int slot = free_slot(ledger), rc;

	if (slot < 0)
		return slot;
	rc = put_entry(sys, ledger, (size_t)slot, &entry);
	if (rc < 0)
		return rc;
	ledger->taken[slot] = 1;
	return slot;
}

/* Should that fail, a successor waits for a process that has ended: it finds out. */
void vsf_ledger_remove(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger,
		       int slot)
{
	const struct vsf_ledger_entry entry = { 0 };

	(void)put_entry(sys, ledger, (size_t)slot, &entry);
	ledger->taken[slot] = 0;
}
