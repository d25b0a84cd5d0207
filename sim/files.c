/* SPDX-License-Identifier: MIT */
/*
 * files.c - the table of open files: who is it, and who is still there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "internal.h"

/* Acquire pairs with vsim_file_new(): with the number, the rest is there. */
struct vsim_file *vsim_file_of(struct vfiosafe_sim *sim, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != sim->pipefs)
		return NULL;
	for (unsigned int i = 0; i < VSIM_FILES; i++) {
		struct vsim_file *file = &sim->file[i];

		if (__atomic_load_n(&file->ino, __ATOMIC_ACQUIRE) == st.st_ino)
			return file;
	}
	return NULL;
}

static struct vsim_file *free_slot(struct vfiosafe_sim *sim)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++)
		if (sim->file[i].kind == VSIM_FILE_NONE)
			return &sim->file[i];
	return NULL;
}

/* Not by assignment: number and kind are looked at without the lock. */
static void fill_slot(struct vsim_file *file, enum vsim_file_kind kind, int hold,
		      uint64_t ino)
{
	__atomic_store_n(&file->kind, kind, __ATOMIC_RELAXED);
	file->hold = hold;
	__atomic_store_n(&file->granted, false, __ATOMIC_RELAXED);
	file->closed = false;
	file->via = NULL;
	file->ioas = NULL;
	__atomic_store_n(&file->ino, ino, __ATOMIC_RELEASE);
}

void vsim_file_adopt(struct vfiosafe_sim *sim)
{
	sim->pipefs = sim->device_stat.st_dev;
	fill_slot(&sim->file[0], VSIM_FILE_DEVICE, -1, sim->device_stat.st_ino);
	__atomic_store_n(&sim->file[0].granted, true, __ATOMIC_RELEASE);
}

/* Acquire pairs with vsim_device_grant(). */
bool vsim_file_granted(const struct vsim_file *file)
{
	return __atomic_load_n(&file->granted, __ATOMIC_ACQUIRE);
}

int vsim_file_new(struct vfiosafe_sim *sim, enum vsim_file_kind kind,
		  struct vsim_file **out)
{
	struct vsim_file *file = free_slot(sim);
	struct stat st;
	int ends[2];

	if (!file)
		return -ENFILE;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (fstat(ends[0], &st) < 0) {
		close(ends[0]);
		close(ends[1]);
		return -EIO;
	}
	fill_slot(file, kind, ends[1], st.st_ino);
	/* Pairs with reap() in table.c: who closes it has been told its number. */
	__atomic_add_fetch(&sim->files_open, 1, __ATOMIC_RELEASE);
	*out = file;
	return ends[0];
}

bool vsim_file_in_use(const struct vfiosafe_sim *sim, enum vsim_file_kind kind)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++) {
		const struct vsim_file *file = &sim->file[i];

		/* a device counts from when it may be used */
		if (file->kind == kind && file->hold >= 0 &&
		    (kind != VSIM_FILE_DEVICE || file->granted))
			return true;
	}
	return false;
}

static bool is_needed(const struct vfiosafe_sim *sim, const struct vsim_file *file)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++)
		if (sim->file[i].kind != VSIM_FILE_NONE && sim->file[i].via == file)
			return true;
	return false;
}

static void end_file(struct vfiosafe_sim *sim, struct vsim_file *file)
{
	bool device = file->kind == VSIM_FILE_DEVICE && file->granted;

	if (file->kind == VSIM_FILE_GROUP)
		vsim_group_closed(sim, file);
	vsim_ioas_end_all(sim, file);
	close(file->hold);
	fill_slot(file, VSIM_FILE_NONE, -1, 0);
	__atomic_sub_fetch(&sim->files_open, 1, __ATOMIC_RELEASE);
	if (device && !vsim_file_in_use(sim, VSIM_FILE_DEVICE))
		vsim_device_closed(sim);
}

/* A mapping of a BAR holds the device, whichever fd it was made by. */
static bool can_end(const struct vfiosafe_sim *sim, const struct vsim_file *file)
{
	if (is_needed(sim, file))
		return false;
	return file->kind != VSIM_FILE_DEVICE || !file->granted ||
	       !vsim_bars_mapped(sim, 0, UINTPTR_MAX);
}

static void note_closed(struct vfiosafe_sim *sim)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++) {
		struct vsim_file *file = &sim->file[i];
		struct pollfd end = { .fd = file->hold };

		if (file->kind == VSIM_FILE_NONE || file->hold < 0 || file->closed)
			continue;
		file->closed = poll(&end, 1, 0) == 1 && (end.revents & POLLERR);
	}
}

/* Devices before the groups and iommufds that they were opened through. */
void vsim_files_reap(struct vfiosafe_sim *sim)
{
	bool again = true;

	note_closed(sim);
	while (again) {
		again = false;
		for (unsigned int i = 0; i < VSIM_FILES; i++) {
			struct vsim_file *file = &sim->file[i];

			if (file->kind == VSIM_FILE_NONE || !file->closed ||
			    !can_end(sim, file))
				continue;
			end_file(sim, file);
			again = true;
		}
	}
}

void vsim_files_close(struct vfiosafe_sim *sim)
{
	for (unsigned int i = 0; i < VSIM_FILES; i++)
		if (sim->file[i].kind != VSIM_FILE_NONE && sim->file[i].hold >= 0)
			close(sim->file[i].hold);
}
