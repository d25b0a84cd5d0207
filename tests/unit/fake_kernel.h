/* SPDX-License-Identifier: MIT */
/*
 * fake_kernel.h - a kernel small enough to hold in the hand, behind the table of
 * <vfiosafe/sys.h>: sysfs, the nodes of both doors, PCI functions with config
 * space and BARs, a clock. Every call is counted, and can be made to fail.
 *
 * BARs lie in a memfd and are really mapped, so pointers into them work.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/sys.h>

#include "fake_calls.h"
#include "fake_function.h"
#include "fake_iommu.h"

#define FAKE_PAGE 4096u

#define FAKE_ANY UINT64_MAX

/* "Fail calls of this kind with @err: let @skip pass, then the next @times." */
struct fake_rule {
	enum fake_call call;
	uint64_t key;
	unsigned int skip;
	unsigned int times;
	int err;
};

enum fake_kind {
	FAKE_TEXT,
	FAKE_LINK,
	FAKE_DIR,
	FAKE_CONTAINER,
	FAKE_GROUP,
	FAKE_IOMMUFD,
	FAKE_CDEV,
	FAKE_NOTHING, /* what dup_onto leaves */
	FAKE_DEVICE, /* out of a group, or handed to us: never a node */
	FAKE_DMABUF,
};

struct fake_node {
	char path[112];
	enum fake_kind kind;
	char text[192];	     /* of a file, target of a link */
	unsigned int number; /* group, or index of the function */
	uint64_t rdev;	     /* of a cdev */
	int refuse;	     /* errno of open, 0 = none */
};

struct fake_file {
	enum fake_kind kind;
	unsigned int refs; /* fds, mappings and files that hold it */
	const struct fake_node *node;
	struct fake_function *fn;
	unsigned int group;
	struct fake_file *parent; /* group of a device, iommufd of a cdev */
	bool typed;		  /* container: SET_IOMMU was done */
	uint32_t ioas_id;	  /* iommufd */
	struct fake_dmabuf *buf;
};

struct fake_group {
	unsigned int id;
	bool foreign_owner;	     /* somebody else's DMA */
	struct fake_file *file;	     /* the one open of its node */
	struct fake_file *container; /* it was put into */
	struct fake_file *iommufd;   /* that owns its DMA */
};

struct fake_map {
	uintptr_t at;
	size_t len;
	struct fake_file *file; /* NULL: anonymous */
	uint64_t offset;	/* in the file */
	bool dontfork;
};

#define FAKE_NODES 192
#define FAKE_FDS 48
#define FAKE_MAPS 64
#define FAKE_FUNCTIONS 4
#define FAKE_FD0 1000000 /* fds count from here: never those of the real kernel */

struct fake {
	struct vfiosafe_sys sys;

	/* Behaviour that tests choose. */
	bool no_membarrier;
	bool no_type1;	 /* the container knows no type1v2 */
	bool tells_pidfd; /* of who said something, as Linux 6.5 and later */
	bool real_clock; /* for tests with threads that wait for each other */
	unsigned int hot_extra; /* functions more that a hot reset takes */
	unsigned int hot_busy;	/* so often, the last function's lock is taken */
	int hot_err;		/* of the reset of the bus, when all is prepared */
	unsigned int hot_reach; /* ... which so many functions saw all the same */
	bool dmabuf_mmap;	/* a dma-buf of a BAR can be mapped */
	bool hot_lie;		/* the kernel answers so when asked what it takes */
	uint32_t hot_lie_count;
	int hot_lie_err;
	void (*hook)(struct fake *fake, enum fake_call call, uint64_t key);
	void *hook_ctx;
	struct fake_rule rule[8];
	unsigned int fail_nth; /* 1 = the next call; 0 = none */
	int fail_err;

	/* What happened. */
	unsigned int count[FAKE_CALLS];
	enum fake_call failed_call; /* valid once failed */
	uint64_t failed_key;
	bool failed;
	char log[4096];
	const char *misuse; /* a call that no program should make */

	pthread_mutex_t lock;
	int64_t now;
	struct fake_node node[FAKE_NODES];
	struct fake_function fn[FAKE_FUNCTIONS];
	unsigned int functions;
	struct fake_group group[FAKE_FUNCTIONS];
	struct fake_file file[FAKE_FDS];
	struct fake_file *fd[FAKE_FDS];
	struct fake_map map[FAKE_MAPS];
	unsigned int real_fds; /* memfds and eventfds: the SIGBUS handler uses them directly */
	uint64_t memlock_limit;
	struct fake_iommu iommu;
	struct fake_dmabuf buf[FAKE_BUFS];
	unsigned int cut; /* mappings that were in place when their BAR went away */
	uint32_t last_ioas;
	int64_t heap_blocks, heap_bytes; /* at the start */
};

/* A kernel with one function, 0000:01:00.0 in group 7, that both doors offer. */
void fake_start(struct fake *fake);
/* What is still held, in words; NULL if nothing. */
const char *fake_leaks(struct fake *fake);
void fake_stop(struct fake *fake);

/* One more function. Bound to vfio-pci, offered by both doors. */
struct fake_function *fake_add(struct fake *fake, const char *address, unsigned int group,
			       unsigned int node);
struct fake_group *fake_group_of(struct fake *fake, unsigned int id);
/* As something else would hand it over: open, bound, attached. */
int fake_device_fd(struct fake *fake, struct fake_function *fn);
/* Failures. */
void fake_fail(struct fake *fake, enum fake_call call, uint64_t key, int err,
	       unsigned int times);
void fake_fail_later(struct fake *fake, enum fake_call call, uint64_t key, int err,
		     unsigned int skip, unsigned int times);
const char *fake_call_name(enum fake_call call);

/* fake_share.c: a real fd becomes the library's to close, or is the test's again */
int fake_adopt(struct fake *fake, int fd);
void fake_disown(struct fake *fake);

/* The tree of paths. */
struct fake_node *fake_find(struct fake *fake, const char *path);
struct fake_node *fake_put(struct fake *fake, enum fake_kind kind, const char *text,
			   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void fake_remove(struct fake *fake, const char *path); /* what is below it, too */

/* Processes in /proc, where at first there are none; this one, and one with pid 1. */
#define FAKE_PID 100
void fake_processes_start(struct fake *fake);
void fake_process(struct fake *fake, int pid, const char *comm);
void fake_process_fd(struct fake *fake, int pid, int fd, const char *target);
/* A device fd out of a group; @address NULL: its fdinfo does not name it. */
void fake_process_device(struct fake *fake, int pid, int fd, const char *address);

/* A line of its own into the log, which is words with a space between them. */
void fake_note(struct fake *fake, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void fake_log_clear(struct fake *fake);

void fake_advance_ms(struct fake *fake, int64_t ms);
size_t fake_mapped(struct fake *fake);
unsigned int fake_open_fds(struct fake *fake);

/* heap.c: what malloc, calloc and free of the library and the test do. */
int64_t heap_blocks(void);
int64_t heap_bytes(void);
void heap_fail_nth(int n); /* 1 = the next allocation; 0 = none */
bool heap_failed(void);

#endif
