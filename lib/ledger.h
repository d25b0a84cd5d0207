/* SPDX-License-Identifier: MIT */
/*
 * The ledger of an owner: which processes may hold its device, for who takes the device
 * over when the owner is dead. A file in memory that no client gets.
 */
#ifndef VSF_LEDGER_H
#define VSF_LEDGER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VSF_LEDGER_MAGIC UINT32_C(0x6c736676) /* "vfsl" */
#define VSF_LEDGER_VERSION 1

/* Of one machine: in its byte order. Entries follow; one with pid 0 is free. */
struct vsf_ledger_head {
	uint32_t magic;
	uint32_t version;
	uint64_t generation;
};

struct vsf_ledger_entry {
	uint64_t started; /* in ticks after boot; 0: not known */
	uint32_t pid;
	uint32_t reserved;
};

struct vfiosafe_sys;

/* Under the lock of who has it. */
struct vsf_ledger {
	int fd; /* -1: none */
	uint8_t *taken;
	size_t len;
};

/* With this process in it; 0 or -errno with a text. */
int vsf_ledger_new(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger,
		   uint64_t generation);
void vsf_ledger_free(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger);

int vsf_ledger_generation(const struct vfiosafe_sys *sys, const struct vsf_ledger *ledger,
			  uint64_t generation);

/* Its slot, or -errno with a text: before the process is given anything. */
int vsf_ledger_add(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger, pid_t pid);
void vsf_ledger_remove(const struct vfiosafe_sys *sys, struct vsf_ledger *ledger,
		       int slot);

/* When a process started; 0: nobody says, or it has ended. */
uint64_t vsf_process_started(const struct vfiosafe_sys *sys, pid_t pid);

#endif
