/* SPDX-License-Identifier: MIT */
/*
 * share.h - one device, several processes.
 *
 * One process owns the device: it opened it, resets it, and serves others over sockets
 * that the program connected (SOCK_SEQPACKET; socketpair(), or accept() on a path of the
 * program's choice; a socket that is listened on needs SO_PASSCRED, which those that it
 * accepts inherit: else the kernel may not say whose the first message is, and the client
 * is refused). A client joins over its end and gets an ordinary device handle:
 *
 *      owner                                     client
 *      vfiosafe_device_open(&dev, ...)
 *      vfiosafe_share_serve(dev, fd, &grant)     vfiosafe_join(&dev, fd, NULL)
 *      vfiosafe_agent_start(dev)                 vfiosafe_agent_start(dev)
 *                                                vfiosafe_bar_map(&bar, dev, 0, 0, 0, 0)
 *                                                views, sections, accessors: as ever
 *
 * Before a reset each client is asked: its agent (agent.h) closes the device to its
 * process, waits for open sections, runs the quiesce callback, and agrees or refuses with
 * a reason. After the reset its reinit callback runs, and then it may access the device
 * again. A client that dies has agreed. One that does not answer by the deadline makes
 * the window end in -ETIMEDOUT, with its name in the text. In a reset by
 * VFIOSAFE_POLICY_FORCE none may refuse, and one that is late is passed over as its grant
 * says.
 *
 * What a client can do, whatever it does:
 *
 *   by the calls of the owner    what was granted: the owner checks each access. On
 *                                every kernel.
 *   by a dma-buf                 what was granted: the kernel maps nothing else. Where
 *                                it maps dma-bufs of devices.
 *   by the device fd             everything, resets of the device included: for clients
 *                                that are trusted as the owner is
 *
 * and in all three cases: a right to write registers that start DMA reaches all memory
 * that the device reaches: what the program mapped, and what was mapped for each other
 * client of devices in the same IOMMU context (opts.iommu_of). It cannot keep a window
 * open past its deadline, nor speak for another client. Whoever sends what the protocol
 * does not know is disconnected. Both sides need Linux 5.3 (pidfd_open).
 */
#ifndef VFIOSAFE_SHARE_H
#define VFIOSAFE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <vfiosafe/state.h>

VFIOSAFE_BEGIN_DECLS

struct vfiosafe_sys;

/* Of one grant, at most. */
#define VFIOSAFE_GRANT_RANGES 16

/* Of a range. */
#define VFIOSAFE_GRANT_READ (1u << 0)
#define VFIOSAFE_GRANT_WRITE (1u << 1)

struct vfiosafe_grant_range {
	uint32_t bar;	 /* index */
	uint32_t rights; /* VFIOSAFE_GRANT_READ, _WRITE */
	uint64_t offset; /* in bytes from the start of the BAR */
	uint64_t len;	 /* in bytes; 0: to its end */
};

/* Of a client. */
#define VFIOSAFE_GRANT_RESET (1u << 0) /* may ask for resets */
/*
 * Gets the device fd: it then has everything, and its ranges only say what the library
 * lets it do by mistake. Only for clients that are trusted like the owner.
 */
#define VFIOSAFE_GRANT_DEVICE_FD (1u << 1)
/* May be killed by a reset by force, if it holds memory of the device and is late. */
#define VFIOSAFE_GRANT_KILL (1u << 2)
/* Registers by the owner's calls only, though this kernel could map a dma-buf. */
#define VFIOSAFE_GRANT_CALLS_ONLY (1u << 3)
/*
 * May map memory of its own for the device, by vfiosafe_dma_alloc() and
 * vfiosafe_iommu_map_file(): it sends a memfd, the owner maps it, and chooses the
 * address. Pages are pinned, and count for the RLIMIT_MEMLOCK of the owner.
 *
 * When a client ends, however it does, what it has not unmapped stays mapped: the device
 * may still do the DMA that it was told to do, and the address must not be another's
 * meanwhile. See vfiosafe_share_held().
 *
 * The owner takes file descriptors from such a client, and from no other. Who sends one
 * that is no memfd is disconnected, and sys.close_stranger (sys.h) closes it.
 */
