/* SPDX-License-Identifier: MIT */
/* What a client keeps, and what its files share. */
#ifndef VSF_JOIN_INSIDE_H
#define VSF_JOIN_INSIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <vfiosafe/share.h>

#include "control.h"
#include "join.h"
#include "wire.h"

struct vfiosafe_received;

struct vsf_join_range {
	uint32_t bar, rights;
	enum vsf_reach reach;
	uint64_t offset, len; /* in the BAR */
	uint64_t at;	      /* of its first byte in the fd that is mapped */
	int fd;		      /* of a dma-buf, or -1 */
};

enum vsf_join_phase {
	VSF_JOIN_OPEN,	  /* the gate does not wait for anything */
	VSF_JOIN_CLOSING, /* it is closed; a membarrier, then sections are to end */
	VSF_JOIN_CLOSED,  /* they have */
};

/* What several threads of this process wait for, in one question to the owner. */
struct vsf_join_ask {
	uint64_t id; /* counts; 0: none was made yet */
	enum vsf_ask kind;
	unsigned int users; /* 0: a new one may be made */
	bool done;
	int result;
	char text[VSF_WIRE_TEXT];
};

struct vsf_join {
	/* Constant after the handshake. */
	const struct vsf_control *page;
	int sock, calls;
	int pidfd;	/* of the owner; -1: not to be had here */
	int timer_fd;
	int wake_fd;	/* ends the sleep of who is pumping */
	int epoll_fd;	/* the agent's: socket, pidfd, timer, faults */
	int wait_fd;	/* the same and wake_fd */
	int calls_epoll; /* calls socket and pidfd */
	uint64_t owner;	/* its pid, as it says */
	char name[32];
	bool dma; /* it may map memory */
	bool said_hello;
	uint32_t range_count;
	struct vsf_join_range range[VFIOSAFE_GRANT_RANGES];

	/*
	 * Held by who reads the main socket, moves the gate and runs callbacks. Always
	 * tried: who has to have it sleeps on the bell meanwhile. Guards what follows.
	 */
	pthread_mutex_t lock;
	enum vsf_join_phase phase;
	bool barrier;	   /* of CLOSING: the membarrier was run */
	unsigned int round; /* of CLOSING: the back-off */
	uint64_t asked;	   /* by this window for READY, and it is not over; or 0 */
	uint64_t window;   /* the highest number heard of */
	bool recover;	   /* it recovers from FAULT: no quiesce callback */
	bool answered;
	bool quiesced;	   /* the driver is, in the generation of @synced */
	bool told_open;	   /* WINDOW_OPENED was, and CLOSED is owed */
	int over_result;
	uint64_t lost_word; /* FAULT, as the lost callback was told of it */
	enum vfiosafe_cause cause; /* as the owner said last */
	bool deaf;	   /* the socket and the pidfd have left epoll_fd */
	bool exclusive;	   /* moved the gate */
	bool owes_answer, owes_back; /* could not be sent: the socket was full */
	struct vsf_msg answer, back;

	/* Atomic. */
	uint64_t synced;	/* the generation in which the driver is up, or has failed */
	int64_t deadline;	/* of the window */
	bool busy;		/* callbacks are to come */
	bool fault_told;	/* of the gate that is closed now */
	bool pumping;		/* a thread sleeps on wait_fd */

	struct vsf_join_ask ask; /* under dev->lock */

	/* What is mapped for this process: addresses as the owner gave them. */
	struct vsf_mappings maps;

	pthread_mutex_t calls_lock; /* one question at a time */
	unsigned int late;	    /* answers still to come that nobody waits for */
};

/* join_welcome.c: what the owner answers to HELLO. 0 or -errno with a text. */
int vsf_join_welcome(struct vfiosafe_device *dev, int64_t deadline);

/* join_link.c: one message of @side; -EAGAIN; -EOWNERDEAD; -EPROTO... with a text. */
int vsf_join_receive(struct vfiosafe_device *dev, int fd, enum vsf_side side,
		     struct vsf_msg *msg, struct vfiosafe_received *with);
int vsf_join_send(struct vfiosafe_device *dev, int fd, const struct vsf_msg *msg);
int vsf_join_send_with(struct vfiosafe_device *dev, int fd, const struct vsf_msg *msg,
		       int with);
/* Printable, and NUL-terminated. */
void vsf_join_text(char *to, size_t len, const char *from);
/* The owner has ended, or is none: everything is refused from now on. Any thread. */
void vsf_join_cut(struct vfiosafe_device *dev, const char *why);
/* Who waits looks again. */
void vsf_join_wake(struct vfiosafe_device *dev);

/*
 * join_calls.c: @msg becomes the answer; @with: an fd that goes with it, or -1. -errno
 * with a text: there was none, or, in the owner's words, it is a refusal. -ETIMEDOUT after
 * @ms.
 */
int vsf_join_question(struct vfiosafe_device *dev, struct vsf_msg *msg, int with,
		      uint32_t ms);

/* join_window.c, under the lock */
void vsf_join_handle(struct vfiosafe_device *dev, const struct vsf_msg *msg);
/* What can be done now, without waiting. */
void vsf_join_step(struct vfiosafe_device *dev);
/*
 * join_back.c: with no section open. 0; 1: the device went away meanwhile, to be tried
 * again; -errno with a text: this process is in FAULT.
 */
int vsf_join_reinit(struct vfiosafe_device *dev, uint64_t word);
/* With no window open: if the word is LIVE, the driver follows, or will. */
void vsf_join_come_back(struct vfiosafe_device *dev);
/* No section begins from now on. */
void vsf_join_close_gate(struct vfiosafe_device *dev);
bool vsf_join_drained(struct vfiosafe_device *dev);
void vsf_join_say_closed(struct vfiosafe_device *dev);
/* To be told to the owner: where the driver is, or is not, back. */
void vsf_join_say_back(struct vfiosafe_device *dev, uint64_t word, int result);

/* join_wait.c: until @is_over does not say -EAGAIN: that; or -ETIMEDOUT, without a text. */
typedef int (*vsf_join_over)(const struct vfiosafe_device *dev);
int vsf_join_wait_until(struct vfiosafe_device *dev, int64_t deadline, vsf_join_over is_over);
/* As an access would fare; a gate that a window may open is not FAULT. */
int vsf_join_stands(const struct vfiosafe_device *dev);
int vsf_join_lock_until(struct vfiosafe_device *dev, int64_t deadline);

/* join_back.c */
bool vsf_join_trylock(struct vfiosafe_device *dev);
void vsf_join_unlock(struct vfiosafe_device *dev);
/* join_round.c: one round; -EAGAIN: another thread is at it. */
int vsf_join_round(struct vfiosafe_device *dev);

#endif
