/* SPDX-License-Identifier: MIT */
/*
 * sim.h - a VFIO device in software, to test how a driver survives resets.
 *
 * The simulated device stands behind the table of sys.h: the library, and raw ioctls and
 * pointers through the same table, see the same device. Its registers are memory that a
 * thread of the simulation serves; a window shows what a real one does. Its calls may be
 * made from any thread, and set no vfiosafe_error_text(). -lvfiosafe_sim.
 *
 * Model "sim:reg", BAR 0 (64 KiB, mappable), little-endian:
 *
 *   0x0000  ID        32 bits, reads VFIOSAFE_SIM_ID, writes are undone
 *   0x0004  INVERT    32 bits, soon reads the complement of what was written
 *                     (unless that is the value it reads: then nothing happens)
 *   0x0008  COUNTER   32 bits, counts up by itself, 0 after a reset
 *   0x0010  HOLD      32 bits, holds what is written, 0 after a reset
 *   0x0018  HOLD64    64 bits, likewise
 *   0x0020  ONES      32 bits, always all-ones: a legitimate value
 *   0x0024  READY     32 bits, 0 after a reset until the device is ready, then 1
 *   0x0028  RING      32 bits, to be set to 1 + a vector: the device soon raises that
 *                     interrupt, and reads 0 (by the line, if MSI and MSI-X are off)
 *   0x002c  ACK       32 bits, set to anything: the interrupt line goes down, reads 0
 *   0x0030  DMA_ADDRESS  64 bits, of 8 bytes of memory, as the device sees it
 *   0x0038  DMA       32 bits, to be set to VFIOSAFE_SIM_DMA_START: the device soon
 *                     complements those 8 bytes, and reads 0, or
 *                     VFIOSAFE_SIM_DMA_FAILED if it could not reach them
 *   0x1000  LOG       4,096 slots of 64 bits, to be stored to as a whole: stores
 *                     are taken note of and cleared. The upper 32 bits say in
 *                     which generation the writer believed to be, counted from 0
 *                     at the start; a slot that holds another number than the
 *                     device's own count of resets is a foreign store
 *                     (struct vfiosafe_sim_counts)
 *
 * A touch of BAR 0 raises SIGBUS while its memory decode is off (COMMAND), the
 * device sleeps (D3hot in PMCSR) or is in low power (VFIO_DEVICE_FEATURE). The
 * registers keep their values meanwhile; only the way from D3hot to D0 is a reset
 * of the device, and counted as one.
 *
 * The rest of BAR 0 is memory, cleared by a reset. The device looks at its
 * registers about every 0.1 ms (its clock; a tenth of a core), and is invisible to
 * a thread sanitizer, as hardware is: plain volatile accesses do not race with it.
 *
 * BAR 2 (32 bytes) is memory that cannot be mapped, BAR 4 (8 bytes) I/O ports;
 * byte 0 of each holds what is written and is cleared by a reset. BAR 5 (4 KiB,
 * mappable) has the MSI-X table and, at 0x800, its pending bits.
 *
 * Model "sim:nvme": an NVMe controller with one namespace of 512-byte blocks, as the
 * NVM Express base specification 1.4 has it, for a small driver: BAR 0 (16 KiB,
 * mappable) with registers, doorbells at 0x1000, MSI-X table at 0x2000 and pending
 * bits at 0x3000; admin commands Identify, Create and Delete I/O queues (up to 16 of
 * each, of up to 1,024 entries in contiguous memory), Set and Get Features, Get Log
 * Page (empty), Abort (in vain), Asynchronous Event Request (nothing happens); Read,
 * Write and Flush of up to 128 KiB by PRPs. Memory that the controller cannot reach
 * fails the command if it is data (status 0x04), and the controller if it is a queue
 * (CSTS.CFS). Every reset loses all but what is on the disk. INTMC reads as 0.
 *
 * Model "sim:nic": as much of Intel's 82576 (igb) as a driver that polls needs, BAR 0
 * (64 KiB, mappable), with the offsets and bits of its datasheet: STATUS (link up),
 * MDIC (any write to the PHY makes it negotiate; the link is up opts.ready_us later),
 * RCTL and TCTL (enable), and of queue 0 each way base, length, head, tail and enable.
 * Descriptors are advanced ones, a whole frame of up to 2 KiB each. It receives all
 * frames, changes none and raises no interrupts. Two with the same opts.wire are
 * connected. Who does not receive, or is reset, loses what arrives; memory that cannot
 * be reached stops the device until it is reset. BAR 3 has the MSI-X table.
 *
 * Model "sim:gpu": a display. BAR 0 (128 KiB, mappable) is its frame buffer, BAR 2 (4 KiB,
 * mappable) has its mode: 16-bit registers from 0x500 on, in the order of the Bochs display
 * interface, of which 0 (reads 0xb0c5), 1 and 2 (pixels in a line, lines), 3 (bits of a
 * pixel, 32 is all there is) and 4 (0x41: on) mean something, and the MSI-X table at 0x800.
 * A reset clears both BARs. vfiosafe_sim_screen() is what somebody in front of it sees.
 *
 * All models have an interrupt line, 4 MSI vectors and opts.vectors of MSI-X, raised
 * into the program's eventfds by the rules of the kernel: MSI and MSI-X are lost
 * while bus mastering is off (COMMAND), and MSI-X waits for a vector that is masked
 * in the table. Capabilities are power management (D0 and D3hot), PCI Express (with
 * FLR), MSI and MSI-X. Whoever resets a device saves and restores its configuration
 * and interrupts, but for vfiosafe_sim_aer().
 *
 * A program gets the device in one of three ways, all through the table:
 * vfiosafe_sim_device_fd(); by its address (vfiosafe_sim_address()) with a device node
 * and /dev/iommu; or with its group and a container of type1 version 2. The table
 * shows the files in /sys and /dev that lead there. The last two reset the device at
 * the first open and the last close, also by a child that inherited an fd or a mapping;
 * they do not mix with each other or with the first. Memory that was mapped for DMA
 * is reached for as long as it is mapped and bus mastering is on; addresses
 * 0xfee00000 to 0xfeefffff, and those from 2^39 on, are reserved.
 *
 * VFIO_DEVICE_FEATURE_DMA_BUF exports ranges of BARs, revoked and given free again by
 * the rules of Linux 7.3: also by a reset that is refused, and not by one behind VFIO.
 * The last close of the device ends them. Simulated devices of one process reach each
 * other's BARs by DMA: an iommufd maps a dma-buf (of one range) until that is revoked,
 * the type1 of a container maps a BAR by its address, and is told nothing. DMA to a BAR
 * that does not answer reads ones, and writes vanish.
 *
 * Another process that was sent the fd of an export can mmap it if it is one range that
 * begins at 0 in the BAR (nobody can mmap another one: -ENODEV; through the table, one
 * range anywhere). It sees the registers that the program sees. In a window it sees
 * ones, also where the program's touches block, or gets SIGBUS as the program does;
 * afterwards, the reset device. After the last close it gets SIGBUS for ever. The
 * mapping counts for vfiosafe_sim_held(). It can reach the rest of the BAR too: that
 * nobody maps more than was granted to him is not simulated.
 */