#define VFIOSAFE_GRANT_DMA (1u << 4)

/* Of one client with that right, at most, at a time. */
#define VFIOSAFE_GRANT_MAPPINGS 1024

struct vfiosafe_grant {
	size_t size; /* sizeof(struct vfiosafe_grant) */
	uint32_t rights;
	uint32_t range_count;
	const struct vfiosafe_grant_range *ranges; /* copied */
	/* Who it has to be, as the kernel says; 0: anybody who has the socket. */
	pid_t pid;
	bool check_uid;
	uid_t uid;
	/* At least so long between two resets that it asked for; 0: 1,000. */
	uint32_t reset_interval_ms;
	/* In bytes, mapped at a time; more than 0 with VFIOSAFE_GRANT_DMA, 0 without it. */
	uint64_t dma_limit;
	/* The program's own: comes back in VFIOSAFE_EVENT_PEER of this client. */
	uint64_t cookie;
};

/**
 * vfiosafe_share_serve - let a process share the device
 * @dev: a device that this process opened or adopted
 * @socket_fd: a connected socket, SOCK_SEQPACKET; on success it is the library's
 * @grant: what the client may do
 *
 * Returns at once: the client is welcomed by the agent (agent.h) when it says hello,
 * during a window when that is over. What becomes of it is told by
 * VFIOSAFE_EVENT_PEER (event.h).
 *
 * Return: 0; -EINVAL; -ERANGE a range is outside its BAR; -EPERM @dev is itself one that
 * was joined; -EOPNOTSUPP VFIOSAFE_GRANT_DMA, and @dev was adopted from an fd: its IOMMU
 * context is its opener's; -ENODEV; -ENOMEM or another error of the kernel. On failure the
 * socket is still the caller's.
 * Context: any thread, outside of sections and callbacks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_share_serve(struct vfiosafe_device *dev, int socket_fd,
		     const struct vfiosafe_grant *grant);

/** vfiosafe_share_count - clients that have joined and not left; any thread */
VFIOSAFE_API unsigned int vfiosafe_share_count(const struct vfiosafe_device *dev);

/**
 * vfiosafe_share_held - memory of clients that have ended, which waits for a reset
 * @dev: a device that this process serves
 *
 * The next reset that succeeds, by whatever call and of whatever kind, unmaps it, before
 * the reinit callback; so does the close of the device. VFIOSAFE_EVENT_PEER (event.h) says
 * when it is worth to ask. What a client had that was cut off, may have the device mapped
 * and lives on, stays held over resets until that process has ended.
 *
 * Another device in the same IOMMU context (opts.iommu_of) that the client was granted too
 * may have been told to do DMA there: reset that one first.
 *
 * Return: bytes; 0 if nothing is held, and in a forked child.
 * Context: any thread; not signal-safe.
 */
VFIOSAFE_API uint64_t vfiosafe_share_held(const struct vfiosafe_device *dev);

/**
 * vfiosafe_share_ledger_fd - for a process that is to take the device over
 *
 * When an owner dies, its clients get -EOWNERDEAD, but those that have the device mapped
 * can go on to write to it. Who keeps the device fds of an owner (a service manager, a
 * parent) to give them to the next one keeps this too: a file in memory, in which the owner
 * notes itself and each client that may have the device mapped, before it gets that.
 *
 * Return: the fd, the library's: duplicate or send it, do not close it. Not for clients.
 * -EINVAL before the first vfiosafe_share_serve(), or @dev was joined.
 * Context: any thread.
 */
VFIOSAFE_API int vfiosafe_share_ledger_fd(const struct vfiosafe_device *dev);

