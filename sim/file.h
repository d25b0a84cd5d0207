/* SPDX-License-Identifier: MIT */
/*
 * file.h - open files of the simulated kernel: devices, iommufds, containers, groups.
 *
 * Each is a pipe. The program has the end to read from, and every duplicate of it is
 * the same file, however and in whichever process it was made. We hold the other
 * end: when it says that nobody reads any more, the last one has been closed.
 */
#ifndef VSIM_FILE_H
#define VSIM_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VSIM_FILES 64

struct vfiosafe_sim;
struct vfiosafe_sim_held;
struct vsim_ioas;

enum vsim_file_kind {
	VSIM_FILE_NONE,
	VSIM_FILE_DEVICE,
	VSIM_FILE_IOMMUFD,
	VSIM_FILE_CONTAINER,
	VSIM_FILE_GROUP,
};

struct vsim_file {
	uint64_t ino; /* atomic, 0: not in use; written last, read first */
	enum vsim_file_kind kind;
	int hold; /* our end; -1: the device fd that the simulation owns */
	/* the rest under sim->lock */
	bool granted;		/* device: may be used (atomic, too) */
	bool closed;		/* nobody has an fd; it lives on for others */
	struct vsim_file *via;	/* device: its iommufd or group; group: its container */
	struct vsim_ioas *ioas; /* container, with a type */
};

/* files.c */
/* the open file behind @fd; NULL: not one of ours */
struct vsim_file *vsim_file_of(struct vfiosafe_sim *sim, int fd);
bool vsim_file_granted(const struct vsim_file *file);
/* the device fd that the simulation owns becomes a file */
void vsim_file_adopt(struct vfiosafe_sim *sim);
/* lock held, also for the next: an fd of a new file, close-on-exec */
int vsim_file_new(struct vfiosafe_sim *sim, enum vsim_file_kind kind,
		  struct vsim_file **out);
/* files that nobody has any more end, and the device with the last one */
void vsim_files_reap(struct vfiosafe_sim *sim);
bool vsim_file_in_use(const struct vfiosafe_sim *sim, enum vsim_file_kind kind);
void vsim_files_close(struct vfiosafe_sim *sim);

/* held.c */
bool vsim_bars_mapped(const struct vfiosafe_sim *sim, uintptr_t from, uintptr_t to);
/* is all of it one mapping of a BAR, and where in which? */
bool vsim_bar_at(const struct vfiosafe_sim *sim, uintptr_t from, uintptr_t to,
		 unsigned int *bar, uint64_t *offset);

/* device_file.c */
int vsim_device_ioctl(struct vfiosafe_sim *sim, struct vsim_file *file,
		      unsigned long request, void *arg);
/* lock held: one more open file of the device may use it */
int vsim_device_grant(struct vfiosafe_sim *sim, struct vsim_file *file,
		      struct vsim_file *via);
/* lock held: the last one is closed */
void vsim_device_closed(struct vfiosafe_sim *sim);

/* group.c; lock held, then not; @arg as the program gave it */
void vsim_group_closed(struct vfiosafe_sim *sim, struct vsim_file *group);
int vsim_group_ioctl(struct vfiosafe_sim *sim, struct vsim_file *group,
		     unsigned long request, void *arg);
int vsim_container_ioctl(struct vfiosafe_sim *sim, struct vsim_file *container,
			 unsigned long request, void *arg);

/* doors.c: -ENOSYS: not a path of ours */
int vsim_door_open(struct vfiosafe_sim *sim, const char *path);
int vsim_door_readlink(struct vfiosafe_sim *sim, const char *path, char *buf, size_t len);
int vsim_door_names(struct vfiosafe_sim *sim, const char *path, uint64_t *position,
		    char *buf, size_t len);

#endif
