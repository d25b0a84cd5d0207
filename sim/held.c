/* SPDX-License-Identifier: MIT */
/*
 * held.c - what programs still hold of the device, by what /proc says: fds and
 * mappings, also those of other processes, which inherited or were sent them.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "dmabuf.h"
#include "internal.h"

/* One line of a file "maps". */
struct map_line {
	uintptr_t start;
	uintptr_t end;
	uint64_t offset;
	dev_t dev;
	uint64_t ino;
};

static bool parse(const char *text, struct map_line *line)
{
	unsigned int high, low;

	if (sscanf(text, "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNx64 " %x:%x %" SCNu64,
		   &line->start, &line->end, &line->offset, &high, &low, &line->ino) != 6)
		return false;
	line->dev = makedev(high, low);
	return true;
}

/*
 * The BAR of a program's mapping, or -1: not our own one, which a forked child has at
 * the same place. Its inode changes under the lock of the exports, too.
 */
static int bar_of(const struct vfiosafe_sim *sim, const struct map_line *line)
{
	for (int i = 0; i < VSIM_BARS; i++) {
		const struct vsim_bar *bar = &sim->bar[i];

		if (bar->fd >= 0 && line->ino == bar->ino && line->dev == bar->dev)
			return line->start != (uintptr_t)bar->mapped ? i : -1;
	}
	return -1;
}

/* How many; @last, if not NULL, is one of them. */
static unsigned int count_maps(const struct vfiosafe_sim *sim, const char *pid,
			       uintptr_t from, uintptr_t to, struct map_line *last)
{
	struct map_line line;
	unsigned int count = 0;
	char path[64];
	char text[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%.16s/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return 0;
	while (fgets(text, sizeof(text), maps)) {
		if (!parse(text, &line) || line.start >= to || from >= line.end ||
		    bar_of(sim, &line) < 0)
			continue;
		count++;
		if (last)
			*last = line;
	}
	fclose(maps);
	return count;
}

bool vsim_bars_mapped(const struct vfiosafe_sim *sim, uintptr_t from, uintptr_t to)
{
	return count_maps(sim, "self", from, to, NULL) > 0;
}

bool vsim_bar_at(const struct vfiosafe_sim *sim, uintptr_t from, uintptr_t to,
		 unsigned int *bar, uint64_t *offset)
{
	struct map_line line;

	if (count_maps(sim, "self", from, to, &line) != 1 || from < line.start ||
	    to > line.end)
		return false;
	*bar = (unsigned int)bar_of(sim, &line);
	*offset = line.offset + (from - line.start);
	return true;
}

static bool is_device(const struct vfiosafe_sim *sim, uint64_t ino, int fd)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++) {
		const struct vsim_file *file = &sim->file[i];

		if (file->kind != VSIM_FILE_DEVICE || file->ino != ino)
			continue;
		/* our own numbers, which a forked child has too */
		return fd != file->hold && (file->hold >= 0 || fd != sim->device_fd);
	}
	return false;
}

static unsigned int count_fds(const struct vfiosafe_sim *sim, const char *pid)
{
	unsigned int count = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		char target[64];
		uint64_t ino;
		ssize_t len =
			readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[len < 0 ? 0 : len] = '\0';
		if (sscanf(target, "pipe:[%" SCNu64 "]", &ino) == 1)
			count += is_device(sim, ino, atoi(entry->d_name));
	}
	closedir(dir);
	return count;
}

/* Processes of others cannot be looked into, and cannot hold anything of ours. */
VFIOSAFE_API void vfiosafe_sim_held(struct vfiosafe_sim *sim,
				    struct vfiosafe_sim_held *held)
{
	struct vfiosafe_sim_held now = { 0 };
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	pthread_mutex_lock(&sim->lock);
	vsim_files_reap(sim);
	while (dir && (entry = readdir(dir))) {
		if (atoi(entry->d_name) <= 0)
			continue;
		now.fds += count_fds(sim, entry->d_name);
		now.mappings += count_maps(sim, entry->d_name, 0, UINTPTR_MAX, NULL);
	}
	now.iovas = vsim_iovas(sim);
	now.dmabufs = vsim_dmabufs_of(sim);
	pthread_mutex_unlock(&sim->lock);
	if (dir)
		closedir(dir);
	*held = now;
}