#ifndef VFIOSAFE_SIM_H
#define VFIOSAFE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vfiosafe/api.h>
#include <vfiosafe/sys.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_sim;

#define VFIOSAFE_SIM_ID 0x5afe0001u
#define VFIOSAFE_SIM_REG_ID 0x0000u
#define VFIOSAFE_SIM_REG_INVERT 0x0004u
#define VFIOSAFE_SIM_REG_COUNTER 0x0008u
#define VFIOSAFE_SIM_REG_HOLD 0x0010u
#define VFIOSAFE_SIM_REG_HOLD64 0x0018u
#define VFIOSAFE_SIM_REG_ONES 0x0020u
#define VFIOSAFE_SIM_REG_READY 0x0024u
#define VFIOSAFE_SIM_REG_RING 0x0028u
#define VFIOSAFE_SIM_REG_ACK 0x002cu
#define VFIOSAFE_SIM_REG_DMA_ADDRESS 0x0030u
#define VFIOSAFE_SIM_REG_DMA 0x0038u
#define VFIOSAFE_SIM_DMA_START 1u
#define VFIOSAFE_SIM_DMA_FAILED 2u
#define VFIOSAFE_SIM_REG_LOG 0x1000u
#define VFIOSAFE_SIM_LOG_SLOTS 4096u

