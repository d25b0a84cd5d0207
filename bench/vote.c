/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vfiosafe/sim.h>
#include <vfiosafe/vfiosafe.h>

#include "rig.h"
#include "vote.h"

/* In the process of the clients: the baton, and behind it their sockets. */
#define BATON 1000

struct vote {
	struct vfiosafe_sim *sim;
	struct vfiosafe_device *dev;
	struct vfiosafe_window *win;
	unsigned int clients;
	int baton;
	pid_t pid;
};

#define COUNTED __attribute__((noinline))

COUNTED void bench_vote_ask(struct vote *vote);
COUNTED int bench_vote_look(struct vote *vote);
COUNTED int bench_vote_tell(struct vote *vote);
COUNTED int bench_vote_hear(struct vote *vote);

/* Each client takes some ten. */
static void allow_fds(void)
{
	struct rlimit fds;

	if (getrlimit(RLIMIT_NOFILE, &fds) < 0)
		bench_die("getrlimit failed");
	fds.rlim_cur = fds.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &fds) < 0)
		bench_die("setrlimit failed");
}

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	(void)dev;
	(void)ctx;
	return 0;
}

static struct vfiosafe_device *join(int sock)
{
	static const struct vfiosafe_driver_ops ops = { .size = sizeof(ops),
							.reinit = reinit };
	struct vfiosafe_device *dev;

	if (vfiosafe_join(&dev, sock, NULL) < 0 ||
	    vfiosafe_device_set_driver(dev, &ops, NULL) < 0)
		bench_die("client: %s", vfiosafe_error_text());
	return dev;
}

int bench_vote_main(unsigned int clients)
{
	struct vfiosafe_device *dev[BENCH_VOTE_MAX];
	uint32_t turn;

	allow_fds();
	for (unsigned int i = 0; i < clients && i < BENCH_VOTE_MAX; i++)
		dev[i] = join(BATON + 1 + (int)i);
	while (read(BATON, &turn, sizeof(turn)) == sizeof(turn) && turn < clients) {
		if (vfiosafe_agent_dispatch(dev[turn]) < 0)
			bench_die("client: %s", vfiosafe_error_text());
		if (write(BATON, &turn, sizeof(turn)) != sizeof(turn))
			break;
	}
	return 0;
}

/* Older valgrinds do not know the call: there nobody's death is seen, and nobody dies. */
static int open_pidfd(void *ctx, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	(void)ctx;
	if (fd < 0 && errno == ENOSYS)
		fd = eventfd(0, EFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void open_device(struct vote *vote)
{
	static struct vfiosafe_sys sys;
	struct vfiosafe_device_opts opts = { .size = sizeof(opts), .sys = &sys };

	if (vfiosafe_sim_open(&vote->sim, "sim:reg", NULL) < 0)
		bench_die("no simulated device");
	sys = *vfiosafe_sim_sys(vote->sim);
	sys.pidfd = open_pidfd;
	if (vfiosafe_device_from_fd(&vote->dev, vfiosafe_sim_device_fd(vote->sim), &opts) < 0)
		bench_die("device: %s", vfiosafe_error_text());
}

static void start_program(const int *fd, unsigned int clients)
{
	char number[16], self[4096] = "";

	for (unsigned int i = 0; i <= clients; i++)
		if (fcntl(fd[i], F_DUPFD, BATON + (int)i) != BATON + (int)i)
			_exit(126);
	snprintf(number, sizeof(number), "%u", clients);
	/* Under valgrind the link itself leads to valgrind. */
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		execl(self, "bench-count", "clients", number, (char *)NULL);
	_exit(127);
}

static void serve(struct vote *vote, int sock)
{
	static const struct vfiosafe_grant_range all = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE,
	};
	const struct vfiosafe_grant grant = {
		.size = sizeof(grant),
		.ranges = &all,
		.range_count = 1,
	};

	if (vfiosafe_share_serve(vote->dev, sock, &grant) < 0)
		bench_die("serve: %s", vfiosafe_error_text());
}

static void start_clients(struct vote *vote)
{
	int ours[1 + BENCH_VOTE_MAX], theirs[1 + BENCH_VOTE_MAX], fd[2];

	allow_fds();
	for (unsigned int i = 0; i <= vote->clients; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
			bench_die("socketpair: %s", strerror(errno));
		ours[i] = fd[0];
		theirs[i] = fd[1];
	}
	vote->baton = ours[0];
	vote->pid = fork();
	if (vote->pid == 0)
		start_program(theirs, vote->clients);
	for (unsigned int i = 0; i <= vote->clients; i++)
		close(theirs[i]);
	for (unsigned int i = 1; i <= vote->clients; i++)
		serve(vote, ours[i]);
	while (vfiosafe_share_count(vote->dev) < vote->clients)
		if (vfiosafe_agent_dispatch(vote->dev) < 0 ||
		    waitpid(vote->pid, NULL, WNOHANG))
			bench_die("the clients did not join");
}

/* The client @turn looks at what it was told, and answers. */
static void pass_baton(struct vote *vote, uint32_t turn)
{
	if (write(vote->baton, &turn, sizeof(turn)) != sizeof(turn) ||
	    read(vote->baton, &turn, sizeof(turn)) != sizeof(turn))
		bench_die("the clients have ended");
}

void bench_vote_ask(struct vote *vote)
{
	if (vfiosafe_window_begin(&vote->win, vote->dev, NULL) < 0)
		bench_die("begin: %s", vfiosafe_error_text());
}

/* As an owner does that has an agent's thread, and polls. */
int bench_vote_look(struct vote *vote)
{
	int rc = vfiosafe_agent_dispatch(vote->dev);

	return rc < 0 ? rc : vfiosafe_window_poll(vote->win);
}

int bench_vote_tell(struct vote *vote)
{
	int rc = vfiosafe_window_finish(vote->win);

	vfiosafe_window_end(vote->win);
	return rc;
}

int bench_vote_hear(struct vote *vote)
{
	return vfiosafe_agent_dispatch(vote->dev);
}

static void one_window(struct vote *vote)
{
	int rc = -EAGAIN;

	bench_vote_ask(vote);
	for (unsigned int i = 0; i < vote->clients && rc == -EAGAIN; i++) {
		pass_baton(vote, i);
		rc = bench_vote_look(vote);
	}
	if (rc != VFIOSAFE_STEP_COMMIT || vfiosafe_window_commit(vote->win) < 0)
		bench_die("commit: %s", vfiosafe_error_text());
	do
		rc = vfiosafe_window_poll(vote->win);
	while (rc == -EAGAIN);
	if (rc != VFIOSAFE_STEP_FINISH || bench_vote_tell(vote) < 0)
		bench_die("finish: %s", vfiosafe_error_text());
	for (unsigned int i = 0; i < vote->clients; i++) {
		pass_baton(vote, i);
		if (bench_vote_hear(vote) < 0)
			bench_die("dispatch: %s", vfiosafe_error_text());
	}
}

void bench_vote(unsigned int clients, uint64_t n)
{
	struct vote vote = { .clients = clients };

	open_device(&vote);
	start_clients(&vote);
	for (uint64_t i = 0; i < n / clients; i++)
		one_window(&vote);
	close(vote.baton);
	waitpid(vote.pid, NULL, 0);
	if (vfiosafe_device_close(vote.dev, 1000) < 0)
		bench_die("close: %s", vfiosafe_error_text());
	vfiosafe_sim_close(vote.sim);
}
