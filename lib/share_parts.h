/* SPDX-License-Identifier: MIT */
/*
 * What the files of the owner's side need of each other.
 *
 * A client on its way:
 *
 *      GREETING   serve() has its socket; it has said nothing yet
 *      WAITING    its HELLO came while a window was open: answered when that is over
 *      JOINED     welcomed; it is asked before windows
 *      LEFT       it hung up, or was cut off, but may still have the device mapped: in
 *                 the way of windows until its process has ended
 *      OVER       nothing is known of it any more; freed when nobody is at it
 *
 * There is no queue of messages. What a client is to be told is kept as state (it owes
 * ... below), and sent when its socket has room.
 *
 * What is done for each message must not look at all clients: a window of n of them has
 * 2n messages. All are looked at when a window begins, when all have agreed, and when it
 * is over; else only by time (sockets that are full), and by each poll while only the
 * program's own opts.drain is waited for.
 */
#ifndef VSF_SHARE_PARTS_H
#define VSF_SHARE_PARTS_H

#include <pthread.h>
#include <sys/types.h>
#include <urcu/list.h>
#include <vfiosafe/share.h>

#include "device.h"
#include "ledger.h"
#include "wire.h"

struct vsf_control;
struct vsf_share_buf;

/* Messages of one client that are read in a row: others wait. */
#define VSF_SHARE_BURST 16

enum vsf_client_state {
	VSF_CLIENT_GREETING,
	VSF_CLIENT_WAITING,
	VSF_CLIENT_JOINED,
	VSF_CLIENT_LEFT,
	VSF_CLIENT_OVER,
};

enum vsf_vote { VSF_VOTE_NONE, VSF_VOTE_ASKED, VSF_VOTE_READY };

/* A range of a grant, and how the client gets at it. */
struct vsf_granted {
	struct vfiosafe_grant_range range; /* len is not 0 */
	enum vsf_reach reach;
	struct vfiosafe_dmabuf *buf;	   /* or NULL */
};

/* A reset that a client asked for; the one who dispatches drives it. */
struct vsf_asked {
	enum vsf_ask kind; /* 0: none */
	uint64_t id;
	uint32_t ms;
	struct vfiosafe_window *win; /* the dispatcher's alone; NULL: not begun */
	bool done;		     /* the answer is owed */
	int result;
	char text[VSF_WIRE_TEXT];
};

/* Under share->lock but for what is constant. */
struct vsf_client {
	struct cds_list_head all;    /* of share->clients */
	struct cds_list_head untidy; /* of share->untidy, or of none */
	struct cds_list_head asking; /* of share->asking, share->following, or of none */
	struct vsf_share *share;     /* constant */

	/* Constant from serve on. */
	uint32_t rights;
	pid_t want_pid;
	bool check_uid;
	uid_t want_uid;
	int64_t interval;
	uint64_t dma_limit;
	uint64_t cookie;
	uint32_t count;
	struct vsf_granted granted[VFIOSAFE_GRANT_RANGES];

	int sock;      /* -1: hung up */
	int calls;     /* our end */
	int calls_out; /* the client's end, until it is sent */
	int pidfd;     /* -1: no HELLO yet */
	int told;      /* the pidfd that came with what it said; or why there is none */
	pid_t pid;
	uid_t uid;
	char name[32];
	enum vsf_client_state state;
	uint32_t greeted; /* 0: WELCOME is to be sent; n: the range n - 1 */
	bool may_map;	  /* it got a dma-buf or the device fd */
	bool killed;
	int ledger_slot;  /* or -1 */

	/* Of the window that is open. */
	enum vsf_vote vote;
	unsigned int calls_open; /* accesses for it that are under way */

	uint64_t lent;	   /* bytes that are mapped for it (share_dma.h) */
	uint32_t mappings; /* ... in so many */

	/* Questions that it was sent, and has not answered, also of older windows. */
	unsigned int open_questions;
	uint64_t last_question;

	bool owes_prepare; /* it is still to be told of the window */
	bool owes_state;   /* ... where the device stands */
	int64_t retry_at;  /* its socket is full: try again then; 0: it is not */
	int64_t retry_ns;
	char farewell[256]; /* to be logged, without the lock */

	struct vsf_asked asked;
	int64_t next_ask; /* not before */
};

struct vsf_share {
	/* Constant. */
	struct vfiosafe_device *dev;
	int epoll_fd; /* readable when one of these is: */
	int votes_fd; /* ... epoll of main sockets and pidfds */
	int calls_fd; /* ... epoll of calls sockets */
	int timer_fd;
	int control_fd;
	struct vsf_control *control;

	/*
	 * One dispatcher at a time; held over whatever that does. Calls that wait for a
	 * client do without: they read the main sockets themselves, under `lock`.
	 */
	pthread_mutex_t dispatch_lock;