/* What a touch of the BAR meets while the device is being reset. */
enum vfiosafe_sim_window {
	VFIOSAFE_SIM_ALL_ONES = 0, /* loads give all-ones, stores vanish */
	VFIOSAFE_SIM_STALL = 1,	   /* blocks, then runs on the reset device */
	VFIOSAFE_SIM_MIXED = 2,	   /* alternates between the two */
	VFIOSAFE_SIM_SIGBUS = 3,   /* raises SIGBUS */
	/* in turn: ones, stalls, SIGBUS; resets behind VFIO do not stall */
	VFIOSAFE_SIM_ALL_KINDS = 4,
};

/* What a device is like, for its whole life: bits of opts.flags. */
enum vfiosafe_sim_flags {
	/* loads from a dead device give 0, as in QEMU, and not all-ones */
	VFIOSAFE_SIM_DEAD_ZEROS = 1,
	VFIOSAFE_SIM_NO_SOFT_RESET = 2, /* D3hot to D0 keeps the device's state */
	VFIOSAFE_SIM_D3COLD = 4,	/* low power loses it, and counts as a reset */
	VFIOSAFE_SIM_MSIX_NORESIZE = 8, /* no vectors beyond those first enabled */
};

struct vfiosafe_sim_opts {
	size_t size; /* sizeof(struct vfiosafe_sim_opts) */
	enum vfiosafe_sim_window window;
	uint32_t window_us; /* length of a reset; 0 = 100 */
	/*
	 * sim:reg: from its end until READY reads 1; sim:nvme: from CC.EN to CSTS.RDY;
	 * sim:nic: until the link is up
	 */
	uint32_t ready_us;
	uint32_t flags;	    /* enum vfiosafe_sim_flags */
	uint32_t vectors;   /* of MSI-X, at most 64; 0 = 16 */
	uint64_t disk_len;  /* sim:nvme, bytes, whole blocks of 512; 0 = 64 MiB */
	uint32_t wire;	    /* sim:nic: its number; 0: its own frames come back */
};

/* What can be changed while the device runs: vfiosafe_sim_set(). */
enum vfiosafe_sim_setting {
	VFIOSAFE_SIM_SET_WINDOW,    /* opts.window; -EPERM: it could not stall at open */
	VFIOSAFE_SIM_SET_WINDOW_US, /* opts.window_us; 0 is none */
	VFIOSAFE_SIM_SET_READY_US,  /* opts.ready_us */
	/*
	 * How many in a hundred VFIO_DEVICE_RESET give -EAGAIN because somebody else
	 * has the device's lock, as readers of sriov_numvfs do. Which ones is the
	 * same in each run.
	 */
	VFIOSAFE_SIM_SET_CONTENTION,
	/* not 0: sysfs reset_method was emptied, VFIO_DEVICE_RESET gives -ENOTTY */
	VFIOSAFE_SIM_SET_NO_RESET_METHOD,
	/* not 0: D3hot is refused without a word, as to a PF with VFs */
	VFIOSAFE_SIM_SET_REFUSE_D3HOT,
	/* MSI, MSI-X: how many vectors the host can give; enabling more gives this */
	VFIOSAFE_SIM_SET_VECTORS_FREE,
	/* RLIMIT_MEMLOCK: bytes that may be mapped for DMA; at first unlimited */
	VFIOSAFE_SIM_SET_MEMLOCK,
	/* from low power, or the last access in it, until the device is suspended */
	VFIOSAFE_SIM_SET_SUSPEND_US,
	/* sim:nvme: from the doorbell until commands are done, those on the way too */
	VFIOSAFE_SIM_SET_LATENCY_US,
	/* until a release is requested again; 10 s in the kernel and at first */
	VFIOSAFE_SIM_SET_REQUEST_US,
};

