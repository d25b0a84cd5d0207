/* SPDX-License-Identifier: MIT */
/*
 * join_rig.h - a client, and an owner made of raw sockets, that does what a test says. Its
 * device is a memfd. The kernel is the real one; each call is counted, and may fail.
 */
#ifndef JOIN_RIG_H
#define JOIN_RIG_H

#include <unistd.h>
#include <vfiosafe/agent.h>
#include <vfiosafe/share.h>

#include "control.h"
#include "generation.h"
#include "join.h"
#include "unit.h"
#include "wire.h"

#define RIG_PAGE 4096u
#define RIG_BAR (4 * RIG_PAGE)
#define RIG_WINDOW 7 /* the first that tests open */
#define BOTH (VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE)

/* What the library asks of the kernel, as far as a client does. */
enum rig_call {
	RIG_MMAP,
	RIG_MADVISE,
	RIG_MEMFD,
	RIG_EVENTFD,
	RIG_EPOLL,
	RIG_EPOLL_ADD,
	RIG_EPOLL_WAIT,
	RIG_CREDENTIALS,
	RIG_SEND,
	RIG_RECEIVE,
	RIG_TIMER,
	RIG_TIMER_SET,
	RIG_PIDFD,
	RIG_SEALED,
	RIG_MEMBARRIER,
	RIG_PWRITE,
	RIG_SEALABLE,
	RIG_SEAL,
	RIG_MEMFD_LOOK,
	RIG_CALLS,
};

struct rig {
	struct vfiosafe_sys sys;
	unsigned int count[RIG_CALLS];
	unsigned int fail_nth; /* 1 = the next call of any kind; 0 = none */
	int fail_err[RIG_CALLS]; /* all calls of a kind fail so; 0 = none */
	enum rig_call failed_call;
	bool failed;
	bool no_waits;	/* a wait in which nothing came is over at once, and its time gone */
	int64_t skipped;

	/* The owner. */
	int sock, calls;
	int control_fd, memory_fd;
	struct vsf_control *page;
	uint8_t *memory;

	/* The client's end, its own again after a join that failed; and what it got. */
	int socket_fd;
	int calls_fd;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar; /* BAR 0, whole */
	struct vfiosafe_view view;

	/* Its driver. */
	char log[256]; /* names of callbacks, each with a space before it */
	int rc[5];     /* what quiesce, resume, reinit return */
	void (*inside)(const char *which);
	enum vfiosafe_cause cause;

	int fds;
	int64_t heap;
};

enum { RIG_QUIESCE, RIG_RESUME, RIG_REINIT };

extern struct rig rig;

/* join_rig_sys.c: fills rig.sys */
void rig_install(void);

/* Sockets and memory; nothing is said yet. */
int rig_setup(void **state);
/* Joined, BAR 0 granted by a dma-buf for both, driver set, view taken. */
int rig_setup_mapped(void **state);
/* The same by calls. */
int rig_setup_calls(void **state);
/* Closes what is open; fails if something leaked. */
int rig_teardown(void **state);

/* Before the join: what the client will find in its socket. */
void rig_welcome(uint64_t ranges);
void rig_welcome_as(uint64_t ranges, uint32_t flags);
void rig_range(uint32_t index, enum vsf_reach reach, uint32_t rights, uint64_t offset,
	       uint64_t len);
int rig_join(void);
void rig_use(void); /* the driver, BAR 0 and the view of a device that was joined */

/* The owner's messages, with what is not said left 0. */
void rig_send(const struct vsf_msg *msg, const int *fds, unsigned int count);
void rig_send_raw(const void *buf, size_t len, const int *fds, unsigned int count);
void rig_prepare(uint64_t window, uint32_t ms, uint32_t flags);
void rig_state(uint64_t window, int result);
/* The word moves first, as it does in an owner. */
void rig_word(uint64_t generation, enum vfiosafe_state state);
void rig_result(int result, uint64_t value);
void rig_hang_up(void);

/* The client's next message, to the main or the calls socket; type 0: there is none. */
struct vsf_msg rig_heard(void);
struct vsf_msg rig_called(void);

#define assert_heard(which)                                                              \
	assert_string_equal(vsf_wire_name(rig_heard().type), #which)
#define assert_heard_nothing() assert_int_equal(rig_heard().type, 0)
#define assert_driver(expected)                                                          \
	do {                                                                             \
		assert_string_equal(rig.log, (expected));                                \
		rig.log[0] = '\0';                                                       \
	} while (0)
#define assert_rig_state(state)                                                          \
	assert_string_equal(vfiosafe_state_name(vfiosafe_device_state(rig.dev)), #state)

static inline int dispatch(void)
{
	return vsf_join_dispatch(rig.dev);
}

/* Until the client has said something. */
struct vsf_msg rig_dispatch_until_heard(void);
int rig_open_fds(void);
struct vfiosafe_event rig_event(void); /* type 0: none */

#endif
