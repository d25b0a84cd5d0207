/* SPDX-License-Identifier: MIT */
/*
 * bars.c - BARs that are away: memory decode off, D3hot, low power.
 *
 * The file behind a BAR is cut to nothing, so that the kernel raises SIGBUS for
 * every touch of a mapping of it. The registers live on in memory aside. Nothing
 * else may reach for bar->mapped meanwhile: the simulation would fault as well.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "internal.h"
#include "memory.h"
#include "peers.h"

/* Not memcpy: a thread sanitizer would see the device. Whole 64-bit words. */
static VSIM_HARDWARE void copy_words(uint8_t *to, const uint8_t *from, uint64_t len)
{
	for (uint64_t at = 0; at < len; at += 8)
		vsim_set64((uint64_t *)(void *)(to + at),
			   vsim_get64((const uint64_t *)(const void *)(from + at)));
}

/*
 * A store that does not fault must not be lost. So the pages are put into a pipe
 * before they are taken out of the file, and read when nobody can reach them any
 * more. What the pipe did not take (limits) is as it was just before.
 */
static void take_away(const struct vfiosafe_sim *sim, struct vsim_bar *bar, uint64_t len)
{
	struct iovec pages = { .iov_base = bar->mapped, .iov_len = len };
	ssize_t held;

	copy_words(bar->aside, bar->mapped, len);
	held = vmsplice(sim->pipe[1], &pages, 1, SPLICE_F_NONBLOCK);
	if (ftruncate(bar->fd, 0) < 0)
		return;
	for (ssize_t done = 0, n = 1; done < held && n > 0; done += n)
		n = read(sim->pipe[0], bar->aside + done, (size_t)(held - done));
	bar->mem = bar->aside;
}

/* The file grows behind what is written to it: no page shows anything else. */
static bool bring_back(struct vsim_bar *bar, uint64_t len)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pwrite(bar->fd, bar->aside + done, len - done, (off_t)done);

		if (n <= 0)
			return false;
		done += (uint64_t)n;
	}
	bar->mem = bar->mapped;
	return true;
}

/* Other devices reach for what is there, under that lock. */
static bool move(const struct vfiosafe_sim *sim, struct vsim_bar *bar, uint64_t len,
		 bool away)
{
	bool done = true;

	pthread_mutex_lock(&vsim_peers.lock);
	if (away)
		take_away(sim, bar, len);
	else
		done = bring_back(bar, len);
	pthread_mutex_unlock(&vsim_peers.lock);
	return done;
}

void vsim_bars_update(struct vfiosafe_sim *sim)
{
	bool away = sim->low_power || sim->window_faults || !vsim_config_memory_on(sim);

	for (int i = 0; i < VSIM_BARS; i++) {
		struct vsim_bar *bar = &sim->bar[i];
		uint64_t len = sim->model->bar[i].len;

		if (!bar->mapped || away == (bar->mem == bar->aside))
			continue;
		if (move(sim, bar, len, away) && !away)
			vsim_stall_refresh(&sim->stall);
	}
}

/* The old file stays empty: who has it gets SIGBUS for ever. */
static void renew(struct vsim_bar *bar)
{
	int fd = memfd_create("vfiosafe-sim-bar", MFD_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && dup3(fd, bar->fd, O_CLOEXEC) >= 0) {
		bar->dev = st.st_dev;
		bar->ino = st.st_ino;
	}
	close(fd);
}

void vsim_bars_renew(struct vfiosafe_sim *sim)
{
	for (int i = 0; i < VSIM_BARS; i++) {
		struct vsim_bar *bar = &sim->bar[i];
		uint64_t len = sim->model->bar[i].len;

		if (!bar->mapped)
			continue;
		if (bar->mem == bar->mapped)
			(void)move(sim, bar, len, true);
		pthread_mutex_lock(&vsim_peers.lock);
		renew(bar);
		pthread_mutex_unlock(&vsim_peers.lock);
		(void)mmap(bar->mapped, len, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, bar->fd, 0);
	}
}