/**
 * vfiosafe_share_succeed - become the owner after one that has died
 * @dev: from vfiosafe_device_from_fd(), nothing done with it yet
 * @ledger_fd: what vfiosafe_share_ledger_fd() gave to the former owner; stays the caller's
 *
 * The device goes to a generation that the former owner did not reach, and to FAULT:
 * nobody knows in which step that one died. vfiosafe_recover() brings it back, and is
 * refused (-EBUSY; the text names the process), as is each other window, until every
 * process in the ledger has ended. Processes are told apart by number and start time; this
 * process does not count, should it be in it (exec).
 *
 * Return: how many of them have not ended; -EINVAL no ledger; -EBUSY @dev is in use, or the
 * former owner still lets clients in; -EPERM it was joined; -ENODEV; -ENOMEM or another
 * error of the kernel.
 * Context: any thread, outside of sections and callbacks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_share_succeed(struct vfiosafe_device *dev, int ledger_fd);

/* Options; zeroed members mean the default. */
struct vfiosafe_join_opts {
	size_t size;	     /* sizeof(struct vfiosafe_join_opts) */
	const char *name;    /* for messages of the owner; copied, up to 31 characters */
	uint32_t timeout_ms; /* until the owner has answered; 0: 10,000 */
	const struct vfiosafe_sys *sys; /* for tests; NULL: the kernel */
};

/**
 * vfiosafe_join - use a device that another process owns
 * @dev: written on success only; vfiosafe_device_close() leaves
 * @socket_fd: the other end of what the owner serves; on success it is the library's
 * @opts: or NULL
 *
 * The handle is a device as any other, with these differences:
 *
 *   - BARs: vfiosafe_bar_map() of anything within one granted range, else -EPERM; a length
 *     of 0 is to the end of that range. One that is granted for reading only, or by calls,
 *     is not mapped: accessors work, sections have no pointer.
 *   - vfiosafe_reset() and _recover() ask the owner; -EPERM without that right, -EBUSY
 *     before reset_interval_ms has passed (the text says how long).
 *   - vfiosafe_mark_lost() tells the owner, which looks for itself.
 *   - DMA memory with VFIOSAFE_GRANT_DMA, else -EPERM: vfiosafe_dma_alloc() in ordinary
 *     pages, and vfiosafe_iommu_map_file() of a memfd with F_SEAL_SHRINK (of hugetlbfs
 *     too); not opts.fixed, nor vfiosafe_iommu_map(). -EDQUOT: more than the grant allows;
 *     -ENOSPC also: more than VFIOSAFE_GRANT_MAPPINGS. -ETIMEDOUT: the owner did not
 *     answer within 10 s; what it maps then ends with this client. While the owner pins
 *     memory, accesses by its calls wait. What is not unmapped before the close stays
 *     mapped until the next reset.
 *   - Config space, interrupts, power, dma-bufs, plans, sets, the device fd and windows
 *     step by step are the owner's: -EPERM.
 *   - Somebody has to run its agent (agent.h): a client that does not answer is in the
 *     way of every reset. vfiosafe_wait(), vfiosafe_reset() and _recover() do so while
 *     they wait.
 *   - When the owner has ended, everything returns -EOWNERDEAD; -ENODEV if it closed the
 *     device.
 *
 * Return: 0; -EINVAL @socket_fd is no such socket; -EPERM the owner refuses (the text says
 * why); -ETIMEDOUT; -EDEADLK inside a section; -ENODEV in a forked child; -EPROTO or
 * -EPROTONOSUPPORT the other end is not an owner of this version; -EOWNERDEAD it hung
 * up; -ENOMEM or another error of the kernel. On failure the socket is the caller's.
 * Context: any thread, outside of sections; blocks.
 */
VFIOSAFE_API VFIOSAFE_MUST_CHECK int
vfiosafe_join(struct vfiosafe_device **dev, int socket_fd,
	      const struct vfiosafe_join_opts *opts);

VFIOSAFE_END_DECLS

#endif