	/* One serve at a time; held over an mmap. */
	pthread_mutex_t serve_lock;
	struct vsf_share_buf *bufs;
	bool no_dmabuf; /* dma-bufs of this device cannot be mapped */
	struct vfiosafe_bar *bar[VSF_BARS]; /* atomic; for calls; NULL: of no grant yet */

	/* Before dev->lock. Held over sends and receives, which do not block. */
	pthread_mutex_t lock;
	struct cds_list_head clients; /* in no order */
	struct cds_list_head untidy;  /* ... for vsf_clients_reap() to look at */
	struct cds_list_head asking;  /* ... whose reset is made here */
	struct cds_list_head following; /* ... who asked, too, and wait for another's */
	struct vsf_client **by_fd; /* sockets and pidfds */
	size_t by_fd_len;
	unsigned int fds;
	unsigned int closed; /* fds, so far */
	int64_t timer_at;    /* the dispatcher's next look, if no fd wakes it before */
	int64_t retry_at;    /* no client's is earlier */
	int64_t follow_at;   /* the next look at those of `following` */

	/* The window that is open, and that clients are kept out of. */
	uint64_t window;	/* 0: none */
	int64_t deadline;
	uint32_t cause;
	uint32_t flags;
	char veto[256]; /* who said no to it, and why; or empty */
	bool force;	/* a reset that nobody may refuse */

	struct vsf_ledger ledger;

	uint64_t last_window; /* and how it ended */
	int last_result;
};

/* share.c: NULL until the first client. */
struct vsf_share *vsf_share_of(const struct vfiosafe_device *dev);
/* The same, made now if there is none; 0 or -errno with a text. */
int vsf_share_get(struct vsf_share **out, struct vfiosafe_device *dev);
/* With the lock: into an epoll; out of it, and closed. */
int vsf_share_add_fd(struct vsf_share *share, struct vsf_client *client, int epoll_fd, int fd);
void vsf_share_del_fd(struct vsf_share *share, int epoll_fd, int fd);

/*
 * share_dispatch.c: reads what came over the main sockets, all that are ready, but of
 * each no more than is fair; with the lock. And what is to be done without it after that.
 */
void vsf_clients_read(struct vsf_share *share);
void vsf_clients_reap(struct vsf_share *share);
/* With the lock: the reap has a farewell of it to log, or may be able to free it. */
void vsf_client_untidy(struct vsf_client *client);
void vsf_client_free(struct vsf_client *client);
/* With the lock: the dispatcher is to look at @at. */
void vsf_share_wake(struct vsf_share *share, int64_t at);

/* share_client.c: one client's life; all with the lock. */
void vsf_client_read(struct vsf_client *client);
void vsf_client_died(struct vsf_client *client);
/* Sends what is owed, as far as there is room. */
void vsf_client_flush(struct vsf_client *client);
/* No longer a client: @why is a -errno of VFIOSAFE_EVENT_PEER; in words. */
void vsf_client_cut(struct vsf_client *client, int why, const char *text);
/* "client 12 (name)" */
const char *vsf_client_name(const struct vsf_client *client, char *buf, size_t len);
/*
 * -EAGAIN: no room. Another failure cuts it off.
 */
int vsf_client_send(struct vsf_client *client, int fd, const struct vsf_msg *msg,
		    const int *fds, unsigned int count);
/* Its next message, into *@msg: 1; 0 if there is none. Cuts it off for a bad one. */
int vsf_client_receive(struct vsf_client *client, int fd, enum vsf_side side,
		       struct vsf_msg *msg, struct vfiosafe_received *with);
/* Its pidfd that came, if nobody has taken it. */
void vsf_client_drop_pidfd(struct vsf_client *client);

/* share_hello.c: says so, with this thread's text, and cuts it off */
void vsf_client_refuse(struct vsf_client *client, int err);
void vsf_client_hello(struct vsf_client *client, const struct vsf_msg *msg,
		      const struct vfiosafe_received *who);
/* WELCOME and RANGE; -EAGAIN: no room. */
int vsf_client_welcome(struct vsf_client *client);

/* share_reach.c: how @client may get at a range; with serve_lock. */
void vsf_client_reach(const struct vsf_client *client, struct vsf_granted *granted);
void vsf_share_bufs_free(struct vsf_share *share);

/* share_vote.c: an answer of @client, with the lock. -EPROTO with a text. */
int vsf_share_vote(struct vsf_client *client, const struct vsf_msg *msg);

/* share_calls.c: answers what clients have called for. By the dispatcher, no lock. */
void vsf_share_calls(struct vsf_share *share);

/* share_ask.c: with the lock: -EPROTO with a text, or 0 */
int vsf_share_ask(struct vsf_client *client, const struct vsf_msg *msg);
int vsf_client_answer(struct vsf_client *client);
/* One step of each reset that is asked for. No lock. */
void vsf_share_drive(struct vsf_share *share);
/* Ends them all. */
void vsf_share_drop(struct vsf_share *share);
/* May it have a reset now? Then the next not before its interval. With the lock. */
bool vsf_client_in_turn(struct vsf_client *client);

#endif
