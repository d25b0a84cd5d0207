/* SPDX-License-Identifier: MIT */
/* card.h - what the suite knows of a model of device. */
#ifndef WINDOWS_CARD_H
#define WINDOWS_CARD_H

#include <stdint.h>
#include <vfiosafe/vfiosafe.h>

struct rig;
struct worker;

#define TRUTH_MAX 4

/* What registers hold in one generation. */
struct truth {
	uint64_t generation;
	unsigned int count;
	/*
	 * Of these, the first: a device that was reset or does not answer reads all-ones
	 * or 0 there, or the same. So single reads of them are asked about when it
	 * matters; of the others only sections are.
	 */
	unsigned int singles;
	struct {
		uint32_t offset;
		uint32_t value;
	} reg[TRUTH_MAX];
};

struct card_registers {
	uint32_t hold;	    /* holds what is written, reads 0 after a reset */
	uint32_t also;	    /* holds what is written, may read anything after a reset */
	uint32_t store;	    /* the writer's, as hold */
	uint32_t constant;  /* reads all-ones, and that is right; 0: none */
	uint32_t sentinel;  /* the library's, as hold */
	unsigned int width; /* of the sentinel */
};

struct card {
	const char *name;
	const struct card_registers *registers; /* card_registers.c */

	/* Maps BAR 0 and programs the device for the first time; and back. */
	int (*start)(struct rig *rig);
	int (*stop)(struct rig *rig);
	/* Programs it, and fills in rig->truth. */
	int (*reinit)(struct rig *rig);
	int (*quiesce)(struct rig *rig);
	void (*lost)(struct rig *rig, enum vfiosafe_cause cause);
	/* The writer's step: how much of it reached the device for certain, or -errno. */
	int (*write)(struct worker *worker, uint64_t n);
	void (*sentinel)(const struct rig *rig, struct vfiosafe_sentinel *sentinel);
};

const struct card *card_find(const char *name);

/* The end of a section, with a look at the sentinel if there is one. */
int card_end(struct rig *rig, struct vfiosafe_section *sec);

/* card_nvme.c, card_registers.c */
extern const struct card card_nvme, card_sim_nvme, card_igb, card_e1000e, card_sim_reg;

/*
 * Registers are shared by nature: the device and several threads touch them without a
 * lock, and what is mapped there changes under them. A thread sanitizer is told so.
 */
#define HARDWARE __attribute__((no_sanitize("thread")))

uint32_t card_load32(const volatile void *regs, uint32_t offset);
void card_store32(volatile void *regs, uint32_t offset, uint32_t value);

#endif
