/* SPDX-License-Identifier: MIT */
/*
 * The only code that runs in signal context. Its release object may need nothing
 * but async-signal-safe functions: a test reads its undefined symbols.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vfiosafe/fault.h>

#include "fault.h"
#include "generation.h"

struct vsf_fault_block vsf_fault_first;
uint32_t vsf_fault_inside;
struct sigaction vsf_sigbus_before[VSF_SIGBUS_LEVELS];

/* *@start: read once, before unmap can clear it. */
static struct vsf_fault_range *find(uintptr_t address, uintptr_t *found)
{
	struct vsf_fault_block *block = &vsf_fault_first;

	for (; block; block = __atomic_load_n(&block->next, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < VSF_FAULT_BLOCK; i++) {
			struct vsf_fault_range *range = &block->range[i];
			/* Acquire: the rest of the range. Full: (1) against (A). */
			uintptr_t start = __atomic_load_n(&range->start, __ATOMIC_SEQ_CST);

			if (start && address >= start && address - start < range->len) {
				*found = start;
				return range;
			}
		}
	}
	return NULL;
}

static void *map_over(void *at, size_t len, int fd)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_FIXED;

#ifdef __SANITIZE_THREAD__
	/* It takes mmap() for a write to memory that others are reading: hidden. */
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, 0);
#else
	return mmap(at, len, prot, flags, fd, 0);
#endif
}

int vsf_fault_replace(struct vsf_fault_range *range, uintptr_t from, size_t len)
{
	if (map_over((void *)from, len, range->ones_fd) == MAP_FAILED)
		return -errno;
	/*
	 * As the BAR was: a forked child's close does not know what is there. One forked
	 * just before this keeps a chunk of ones, by which it reaches no device.
	 */
	(void)madvise((void *)from, len, MADV_DONTFORK);
	return 0;
}

/* Of a client also while sections end, or its driver is let through. */
static bool is_open(uint64_t gate)
{
	enum vfiosafe_state state = vsf_word_state(gate);

	return state == VFIOSAFE_LIVE || state == VFIOSAFE_QUIESCE ||
	       state == VFIOSAFE_REINIT;
}

/* To FAULT; whatever else it says stays. True if this fault closed it. */
static bool close_gate(uint64_t *gate)
{
	uint64_t old = __atomic_load_n(gate, __ATOMIC_RELAXED);

	while (is_open(old))
		if (__atomic_compare_exchange_n(gate, &old,
						vsf_word(vsf_word_generation(old),
							 VFIOSAFE_FAULT),
						false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			return true;
	return false;
}

static void tell(int event_fd)
{
	const uint64_t one = 1;
	ssize_t n = write(event_fd, &one, sizeof(one));

	(void)n; /* full means that it was told already */
}

/*
 * The gate before the memory: who runs on over the ones must find it closed at its
 * end. The mark before the gate: if a window opens the gate in between, it finds
 * the mark before it says LIVE.
 */
static int repair(struct vsf_fault_range *range, uintptr_t start, uintptr_t address)
{
	uintptr_t from = start + (address - start) / range->chunk * range->chunk;
	size_t len = range->chunk;
	bool closed;

	/* Being mapped back right now: let the access try again. */
	if (__atomic_load_n(&range->map_seq, __ATOMIC_SEQ_CST) & 1)
		return 0;
	if (len > range->len - (from - start))
		len = range->len - (from - start);
	__atomic_store_n(&range->poisoned, 1, __ATOMIC_SEQ_CST);
	closed = close_gate(range->gate);
	if (vsf_fault_replace(range, from, len) < 0)
		return -1;
	if (closed)
		tell(range->event_fd);
	return 0;
}

VFIOSAFE_API int vfiosafe_sigbus_handle(int sig, void *siginfo, void *context)
{
	const siginfo_t *info = siginfo;
	struct vsf_fault_range *range;
	int saved = errno, handled = 0;
	uintptr_t start = 0;

	(void)context;
	if (sig != SIGBUS || info->si_code != BUS_ADRERR)
		return 0;
	__atomic_fetch_add(&vsf_fault_inside, 1, __ATOMIC_SEQ_CST); /* (1) */
	range = find((uintptr_t)info->si_addr, &start);
	if (range && repair(range, start, (uintptr_t)info->si_addr) == 0)
		handled = 1;
	__atomic_fetch_sub(&vsf_fault_inside, 1, __ATOMIC_RELEASE); /* (4) */
	errno = saved;
	return handled;
}

/* A fault comes back when the handler returns; kill() and a broken page do not. */
static bool comes_back(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

/* Dies of this signal as if we had never been: default, and again. */
static void die_of(int sig, const siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	sigaction(sig, &dfl, NULL);
	if (!comes_back(info))
		raise(sig);
}

/* Calls the former handler under the mask that it asked for. */
static void call_before(const struct sigaction *before, int sig, siginfo_t *info,
			void *context)
{
	sigset_t bus, old;

	sigemptyset(&bus);
	sigaddset(&bus, sig);
	pthread_sigmask(before->sa_flags & SA_NODEFER ? SIG_UNBLOCK : SIG_BLOCK, &bus, &old);
	/* After that: its mask may name the signal in spite of SA_NODEFER. */
	pthread_sigmask(SIG_BLOCK, &before->sa_mask, NULL);
	if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(sig, info, context);
	else
		before->sa_handler(sig);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool is_plain(const struct sigaction *action, void (*handler)(int))
{
	return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == handler;
}

/* Eight bytes: the kernel reads the set before it refuses the nonsense. */
static bool is_readable(const void *p)
{
	return syscall(SYS_rt_sigprocmask, ~0, p, NULL, 8) == 0 || errno != EFAULT;
}

/*
 * DPDK calls what was there before it with one argument (it compares sa_flags with
 * SA_SIGINFO, and they come back with SA_RESTORER): ours are what the registers held.
 */
__attribute__((no_sanitize_address)) static bool is_sound(int sig, const siginfo_t *info)
{
	int saved = errno;
	bool readable = info && (uintptr_t)info % _Alignof(siginfo_t) == 0 &&
			is_readable(info) && is_readable(&info->si_addr);

	errno = saved;
	return readable && info->si_signo == sig;
}

static void pass_on(struct sigaction *level, int sig, siginfo_t *info, void *context)
{
	struct sigaction before = *level;

	/* The kernel does not let a fault be ignored, the others it does. */
	if (is_plain(&before, SIG_IGN) && !comes_back(info))
		return;
	if (is_plain(&before, SIG_DFL) || is_plain(&before, SIG_IGN)) {
		die_of(sig, info);
		return;
	}
	if (before.sa_flags & SA_RESETHAND) {
		level->sa_flags &= ~SA_SIGINFO;
		level->sa_handler = SIG_DFL;
	}
	call_before(&before, sig, info, context);
}

static void handler(struct sigaction *level, int sig, siginfo_t *info, void *context)
{
	siginfo_t unknown = { .si_signo = sig, .si_code = SI_KERNEL };

	if (!is_sound(sig, info))
		pass_on(level, sig, &unknown, NULL);
	else if (!vfiosafe_sigbus_handle(sig, info, context))
		pass_on(level, sig, info, context);
}

void vsf_sigbus_handler(int sig, siginfo_t *info, void *context)
{
	handler(&vsf_sigbus_before[0], sig, info, context);
}

void vsf_sigbus_handler_again(int sig, siginfo_t *info, void *context)
{
	handler(&vsf_sigbus_before[1], sig, info, context);
}
