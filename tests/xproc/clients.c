/* SPDX-License-Identifier: MIT */
/* The clients of the storm: started, killed, told to die. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storm.h"

/* Runs this program again, as a client that inherits its socket and the board. */
static void exec_client(const struct storm *storm, int socket, unsigned int place)
{
	char number[3][16];

	snprintf(number[0], sizeof(number[0]), "%d", dup(socket));
	snprintf(number[1], sizeof(number[1]), "%d", dup(storm->board_fd));
	snprintf(number[2], sizeof(number[2]), "%u", place);
	execl("/proc/self/exe", "xproc_storm", "--client", number[0], number[1], number[2],
	      storm->model->name, (char *)NULL);
	_exit(127);
}

/*
 * Every third by calls of the owner; the others map what the simulation exports, or the
 * device fd. Those that ask for resets may do so often.
 */
static struct vfiosafe_grant grant_for(const struct storm *storm, unsigned int place)
{
	static const struct vfiosafe_grant_range all = {
		.rights = VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE,
	};
	struct vfiosafe_grant grant = {
		.size = sizeof(grant),
		.rights = VFIOSAFE_GRANT_RESET,
		.ranges = &all,
		.range_count = 1,
		.reset_interval_ms = 1,
	};

	if (place % 3 == 2)
		grant.rights |= VFIOSAFE_GRANT_CALLS_ONLY;
	else if (!storm->sim)
		grant.rights |= VFIOSAFE_GRANT_DEVICE_FD;
	return grant;
}

void start_client(struct storm *storm, unsigned int place)
{
	const struct vfiosafe_grant grant = grant_for(storm, place);
	int fd[2];

	storm->board->tally[place].die = DIE_NOT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		die("socketpair");
	storm->pid[place] = fork();
	if (storm->pid[place] < 0)
		die("fork");
	if (storm->pid[place] == 0)
		exec_client(storm, fd[1], place);
	close(fd[1]);
	if (vfiosafe_share_serve(storm->dev, fd[0], &grant) < 0)
		die("serve");
}

void kill_one(struct storm *storm)
{
	unsigned int place = (unsigned int)chance(storm, storm->clients);
	uint64_t how = storm->killed++ % DEATHS;

	/* Of each four, the second asks for resets. */
	if (how == DIE_ASKING)
		place = place / 4 * 4 + 1 < storm->clients ? place / 4 * 4 + 1 : 1;
	if (how != DIE_NOT) {
		__atomic_store_n(&storm->board->tally[place].die, how, __ATOMIC_RELAXED);
		return;
	}
	kill(storm->pid[place], SIGKILL);
	waitpid(storm->pid[place], NULL, 0);
	storm->kills++;
	storm->deaths[DIE_NOT]++;
	start_client(storm, place);
}

void replace_dead(struct storm *storm)
{
	for (unsigned int i = 0; i < storm->clients; i++) {
		if (waitpid(storm->pid[i], NULL, WNOHANG) != storm->pid[i])
			continue;
		storm->kills++;
		storm->deaths[storm->board->tally[i].die % DEATHS]++;
		start_client(storm, i);
	}
}

void end_clients(struct storm *storm)
{
	__atomic_store_n(&storm->board->stop, 1, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < storm->clients; i++)
		waitpid(storm->pid[i], NULL, 0);
	wait_count(storm, 0);
}

void wait_count(struct storm *storm, unsigned int count)
{
	int64_t end = vfiosafe_deadline_in_ms(120000);

	while (vfiosafe_share_count(storm->dev) != count) {
		if (vfiosafe_deadline_in_ms(0) > end)
			die("the clients do not come, or do not leave");
		usleep(1000);
	}
}

unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
