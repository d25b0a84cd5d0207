/* SPDX-License-Identifier: MIT */
/*
 * storm.h - what the files of this example share.
 *
 * Readers and a writer use registers of a device all the time, while the device is
 * reset again and again. The same storm is run twice, each time by a new process:
 *
 *   raw.c      by plain pointers and a plain ioctl, as everyone writes it
 *   guarded.c  with libvfiosafe, and card.c: the two files to read
 *
 * A window is a reset, or takes the BAR away for a moment: memory decode is turned
 * off and on again, by another holder of the fd and without a word to anybody. Who
 * touches the BAR meanwhile gets SIGBUS.
 *
 * The others: device.c knows the registers, storm.c starts, paces and stops the
 * threads, process.c counts deaths, report.c prints what was counted, main.c reads
 * the options.
 */
#ifndef STORM_H
#define STORM_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#define STORM_READERS_MAX 16

enum storm_method {
	STORM_RESET,	 /* by whoever drives the device */
	STORM_BYSTANDER, /* by another holder of the fd, who tells of it afterwards */
	STORM_DECODE,	 /* no reset: each window takes the BAR away */
};

struct storm_options {
	const char *device; /* "sim:reg" or a PCI address */
	bool sim;
	enum vfiosafe_door door;
	enum storm_method method;
	uint64_t windows; /* at least */
	uint64_t reads;	  /* at least */
	uint32_t readers;
	uint32_t decode_every; /* one window in so many takes the BAR away; 0: none */
	uint32_t gap_us;    /* between windows, on average */
	uint32_t window_us; /* of the simulated device */
	enum vfiosafe_sim_window sim_window;
	uint64_t seed;
	bool raw, guarded, json, check;
};

/* What one thread has counted, and only it. */
struct storm_hand {
	uint64_t reads; /* values taken for data; of them, wrong: */
	uint64_t all_ones;
	uint64_t stale;	      /* of another generation: mostly post-reset values */
	uint64_t unannounced; /* wrong in a reset that the library was not told of yet */
	uint64_t refused;     /* accesses that returned an error */
	uint64_t stores;
	uint64_t foreign;   /* stores found in a generation they were not meant for */
	int64_t longest_ns; /* of one access, waits that were asked for left out */
} __attribute__((aligned(64)));

/*
 * Shared with the parent process, so that counts outlive a death by SIGBUS, and the
 * next process goes on with the same storm.
 */
struct storm_tally {
	struct storm_hand hand[STORM_READERS_MAX + 2]; /* first resetter, writer */
	uint64_t windows;
	uint64_t sigbus_windows; /* of them, begun by taking the BAR away */
	uint64_t recovered;	 /* of all, the device worked again */
	unsigned int random;	 /* where the pace has got to */
	enum vfiosafe_door door;
	char model[32];
	char why[256]; /* what ended the storm early; empty: nothing */
};

struct storm_result {
	struct storm_hand sum;
	uint64_t windows;
	uint64_t sigbus_windows;
	uint64_t recovered;
	uint64_t sigbus; /* deaths */
	enum vfiosafe_door door;
	char model[32];
	bool ran;
	bool failed;
};

/* Registers of one kind of device; see the table in device.c. */
struct storm_model {
	const char *name;
	uint16_t vendor;
	uint16_t device;
	uint32_t bar;
	uint32_t hold;	     /* for readers */
	uint32_t hold_clear; /* writing ones here clears it; 0: no need to */
	uint32_t store;	     /* for the writer */
	uint32_t store_shift;
	bool log; /* the device itself notes which stores are foreign */
};

/* The device of one storm. */
struct storm_device {
	struct vfiosafe_sim *sim; /* NULL: a real device */
	const struct vfiosafe_sys *sys;
	struct vfiosafe_device *dev;
	const struct storm_model *model;
};

struct storm {
	const struct storm_options *options;
	struct storm_device device;
	struct storm_tally *tally;
	void *driver;	 /* raw.c's or guarded.c's */
	bool stop;	 /* atomic */
	uint64_t behind; /* atomic; odd: a reset is under way that nobody told of */
	uint64_t noted;	 /* foreign stores that the device was asked for already */
};

