/* SPDX-License-Identifier: MIT */
/* join_dma_rig.h - a client that was granted DMA memory, and what its owner answers. */
#ifndef JOIN_DMA_RIG_H
#define JOIN_DMA_RIG_H

#include <fcntl.h>
#include <sys/mman.h>

#include "join_rig.h"

#define IOVA UINT64_C(0x40000)

static inline int setup_dma(void **state)
{
	rig_setup(state);
	rig_welcome_as(1, VSF_WELCOME_DMA);
	rig_range(0, VSF_REACH_CALLS, BOTH, 0, RIG_BAR);
	assert_ok(rig_join());
	rig_use();
	return 0;
}

/* The test's; closed by it. */
static inline int memfd_of(uint64_t len, int seals)
{
	int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)len));
	assert_ok(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

/* The memory that the client has sent with a MAP: mapped here as the device would. */
static inline struct vsf_msg rig_called_with(int *fd)
{
	struct vfiosafe_received with;
	uint8_t buf[VSF_WIRE_LEN_MAX];
	struct vsf_msg msg = { 0 };
	ssize_t n;

	n = vfiosafe_sys_default()->receive(NULL, rig.calls, buf, sizeof(buf), &with);
	assert_true(n > 0);
	assert_ok(vsf_wire_parse(&msg, buf, (size_t)n, VSF_CALL, with.count));
	*fd = with.count ? with.fd[0] : -1;
	return msg;
}

#endif
