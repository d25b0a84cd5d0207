/* SPDX-License-Identifier: MIT */
/* share_process.h - clients that are processes of their own, to be killed. */
#ifndef SHARE_PROCESS_H
#define SHARE_PROCESS_H

#include <sys/prctl.h>

#include "share_rig.h"

/* How far it goes before it waits for its end. */
enum upto {
	SAYS_NOTHING,
	SAYS_HELLO,
	IS_ASKED,
	IS_READY,
	HANGS_UP, /* welcomed, and closes its socket */
};

struct process {
	pid_t pid, heir;
	int *where; /* shared: enum upto + 1 that it has reached */
	pid_t *heir_pid;
};

/* In the child: no library, no assertion. */
static inline struct vsf_msg child_hears(int fd, enum vsf_msg_type type)
{
	uint8_t buf[VSF_WIRE_LEN];
	struct vsf_msg msg = { 0 };

	while (msg.type != type) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n <= 0)
			_exit(2);
		(void)vsf_wire_parse(&msg, buf, (size_t)n, VSF_FROM_OWNER,
				     type == VSF_MSG_WELCOME ? 2 : 0);
	}
	return msg;
}

static inline void child_reaches(const struct process *process, enum upto now, enum upto upto)
{
	__atomic_store_n(process->where, (int)now + 1, __ATOMIC_RELEASE);
	while (now == upto)
		pause();
}

static inline void child_main(const struct process *process, int sock, enum upto upto)
{
	struct vsf_msg msg;

	child_reaches(process, SAYS_NOTHING, upto);
	(void)say_on(sock, (struct vsf_msg){ .type = VSF_MSG_HELLO, .text = "child" });
	child_reaches(process, SAYS_HELLO, upto);
	if (upto == HANGS_UP) {
		char byte[VSF_WIRE_LEN];

		(void)recv(sock, byte, sizeof(byte), 0);
		close(sock);
		child_reaches(process, HANGS_UP, upto);
	}
	msg = child_hears(sock, VSF_MSG_PREPARE);
	child_reaches(process, IS_ASKED, upto);
	(void)say_on(sock, (struct vsf_msg){ .type = VSF_MSG_READY, .window = msg.window });
	child_reaches(process, IS_READY, upto);
	_exit(3);
}

/* @heir: it has a child that keeps the socket open. */
static inline struct process spawn(const struct vfiosafe_grant *grant, enum upto upto,
				   bool heir)
{
	struct peer peer = serve(grant);
	struct process process = { 0 };
	int *shared = mmap(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(shared != MAP_FAILED);
	process.where = shared;
	process.heir_pid = shared + 1;
	process.pid = fork();
	if (process.pid == 0) {
		/* A test that fails leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(peer.owner_end);
		if (heir) {
			pid_t pid = fork();

			if (pid == 0) {
				alarm(60);
				while (1)
					pause();
			}
			*process.heir_pid = pid;
		}
		child_main(&process, peer.sock, upto);
	}
	close(peer.sock);
	return process;
}

static inline bool has_reached(const struct process *process, enum upto upto)
{
	return __atomic_load_n(process->where, __ATOMIC_ACQUIRE) > (int)upto;
}

static inline void look_until_reached(const struct process *process, enum upto upto)
{
	do
		look();
	while (!has_reached(process, upto));
	look();
}

/* Dead, but not collected: nothing of it may be asked for any more. */
static inline void kill_it(const struct process *process)
{
	siginfo_t info;

	assert_int_equal(kill(process->pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT), 0);
}

static inline void collect(const struct process *process)
{
	if (*process->heir_pid)
		kill(*process->heir_pid, SIGKILL);
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
	munmap(process->where, FAKE_PAGE);
}

/* Without time going by: what is not there comes, or CTest ends it. */
static inline int poll_until_told(struct vfiosafe_window *win)
{
	int rc;

	do
		rc = vfiosafe_window_poll(win);
	while (rc == -EAGAIN);
	return rc;
}

#endif