/* What can be made to fail on demand. */
enum vfiosafe_sim_call {
	VFIOSAFE_SIM_CALL_RESET,  /* VFIO_DEVICE_RESET, device untouched */
	VFIOSAFE_SIM_CALL_RESET_DONE, /* the same, after the device was reset */
	VFIOSAFE_SIM_CALL_PREAD,
	VFIOSAFE_SIM_CALL_PWRITE,
	VFIOSAFE_SIM_CALL_SET_IRQS, /* VFIO_DEVICE_SET_IRQS */
	VFIOSAFE_SIM_CALL_FEATURE,  /* VFIO_DEVICE_FEATURE: low power in and out */
	VFIOSAFE_SIM_CALL_OPEN,	    /* VFIO_DEVICE_BIND_IOMMUFD, VFIO_GROUP_GET_DEVICE_FD */
	VFIOSAFE_SIM_CALL_MAP,	    /* IOMMU_IOAS_MAP, _MAP_FILE, VFIO_IOMMU_MAP_DMA */
	VFIOSAFE_SIM_CALL_UNMAP,    /* IOMMU_IOAS_UNMAP, VFIO_IOMMU_UNMAP_DMA */
	VFIOSAFE_SIM_CALL_EXPORT,   /* VFIO_DEVICE_FEATURE_DMA_BUF; ENOTTY: not there */
};

struct vfiosafe_sim_counts {
	uint64_t resets;	 /* the device's own count */
	uint64_t stores;	 /* taken note of in LOG */
	uint64_t foreign_stores; /* of them, of another generation */
	uint64_t lost_stores;	 /* to LOG while the device was down: vanished */
	uint64_t windows;	 /* begun; not equal to resets: one is open */
	uint64_t interrupts;	  /* that reached an eventfd */
	uint64_t lost_interrupts; /* MSI or MSI-X, to nobody: vector or bus master off */
	uint64_t mastering_resets; /* made by VFIO while bus mastering was on */
	uint64_t dma;		   /* transfers made */
	uint64_t dma_faults;	   /* tried where nothing, or not that way, is mapped */
	uint64_t dma_blocked;	   /* tried while bus mastering was off */
	uint64_t commands;	   /* sim:nvme: completed */
	uint64_t lost_commands;	   /* sim:nvme: rung for, and lost in a reset */
	uint64_t frames;	   /* sim:nic: sent */
	uint64_t lost_frames;	   /* sim:nic: of all, those that nobody took */
	/* maps of its BARs, in address spaces, that were there when VFIO took them away */
	uint64_t maps_left;
};

/* What programs have of a device: vfiosafe_sim_held(). */
struct vfiosafe_sim_held {
	uint64_t fds;	   /* of the device, but for vfiosafe_sim_device_fd() itself */
	uint64_t mappings; /* of BARs; pieces of one count each */
	uint64_t iovas;	   /* ranges of memory, and of BARs of others, mapped for DMA */
	uint64_t dmabufs;  /* of its BARs: with an fd or a mapping, here or elsewhere */
};

/**
 * vfiosafe_sim_open - make a simulated device; starts its thread
 * @sim: written on success only; free with vfiosafe_sim_close()
 * @model: "sim:reg", "sim:nvme", "sim:nic" or "sim:gpu"
 * @opts: may be NULL
 *
 * Return: 0; -ENOENT for an unknown model; -EINVAL; -ENOMEM; -EBUSY if opts.wire has two
 * ends already; -EPERM if the stall window is wanted and this process may not use
 * userfaultfd; other errors.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_sim_open(struct vfiosafe_sim **sim, const char *model,
		  const struct vfiosafe_sim_opts *opts);

/** vfiosafe_sim_close - stop the thread and free; every device on it is closed */
VFIOSAFE_API void vfiosafe_sim_close(struct vfiosafe_sim *sim);

/** vfiosafe_sim_sys - the table to put into vfiosafe_device_opts; owned by @sim */
VFIOSAFE_API const struct vfiosafe_sys *vfiosafe_sim_sys(struct vfiosafe_sim *sim);

