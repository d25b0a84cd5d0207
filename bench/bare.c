/* SPDX-License-Identifier: MIT */
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bare.h"
#include "rig.h"

struct bare {
	unsigned int n;
	int epoll_fd;
	int *sock;
	pid_t *pid;
};

int bench_bare_main(int sock)
{
	char msg[BENCH_BARE_LEN];

	while (recv(sock, msg, sizeof(msg), 0) > 0)
		if (send(sock, msg, sizeof(msg), 0) < 0)
			return 1;
	return 0;
}

static void start(struct bare *bare, unsigned int i, const char *program)
{
	struct epoll_event event = { .events = EPOLLIN };
	char number[16];
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		bench_die("socketpair failed");
	bare->pid[i] = fork();
	if (bare->pid[i] == 0) {
		snprintf(number, sizeof(number), "%d", dup(fd[1]));
		execl(program, program, "bare", number, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	bare->sock[i] = event.data.fd = fd[0];
	if (bare->pid[i] < 0 ||
	    epoll_ctl(bare->epoll_fd, EPOLL_CTL_ADD, fd[0], &event) < 0)
		bench_die("a bare process did not start");
}

/* As vfiosafe_window_poll() does it: a look, and if there is nothing a yield. */
static void ask_all(const struct bare *bare)
{
	struct epoll_event ready[16];
	char msg[BENCH_BARE_LEN] = { 0 };
	unsigned int left = bare->n;

	for (unsigned int i = 0; i < bare->n; i++)
		if (send(bare->sock[i], msg, sizeof(msg), 0) < 0)
			bench_die("a bare process has ended");
	while (left > 0) {
		int n = epoll_wait(bare->epoll_fd, ready, 16, 0);

		for (int i = 0; i < n; i++) {
			if (recv(ready[i].data.fd, msg, sizeof(msg), MSG_DONTWAIT) <= 0)
				bench_die("a bare process has ended");
			left--;
		}
		if (n == 0)
			sched_yield();
	}
}

static void end(struct bare *bare)
{
	for (unsigned int i = 0; i < bare->n; i++) {
		kill(bare->pid[i], SIGKILL);
		waitpid(bare->pid[i], NULL, 0);
		close(bare->sock[i]);
	}
	close(bare->epoll_fd);
	free(bare->sock);
	free(bare->pid);
}

void bench_bare(unsigned int n, unsigned int rounds, double *us, const char *program)
{
	struct bare bare = { .n = n, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };

	bare.sock = calloc(n, sizeof(*bare.sock));
	bare.pid = calloc(n, sizeof(*bare.pid));
	if (bare.epoll_fd < 0 || !bare.sock || !bare.pid)
		bench_die("no memory, or no file descriptors");
	for (unsigned int i = 0; i < n; i++)
		start(&bare, i, program);
	ask_all(&bare); /* they have all started */
	for (unsigned int round = 0; round < rounds; round++) {
		int64_t begin = bench_now_ns();

		ask_all(&bare);
		us[round] = (double)(bench_now_ns() - begin) / 1000;
	}
	end(&bare);
}
