/* SPDX-License-Identifier: MIT */
/* fake_function.h - PCI functions of the fake kernel: config space, BARs, interrupts. */
#ifndef FAKE_FUNCTION_H
#define FAKE_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

struct fake;

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
	bool sriov;
	const uint8_t *token;	 /* of who opens it; NULL: none is wanted */
	uint8_t own_token[16]; /* of a physical function, for who opens its virtual ones */
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

/* fake_vectors.c: the device interrupts; did an eventfd hear of it? */
bool fake_interrupt(struct fake *fake, struct fake_function *fn, uint32_t vector);

#endif