/* A way to drive the device. */
struct storm_side {
	const char *name;
	int (*start)(struct storm *storm);
	int (*window)(struct storm *storm); /* one reset, and the way back */
	int (*fault)(struct storm *storm);  /* the BAR goes away, and comes back */
	void (*read)(struct storm *storm, struct storm_hand *hand, unsigned int index);
	void (*write)(struct storm *storm, struct storm_hand *hand);
	void (*finish)(struct storm *storm);
};

extern const struct storm_side storm_raw;
extern const struct storm_side storm_guarded;

/* device.c */
int storm_device_open(struct storm *storm);
void storm_device_close(struct storm_device *device);
/* offset of a BAR in the device fd, and its length */
int storm_region(const struct storm_device *device, uint32_t index, uint64_t *offset,
		 uint64_t *len);
/* plain accesses to a mapped BAR, little-endian as the devices are */
uint32_t storm_load32(const volatile uint8_t *regs, uint32_t offset);
void storm_store32(volatile uint8_t *regs, uint32_t offset, uint32_t value);
void storm_store64(volatile uint8_t *regs, uint32_t offset, uint64_t value);
/* turns memory decode on or off, by one holder's fd */
int storm_decode(const struct storm_device *device, int fd, bool on);

/* process.c */
void storm_run(const struct storm_options *options, const struct storm_side *side,
	       struct storm_result *result);

/* storm.c */
/* One storm, or what is left of it, in this process. */
void storm_run_here(const struct storm_options *options, const struct storm_side *side,
		    struct storm_tally *tally);
bool storm_is_enough(const struct storm_options *options,
		     const struct storm_tally *tally);
/* Ends the storm; returns @rc. Only the first reason is kept. */
int storm_fail(struct storm *storm, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void storm_sum(const struct storm_tally *tally, struct storm_result *result);

/* report.c */
void storm_progress(const struct storm_side *side, const struct storm_tally *tally);
void storm_report(const struct storm_options *options, const struct storm_result *raw,
		  const struct storm_result *guarded);
/* Is it as it should be? Says on stderr what is not. */
bool storm_check(const struct storm_options *options, const struct storm_result *raw,
		 const struct storm_result *guarded);

/* What the driver programs into the readers' register in a generation. */
static inline uint32_t storm_hold_value(uint64_t generation)
{
	return 0x4d000000u | (uint32_t)(generation & 0xffffff);
}

/* The @n-th store into the writer's register; never 0, which a reset leaves there. */
static inline uint32_t storm_store_value(const struct storm_model *model,
					 uint64_t generation, uint64_t n)
{
	return (uint32_t)((generation % 15 + 1) << 4 | n % 16) << model->store_shift;
}

/* The same for the device that takes notes: the upper half counts its resets. */
static inline uint64_t storm_log_value(uint64_t resets, uint64_t n)
{
	return resets << 32 | (uint32_t)(n << 1 | 1);
}

static inline uint32_t storm_log_slot(const struct storm_model *model, uint64_t n)
{
	return model->store + (uint32_t)(n % VFIOSAFE_SIM_LOG_SLOTS) * 8;
}

static inline bool storm_stopped(const struct storm *storm)
{
	return __atomic_load_n(&storm->stop, __ATOMIC_RELAXED);
}

/* Counters have one writer; atomic only because the parent looks on. */
static inline void storm_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline void storm_count_wrong(struct storm_hand *hand, uint32_t value)
{
	storm_count(value == UINT32_MAX ? &hand->all_ones : &hand->stale, 1);
}

static inline int64_t storm_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Some accesses in a row, timed one by one. */
struct storm_burst {
	long sleeps;
	int64_t start_ns;
	int64_t longest_ns;
};

#define STORM_BURST 64

void storm_burst_begin(struct storm_burst *burst);
/*
 * A stall is an access in which the kernel put the thread to sleep. Others are
 * long because somebody else had the processor.
 */
void storm_burst_end(const struct storm_burst *burst, struct storm_hand *hand);

static inline void storm_access_begin(struct storm_burst *burst)
{
	burst->start_ns = storm_now_ns();
}

static inline void storm_access_end(struct storm_burst *burst)
{
	int64_t ns = storm_now_ns() - burst->start_ns;

	if (ns > burst->longest_ns)
		burst->longest_ns = ns;
}

#endif