/** vfiosafe_sim_device_fd - for vfiosafe_device_from_fd(); owned by @sim */
VFIOSAFE_API int vfiosafe_sim_device_fd(struct vfiosafe_sim *sim);

/** vfiosafe_sim_address - for vfiosafe_device_open(); owned by @sim */
VFIOSAFE_API const char *vfiosafe_sim_address(struct vfiosafe_sim *sim);

/**
 * vfiosafe_sim_fail - let the next @times calls of a kind fail with @err
 * @err: a positive errno
 */
VFIOSAFE_API void vfiosafe_sim_fail(struct vfiosafe_sim *sim,
				    enum vfiosafe_sim_call call, int err,
				    uint32_t times);

/** vfiosafe_sim_reset_behind - a reset that VFIO does not make (sysfs, firmware) */
VFIOSAFE_API void vfiosafe_sim_reset_behind(struct vfiosafe_sim *sim);

/**
 * vfiosafe_sim_aer - an uncorrectable error; returns when the kernel is done with it
 * @fatal: the link is reset, and nobody restores what the device forgets: loads give
 *	garbage, although VFIO believes the decode to be on, and VFIO_DEVICE_RESET
 *	succeeds without changing that, until COMMAND is written with the memory bit
 *
 * The ERR eventfd is signalled first.
 */
VFIOSAFE_API void vfiosafe_sim_aer(struct vfiosafe_sim *sim, bool fatal);

/**
 * vfiosafe_sim_request_release - the kernel wants the device back (unbind, unplug)
 *
 * The REQ eventfd is signalled, now and at intervals. VFIO_DEVICE_RESET gives
 * -EAGAIN from now on.
 */
VFIOSAFE_API void vfiosafe_sim_request_release(struct vfiosafe_sim *sim);

/**
 * vfiosafe_sim_unplug - the device is pulled out
 *
 * Loads from BARs and configuration space give garbage for ever (VFIO still shows
 * IDs and BARs, which it keeps copies of), then as vfiosafe_sim_request_release().
 * A reset that goes on meanwhile ends with -ENOTTY.
 */
VFIOSAFE_API void vfiosafe_sim_unplug(struct vfiosafe_sim *sim);

/**
 * vfiosafe_sim_wakeup - the device in low power wakes up by itself
 *
 * Ends low power, and signals its eventfd, if it has one and has been suspended.
 */
VFIOSAFE_API void vfiosafe_sim_wakeup(struct vfiosafe_sim *sim);

/** vfiosafe_sim_interrupt - the device raises an interrupt, as by RING */
VFIOSAFE_API void vfiosafe_sim_interrupt(struct vfiosafe_sim *sim, uint32_t vector);

/**
 * vfiosafe_sim_set - change a setting of a running device
 *
 * Return: 0; -EINVAL for a value, or a setting, that there is not; -EPERM.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_sim_set(struct vfiosafe_sim *sim, enum vfiosafe_sim_setting setting,
		 uint64_t value);

/**
 * vfiosafe_sim_held - what programs still hold of the device, children included
 *
 * fds and mappings at 0: the kernel has its device back.
 */
VFIOSAFE_API void vfiosafe_sim_held(struct vfiosafe_sim *sim,
				    struct vfiosafe_sim_held *held);

/* A picture: vfiosafe_sim_screen(). */
struct vfiosafe_sim_screen {
	uint32_t *pixels; /* the caller's; written, line by line, 0x00RRGGBB */
	size_t room;	  /* pixels that fit there */
	uint32_t width;	  /* of the picture, in pixels; written */
	uint32_t height;
};

/**
 * vfiosafe_sim_screen - what the display "sim:gpu" shows at this moment
 *
 * Return: 0; -ENODATA nothing: no mode is set, or it is reset or asleep; -ENOSPC no room;
 * -EINVAL another model.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_sim_screen(struct vfiosafe_sim *sim, struct vfiosafe_sim_screen *shows);

/** vfiosafe_sim_counts - what the device itself has seen, up to this moment */
VFIOSAFE_API void vfiosafe_sim_counts(struct vfiosafe_sim *sim,
				      struct vfiosafe_sim_counts *counts);

VFIOSAFE_END_DECLS

#endif
