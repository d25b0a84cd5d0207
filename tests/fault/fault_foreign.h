/* SPDX-License-Identifier: MIT */
/* A page of the test's own whose file was cut: its faults are not the library's. */
#ifndef FAULT_FOREIGN_H
#define FAULT_FOREIGN_H

#include "fault_rig.h"

#include <sys/mman.h>
#include <unistd.h>

/* Volatile: the handler runs where the compiler sees no call. */
static uint8_t *volatile foreign;

static inline uint8_t *foreign_page(void)
{
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	void *page;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	return page;
}

static inline void repair_foreign(void)
{
	(void)mmap(foreign, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static inline uint8_t touch_foreign(uint32_t offset)
{
	return *(volatile uint8_t *)(foreign + offset);
}

#endif
