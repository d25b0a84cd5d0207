/* SPDX-License-Identifier: MIT */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_policy(struct broker_process *broker, const char *policy)
{
	char path[128];
	FILE *out;

	if (!broker->dir[0]) {
		snprintf(broker->dir, sizeof(broker->dir), "/tmp/vfiosafed-XXXXXX");
		assert_non_null(mkdtemp(broker->dir));
		assert_int_equal(chmod(broker->dir, 0755), 0);
	}
	snprintf(path, sizeof(path), "%s/policy", broker->dir);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_true(fputs(policy, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int notify_socket(const struct broker_process *broker, struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(at->sun_path, sizeof(at->sun_path), "%s/notify", broker->dir);
	unlink(at->sun_path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	return fd;
}

static void exec_broker(const struct broker_process *broker, int log_fd, const char *notify)
{
	char policy[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(policy, sizeof(policy), "%s/policy", broker->dir);
	dup2(log_fd, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", notify, 1);
	execlp(VFIOSAFED, VFIOSAFED, "--policy", policy, "--socket-dir", broker->dir, NULL);
	_exit(127);
}

/* Its end of the notify socket: written to when it is ready. */
static int spawn(struct broker_process *broker, const char *policy)
{
	struct sockaddr_un at;
	int log[2], notify;

	write_policy(broker, policy);
	notify = notify_socket(broker, &at);
	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	fcntl(log[0], F_SETPIPE_SZ, 1 << 20);
	broker->log_len = 0;
	broker->pid = fork();
	assert_true(broker->pid >= 0);
	if (broker->pid == 0)
		exec_broker(broker, log[1], at.sun_path);
	close(log[1]);
	broker->log_fd = log[0];
	return notify;
}

void broker_start(struct broker_process *broker, const char *policy)
{
	int notify = spawn(broker, policy);
	char said[64] = { 0 };

	assert_true(recv(notify, said, sizeof(said) - 1, 0) > 0);
	assert_string_equal(said, "READY=1");
	close(notify);
}

int broker_run_to_end(struct broker_process *broker, const char *policy, char *said, size_t len)
{
	size_t have = 0;
	ssize_t n;
	int status;

	close(spawn(broker, policy));
	while ((n = read(broker->log_fd, said + have, len - 1 - have)) > 0)
		have += (size_t)n;
	said[have] = '\0';
	close(broker->log_fd);
	assert_int_equal(waitpid(broker->pid, &status, 0), broker->pid);
	broker->pid = 0;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* True, and gone with all before it: a whole line with @what. */
static bool take_line(struct broker_process *broker, const char *what, const char *not_yet)
{
	char *line = broker->log, *end;
	bool found = false;

	while (!found && (end = memchr(line, '\n',
				       broker->log_len - (size_t)(line - broker->log)))) {
		*end = '\0';
		found = strstr(line, what) != NULL;
		fprintf(stderr, "%s\n", line);
		if (not_yet && !found && strstr(line, not_yet))
			fail_msg("'%s' before '%s'", not_yet, what);
		line = end + 1;
	}
	broker->log_len -= (size_t)(line - broker->log);
	memmove(broker->log, line, broker->log_len);
	return found;
}

void broker_says(struct broker_process *broker, const char *what)
{
	broker_says_first(broker, what, NULL);
}

void broker_says_first(struct broker_process *broker, const char *what, const char *not_yet)
{
	while (!take_line(broker, what, not_yet)) {
		ssize_t n = read(broker->log_fd, broker->log + broker->log_len,
				 sizeof(broker->log) - broker->log_len);

		if (n <= 0)
			fail_msg("the broker ended without '%s'", what);
		broker->log_len += (size_t)n;
	}
}

int broker_stop(struct broker_process *broker, int sig)
{
	int status;

	assert_int_equal(kill(broker->pid, sig), 0);
	assert_int_equal(waitpid(broker->pid, &status, 0), broker->pid);
	broker->pid = 0;
	close(broker->log_fd);
	return status;
}

static void each_entry(const char *path, void (*what)(const char *path, const char *name))
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			what(path, entry->d_name);
	closedir(dir);
}

static void remove_one(const char *path, const char *name)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	unlink(whole);
}

void broker_end(struct broker_process *broker)
{
	if (broker->pid)
		broker_stop(broker, SIGKILL);
	if (broker->dir[0]) {
		each_entry(broker->dir, remove_one);
		rmdir(broker->dir);
	}
	broker->dir[0] = '\0';
}

static unsigned int entries;

static void count_one(const char *path, const char *name)
{
	(void)path;
	(void)name;
	entries++;
}

unsigned int broker_fds(const struct broker_process *broker)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)broker->pid);
	entries = 0;
	each_entry(path, count_one);
	return entries;
}

/* A test that fails leaves nobody behind. */
static void become(uid_t uid)
{
	must(setgroups(0, NULL) == 0);
	must(setresgid(uid, uid, uid) == 0);
	must(setresuid(uid, uid, uid) == 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

struct client_process client_start(const struct broker_process *broker, uid_t uid,
				   void (*run)(struct guest *guest), uint64_t arg)
{
	struct client_process client;
	int to[2], from[2];

	assert_int_equal(geteuid(), 0);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	fflush(NULL);
	client = (struct client_process){ .pid = fork(), .to = to[1], .from = from[0] };
	assert_true(client.pid >= 0);
	if (client.pid == 0) {
		struct guest guest = { broker, from[1], to[0], arg };

		close(to[1]);
		close(from[0]);
		become(uid);
		run(&guest);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	return client;
}

void client_goes_on(const struct client_process *client)
{
	assert_int_equal(write(client->to, "g", 1), 1);
}

void client_is_there(const struct client_process *client)
{
	char byte;

	assert_int_equal(read(client->from, &byte, 1), 1);
}

static int collect(struct client_process *client)
{
	int status;

	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	close(client->to);
	close(client->from);
	return status;
}

void client_ends_well(struct client_process *client)
{
	assert_int_equal(collect(client), 0);
}

void client_killed(struct client_process *client)
{
	int status;

	assert_int_equal(kill(client->pid, SIGKILL), 0);
	status = collect(client);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void guest_is_there(const struct guest *guest)
{
	must(write(guest->to, "t", 1) == 1);
}

void guest_waits(const struct guest *guest)
{
	char byte;

	must(read(guest->from, &byte, 1) == 1);
}

void guest_fails(const char *what, int line)
{
	fprintf(stderr, "client of user %u, line %d: %s (%s; %s)\n", (unsigned int)getuid(),
		line, what, vfiosafe_error_text(), strerror(errno));
	_exit(1);
}

int guest_connects(const struct guest *guest, const char *device)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), err;

	must(fd >= 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s.sock", guest->broker->dir, device);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

struct vfiosafe_device *guest_joins(const struct guest *guest, const char *device)
{
	const struct vfiosafe_join_opts opts = { .size = sizeof(opts),
						 .name = "guest",
						 .timeout_ms = 60000 };
	int fd = guest_connects(guest, device);
	struct vfiosafe_device *dev;

	must(fd >= 0);
	must(vfiosafe_join(&dev, fd, &opts) == 0);
	must(vfiosafe_agent_start(dev) == 0);
	return dev;
}

struct vfiosafe_view guest_maps(struct vfiosafe_device *dev, uint64_t offset, uint64_t len)
{
	struct vfiosafe_view view;
	struct vfiosafe_bar *bar;

	must(vfiosafe_bar_map(&bar, dev, 0, offset, len, 0) == 0);
	must(vfiosafe_wait(dev, vfiosafe_deadline_in_ms(60000)) == 0);
	must(vfiosafe_bar_view(bar, &view) == 0);
	return view;
}
