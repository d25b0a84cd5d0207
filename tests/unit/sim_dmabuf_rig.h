/* SPDX-License-Identifier: MIT */
/*
 * sim_dmabuf_rig.h - exports of a simulated device by raw ioctls, and a process that is
 * sent their fds and knows nothing else.
 */
#ifndef SIM_DMABUF_RIG_H
#define SIM_DMABUF_RIG_H

#include "sim_iommu_rig.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MAX_PARTS 4u

struct part {
	uint64_t offset;
	uint64_t len;
};

/* As VFIO_DEVICE_FEATURE takes it. */
struct export_arg {
	uint32_t argsz, feature; /* struct vfio_device_feature */
	uint32_t bar;
	uint32_t open_flags;
	uint32_t flags;
	uint32_t count;
	struct part part[MAX_PARTS];
};

static inline struct export_arg export_arg(uint32_t bar, uint64_t offset, uint64_t len)
{
	return (struct export_arg){
		.argsz = sizeof(struct export_arg),
		.feature = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
		.bar = bar,
		.open_flags = O_RDWR | O_CLOEXEC,
		.count = 1,
		.part = { { offset, len } },
	};
}

static inline int export_call(const struct rig *rig, struct export_arg *arg)
{
	return rig_ioctl(rig, VFIO_DEVICE_FEATURE, arg);
}

/* One range of BAR 0. */
static inline int export_range(const struct rig *rig, uint64_t offset, uint64_t len)
{
	struct export_arg arg = export_arg(0, offset, len);
	int fd = export_call(rig, &arg);

	assert_true(fd >= 0);
	return fd;
}

static inline int map_file_at(const struct door *door, int fd, uint64_t start,
			      uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = door->ioas,
		.fd = fd,
		.start = start,
		.length = len,
		.iova = iova,
	};

	return door_ioctl(&door->rig, door->iommu, IOMMU_IOAS_MAP_FILE, &map);
}

static inline int unmap_at(const struct door *door, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = door->ioas, .iova = iova, .length = len
	};

	return door_ioctl(&door->rig, door->iommu, IOMMU_IOAS_UNMAP, &unmap);
}

/* The other process: what it is asked, and what it says. */
struct other_call {
	char what;	 /* 'm'ap the fd that comes along, 'l'oad, 's'tore, 'u'nmap */
	uint64_t offset; /* length, for 'm' and 'u' */
	uint32_t value;
};

struct other_reply {
	int err; /* errno; EFAULT: SIGBUS */
	uint32_t value;
};

struct other {
	pid_t pid;
	int socket;
};

static sigjmp_buf other_jump;

static inline void other_on_sigbus(int number)
{
	siglongjmp(other_jump, number);
}

static inline ssize_t other_receive(int socket, struct other_call *call, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { call, sizeof(*call) };
	struct msghdr msg = { .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n > 0 && CMSG_FIRSTHDR(&msg))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
	return n;
}

static inline struct other_reply other_touch(uint8_t *mem, const struct other_call *call)
{
	volatile uint32_t *word = (volatile uint32_t *)(void *)(mem + call->offset);
	struct other_reply reply = { 0 };

	if (sigsetjmp(other_jump, 1))
		return (struct other_reply){ .err = EFAULT };
	if (call->what == 's')
		*word = call->value;
	else
		reply.value = *word;
	return reply;
}

static inline void other_serve(int socket)
{
	struct other_reply reply;
	struct other_call call;
	void *mem = NULL;
	int fd;

	signal(SIGBUS, other_on_sigbus);
	while (other_receive(socket, &call, &fd) == sizeof(call)) {
		reply = (struct other_reply){ 0 };
		if (call.what == 'm') {
			mem = mmap(NULL, call.offset, PROT_READ | PROT_WRITE, MAP_SHARED,
				   fd, 0);
			reply.err = mem == MAP_FAILED ? errno : 0;
			close(fd);
		} else if (call.what == 'u') {
			munmap(mem, call.offset);
		} else {
			reply = other_touch(mem, &call);
		}
		if (write(socket, &reply, sizeof(reply)) != sizeof(reply))
			break;
	}
	_exit(0);
}

/* To be called before there is a simulated device: the process has none. */
static inline void other_start(struct other *other)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	other->pid = fork();
	assert_true(other->pid >= 0);
	if (other->pid == 0) {
		close(ends[0]);
		other_serve(ends[1]);
	}
	close(ends[1]);
	other->socket = ends[0];
}

static inline void other_end(struct other *other)
{
	int status;

	close(other->socket);
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	assert_int_equal(status, 0);
}

static inline struct other_reply other_ask(const struct other *other,
					   struct other_call call, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec data = { &call, sizeof(call) };
	struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };
	struct other_reply reply = { .err = EPIPE };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	assert_int_equal(sendmsg(other->socket, &msg, MSG_NOSIGNAL), sizeof(call));
	assert_int_equal(read(other->socket, &reply, sizeof(reply)), sizeof(reply));
	return reply;
}

static inline int other_map(const struct other *other, int fd, uint64_t len)
{
	return other_ask(other, (struct other_call){ 'm', len, 0 }, fd).err;
}

static inline struct other_reply other_load(const struct other *other, uint64_t offset)
{
	return other_ask(other, (struct other_call){ 'l', offset, 0 }, -1);
}

static inline int other_store(const struct other *other, uint64_t offset, uint32_t value)
{
	return other_ask(other, (struct other_call){ 's', offset, value }, -1).err;
}

static inline void other_unmap(const struct other *other, uint64_t len)
{
	assert_int_equal(other_ask(other, (struct other_call){ 'u', len, 0 }, -1).err, 0);
}

#endif
