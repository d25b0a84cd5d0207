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

#define FAKE_PAGE 4096u
#define FAKE_BARS 6
#define FAKE_AREAS 20
#define FAKE_BAR_MAX (UINT64_C(4) << 20) /* room of each BAR in the memfd */
#define FAKE_REGION(index) ((uint64_t)(index) << 40)
#define FAKE_CONFIG FAKE_REGION(7)
#define FAKE_IRQS 5 /* INTx, MSI, MSI-X, ERR, REQ */
#define FAKE_CAP_PM 0x40
#define FAKE_CAP_MSIX 0x50
#define FAKE_CAP_EXP 0x60
#define FAKE_CAP_AF 0xa0
#define FAKE_PMCSR (FAKE_CAP_PM + 4)
#define FAKE_DEVCTL (FAKE_CAP_EXP + 8) /* with an FLR bit that works, as AF's */
#define FAKE_AF_CTRL (FAKE_CAP_AF + 4)

#define FAKE_ANY UINT64_MAX

/* "Fail calls of this kind with @err: let @skip pass, then the next @times." */
struct fake_rule {
	enum fake_call call;
	uint64_t key;
	unsigned int skip;
	unsigned int times;
	int err;
};

struct fake_bar {
	uint64_t len;
	bool io_port;		 /* no mmap, and no memory decode needed */
	bool no_mmap;		 /* smaller than a page, say */
	bool msix_mappable;	 /* the kernel says so */
	unsigned int area_count; /* sparse-mmap areas; 0 = no such capability */
	struct {
		uint64_t offset, len;
	} area[FAKE_AREAS];
};

struct fake_file;

#define FAKE_VECTORS 16
#define FAKE_VECTOR_KINDS 3 /* INTx, MSI, MSI-X */

struct fake_vectors {
	/* Behaviour that tests choose. */
	unsigned int count[FAKE_VECTOR_KINDS];
	unsigned int available; /* of MSI and MSI-X can be had; 0 = all */
	bool grows;		/* MSI-X: more can be added */
	bool no_line;		/* INTx is not connected */
	bool lost;    /* enabled in the kernel, not in the device, as after AER */
	bool pending; /* INTx: the device asserts it */

	int kind; /* enabled, or -1 */
	unsigned int allocated;
	int fd[FAKE_VECTORS]; /* the kernel's own, or -1 */
	bool masked;	      /* INTx */
};

struct fake_function {
	char address[16];
	unsigned int group;
	unsigned int node; /* N of vfioN */
	bool not_pci;
	bool no_reset;
	bool is_vf;
	unsigned int bus_reset; /* a hot reset takes all of the same; 0: there is none */
	bool pm_stuck;	      /* PMCSR does not leave its state */
	bool no_low_power;    /* the kernel has no such feature */
	bool low_power;	      /* entered */
	int wakeup_fd;	      /* given then, or 0 */
	unsigned int naps;    /* ways to D0 that lost the state: PMCSR without bit 3 */
	bool decode_stuck;    /* a reset turns memory decode off, for good */
	int64_t silent_ns;    /* config reads as all-ones after a reset for so long */
	int64_t silent_until; /* ... which is until then */
	bool resets_command;  /* a reset leaves COMMAND 0, as after AER-fatal */
	uint8_t config[256];
	struct fake_bar bar[FAKE_BARS];
	int memfd;
	uint8_t *memory; /* the memfd, for the test's eyes */

	const struct fake_file *owner; /* the open device, or NULL */
	uint32_t pt_id;		       /* attached to, cdev door; 0 = nothing */
	unsigned int resets;

	unsigned int irqs[FAKE_IRQS]; /* how many of each kind it has */
	int irq_fd[FAKE_IRQS];	      /* of ERR and REQ, as armed; -1 */
	bool knows_no_events;	      /* an old kernel: no such kinds */
	struct fake_vectors irq;
	bool no_dmabuf;		      /* this one exports no BARs */
	bool dmabufs_die;	      /* what a reset revokes does not come back */
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

#define FAKE_BUFS 40
#define FAKE_BUF_RANGES 64

struct fake_iova {
	uint64_t start, last;
};

struct fake_dmabuf {
	bool used;
	struct fake_function *fn; /* NULL: of a heap */
	int memfd;		  /* of that */
	uint32_t open_flags;
	uint32_t index, count;
	uint64_t len;
	struct fake_iova range[FAKE_BUF_RANGES]; /* here: offset, length */
	bool revoked, dead;
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

#define FAKE_DMAS 64
#define FAKE_IOVAS 40

/* What a device can reach, and as what. */
struct fake_dma {
	const struct fake_file *file; /* container or iommufd; NULL: a free entry */
	uint64_t iova, len;
	uintptr_t vaddr;
	int fd; /* or -1 */
	uint64_t offset;
	uint32_t prot; /* 1: the device writes, 2: it reads */

	/* Of a BAR: */
	struct fake_function *fn;
	uint64_t bar_at;       /* offset in its device fd */
	struct fake_file *buf; /* by a dma-buf, that is held; else by its address */
	bool hole;	       /* was revoked */
};

struct fake_iommu {
	/* Behaviour that tests choose. */
	struct fake_iova range[FAKE_IOVAS];
	unsigned int count;
	uint64_t align;
	int entries;	  /* that there may be */
	bool no_caps;	  /* type1 does not say ranges */
	bool no_map_file; /* iommufd takes addresses only */

	struct fake_dma dma[FAKE_DMAS];
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
	bool real_clock; /* for tests with threads that wait for each other */
	unsigned int hot_extra; /* functions more that a hot reset takes */
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
static inline uint8_t *fake_bar(struct fake_function *fn, unsigned int index)
{
	return fn->memory + index * FAKE_BAR_MAX;
}
uint16_t fake_command(const struct fake_function *fn);
void fake_set_command(struct fake_function *fn, uint16_t command);
void fake_set_power_state(struct fake_function *fn, unsigned int state);
/* At the start PMCSR says No_Soft_Reset: the way back to D0 keeps the state. */
void fake_lose_in_d3hot(struct fake_function *fn);
void fake_config_start(struct fake_function *fn);

/* The kernel reports on ERR (3) or REQ (4); false if nobody armed that. */
bool fake_signal(const struct fake_function *fn, unsigned int irq);

/* Failures. */
void fake_fail(struct fake *fake, enum fake_call call, uint64_t key, int err,
	       unsigned int times);
void fake_fail_later(struct fake *fake, enum fake_call call, uint64_t key, int err,
		     unsigned int skip, unsigned int times);
const char *fake_call_name(enum fake_call call);

/* fake_iommu.c: the mapping that @iova lies in, or NULL, and how many there are. */
struct fake_dma *fake_dma_at(struct fake *fake, uint64_t iova);
unsigned int fake_dmas(struct fake *fake);
/* For threads: is there something at @iova of the device's address space, now? */
bool fake_dma_works(struct fake *fake, const struct fake_function *fn, uint64_t iova);

/* fake_vectors.c: the device interrupts; did an eventfd hear of it? */
bool fake_interrupt(struct fake *fake, struct fake_function *fn, uint32_t vector);

/* fake_dmabuf.c: a dma-buf that is no BAR's */
int fake_heap_fd(struct fake *fake, uint64_t len);

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
