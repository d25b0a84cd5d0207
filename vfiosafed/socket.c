/* SPDX-License-Identifier: MIT */
/*
 * One socket for each device: inherited (systemd's LISTEN_FDS), or made here. The name of
 * its file says whose it is: DIR/0000:01:00.0.sock. (A name that FileDescriptorName= gives
 * cannot have colons.)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define BACKLOG 16
#define SUFFIX ".sock"

static int refuse(const char *path, const char *why)
{
	char quoted[LOG_QUOTED], reason[LOG_QUOTED];

	log_event(LOG_ERR, "refused", "socket=%s text=%s", log_quote(quoted, path),
		  log_quote(reason, why));
	return -EINVAL;
}

static struct device *device_of(struct broker *broker, const char *path)
{
	const char *name = strrchr(path, '/');
	size_t len;

	name = name ? name + 1 : path;
	len = strlen(name);
	if (len <= strlen(SUFFIX) || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
		return NULL;
	len -= strlen(SUFFIX);
	for (unsigned int i = 0; i < broker->policy.devices; i++)
		if (strlen(broker->policy.device[i].name) == len &&
		    strncmp(broker->policy.device[i].name, name, len) == 0)
			return &broker->device[i];
	return NULL;
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

/*
 * What is accepted inherits it. Set on that itself it would come too late for a HELLO
 * between the two calls: the kernel would not say whose it is.
 */
static int pass_credentials(int fd)
{
	const int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
}

static int inherit(struct broker *broker, int fd)
{
	struct sockaddr_un at = { 0 };
	socklen_t len = sizeof(at) - 1;
	struct device *device;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0 || at.sun_family != AF_UNIX ||
	    option(fd, SO_TYPE) != SOCK_SEQPACKET || option(fd, SO_ACCEPTCONN) != 1)
		return refuse(at.sun_path, "inherited, but no ListenSequentialPacket= of a path");
	device = device_of(broker, at.sun_path);
	if (!device || device->listener >= 0)
		return refuse(at.sun_path, "inherited, but its name is not that of a device of "
					   "the policy, DIR/DEVICE.sock, or it is the second");
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 || pass_credentials(fd) < 0)
		return refuse(at.sun_path, strerror(errno));
	device->listener = fd;
	return 0;
}

/* sd_listen_fds(3) in a few lines. */
static int inherit_all(struct broker *broker)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int count = pid && fds && atol(pid) == getpid() ? atoi(fds) : 0;
	int rc = 0;

	for (int fd = FIRST_FD; fd < FIRST_FD + count && rc == 0; fd++)
		rc = inherit(broker, fd);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return rc;
}

/* Who may write there could put a socket of his own in the place of ours. */
static int check_dir(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return refuse(dir, strerror(errno));
	if ((st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & 0022 && !(st.st_mode & S_ISVTX)))
		return refuse(dir, "others may write there: chmod go-w, and owned by who runs "
				   "the broker");
	return 0;
}

/* What a broker left that was killed: nobody listens there. */
static void remove_stale(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 && errno == ECONNREFUSED)
		unlink(at->sun_path);
	if (fd >= 0)
		close(fd);
}

/* Private to its one user, where the policy does not say otherwise. */
static int give_rights(const struct broker *broker, const struct device *device)
{
	const struct policy_device *line = device->policy;
	uid_t owner = line->owner;

	if (owner == (uid_t)-1 && line->mode == (mode_t)-1 && line->group == (gid_t)-1)
		owner = policy_only_user(&broker->policy, device->index);
	if (chown(device->path, owner == geteuid() ? (uid_t)-1 : owner, line->group) < 0)
		return -errno;
	if (line->mode != (mode_t)-1)
		return chmod(device->path, line->mode) < 0 ? -errno : 0;
	return chmod(device->path, line->group != (gid_t)-1 ? 0660 : 0600) < 0 ? -errno : 0;
}

static int bind_to(struct device *device, const struct sockaddr_un *at)
{
	mode_t before = umask(0177);
	int rc = bind(device->listener, (const struct sockaddr *)at, sizeof(*at));

	rc = rc < 0 ? -errno : 0;
	umask(before);
	return rc;
}

/* Nobody can connect before it listens, and that is after it has its rights. */
static int listen_at(const struct broker *broker, struct device *device, const char *dir)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int n, rc;

	n = snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s%s", dir, device->policy->name,
		     SUFFIX);
	if (n < 0 || (size_t)n >= sizeof(at.sun_path))
		return refuse(dir, "too long for the path of a socket");
	device->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (device->listener < 0)
		return refuse(at.sun_path, strerror(errno));
	remove_stale(&at);
	rc = bind_to(device, &at);
	if (rc < 0)
		return refuse(at.sun_path, rc == -EADDRINUSE ? "another broker listens there, "
							       "or it is no socket"
							     : strerror(-rc));
	memcpy(device->path, at.sun_path, sizeof(device->path));
	rc = give_rights(broker, device);
	if (rc == 0)
		rc = pass_credentials(device->listener);
	if (rc == 0 && listen(device->listener, BACKLOG) < 0)
		rc = -errno;
	return rc < 0 ? refuse(at.sun_path, strerror(-rc)) : 0;
}

int sockets_open(struct broker *broker, const char *dir)
{
	int rc = inherit_all(broker);

	if (rc == 0 && dir)
		rc = check_dir(dir);
	for (unsigned int i = 0; i < broker->policy.devices && rc == 0; i++) {
		struct device *device = &broker->device[i];

		if (device->listener >= 0)
			continue;
		rc = dir ? listen_at(broker, device, dir)
			 : refuse(device->policy->name, "no socket was inherited for it, and "
							"there is no --socket-dir");
	}
	return rc;
}

void socket_close(struct device *device)
{
	if (device->listener >= 0)
		close(device->listener);
	if (device->path[0])
		unlink(device->path);
	device->listener = -1;
	device->path[0] = '\0';
}
