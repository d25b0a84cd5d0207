/* SPDX-License-Identifier: MIT */
/* Mappings: made for real, and kept in books. A mapping holds its file open. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_parts.h"
#include "sys.h"

static size_t page_up(size_t len)
{
	return (len + FAKE_PAGE - 1) & ~(size_t)(FAKE_PAGE - 1);
}

size_t fake_mapped(struct fake *fake)
{
	size_t bytes = 0;

	for (int i = 0; i < FAKE_MAPS; i++)
		bytes += fake->map[i].len;
	return bytes;
}

static void note_map(struct fake *fake, uintptr_t at, size_t len, struct fake_file *file,
		     uint64_t offset)
{
	struct fake_map *map = fake->map;

	while (map->len > 0)
		map++;
	*map = (struct fake_map){ .at = at, .len = len, .file = file, .offset = offset };
	if (file)
		file->refs++;
}

/* Takes [@from, @to) out of the books; what is left of a map are up to two. */
static void note_unmap(struct fake *fake, uintptr_t from, uintptr_t to)
{
	for (int i = 0; i < FAKE_MAPS; i++) {
		struct fake_map old = fake->map[i];

		if (old.len == 0 || old.at >= to || old.at + old.len <= from)
			continue;
		fake->map[i].len = 0;
		if (old.at < from)
			note_map(fake, old.at, from - old.at, old.file, old.offset);
		if (old.at + old.len > to)
			note_map(fake, to, old.at + old.len - to, old.file,
				 old.offset + (to - old.at));
		fake_file_put(fake, old.file);
	}
}

struct fake_function *fake_bar_mapped(struct fake *fake, uintptr_t at, uint64_t *offset)
{
	for (int i = 0; i < FAKE_MAPS; i++) {
		const struct fake_map *map = &fake->map[i];

		if (map->len == 0 || at < map->at || at - map->at >= map->len || !map->file)
			continue;
		*offset = map->offset + (at - map->at);
		return map->file->fn;
	}
	return NULL;
}

static bool mappable(const struct fake_bar *bar, uint64_t at, size_t len)
{
	if (bar->no_mmap || bar->io_port || at % FAKE_PAGE || at + len > bar->len)
		return false;
	for (unsigned int i = 0; i < bar->area_count; i++)
		if (at >= bar->area[i].offset &&
		    at + len <= bar->area[i].offset + bar->area[i].len)
			return true;
	return bar->area_count == 0;
}

/* As the kernel does: what a number means is looked up once, before anything waits. */
static struct fake_file *file_get(struct fake *fake, int fd)
{
	struct fake_file *file;

	pthread_mutex_lock(&fake->lock);
	file = fake_file_of(fake, fd);
	if (file)
		file->refs++;
	pthread_mutex_unlock(&fake->lock);
	return file;
}

/* Where a piece of a BAR lies in the memfd; -EINVAL if it cannot be mapped. */
static int place_of_bar(const struct fake_file *file, int *fd, uint64_t *offset,
			size_t len, int flags)
{
	uint64_t index = *offset >> 40, at = *offset & (FAKE_REGION(1) - 1);

	if (!file)
		return -EBADF;
	if (!fake_bound(file) || index >= FAKE_BARS || !(flags & MAP_SHARED) ||
	    !mappable(&file->fn->bar[index], at, len))
		return -EINVAL;
	*fd = file->fn->memfd;
	*offset = index * FAKE_BAR_MAX + at;
	return 0;
}

static int fake_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		     uint64_t offset)
{
	struct fake *fake = ctx;
	/* A memfd is the real kernel's. */
	bool fakes = fd >= FAKE_FD0;
	struct fake_file *file = fakes ? file_get(fake, fd) : NULL;
	uint64_t asked = offset;
	int rc = fake_enter(fake, FAKE_MMAP, fd >= 0);

	if (rc == 0 && file && file->buf)
		rc = fake_dmabuf_mmap(fake, file->buf, len, &fd, &offset);
	else if (rc == 0 && fakes)
		rc = place_of_bar(file, &fd, &offset, len, flags);
	if (rc == 0)
		rc = vsf_sys(vfiosafe_sys_default(), mmap, addr, len, prot, flags, fd,
			     offset);
	if (rc == 0) {
		uintptr_t at = (uintptr_t)*addr;

		note_unmap(fake, at, at + page_up(len));
		note_map(fake, at, page_up(len), file, asked);
	}
	fake_file_put(fake, file);
	return fake_leave(fake, rc);
}

/* A failure that is asked for comes after the fact, as with close. */
static int fake_munmap(void *ctx, void *addr, size_t len)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_MUNMAP, FAKE_ANY);
	int real = vsf_sys(vfiosafe_sys_default(), munmap, addr, len);

	if (real == 0)
		note_unmap(fake, (uintptr_t)addr, (uintptr_t)addr + page_up(len));
	else
		fake->misuse = "munmap of what cannot be unmapped";
	return fake_leave(fake, rc < 0 ? rc : real);
}

static int fake_madvise(void *ctx, void *addr, size_t len, int advice)
{
	struct fake *fake = ctx;
	int rc = fake_enter(fake, FAKE_MADVISE, (uint64_t)advice);

	if (rc == 0)
		rc = vsf_sys(vfiosafe_sys_default(), madvise, addr, len, advice);
	for (int i = 0; i < FAKE_MAPS && rc == 0; i++)
		if (fake->map[i].at == (uintptr_t)addr &&
		    fake->map[i].len == page_up(len))
			fake->map[i].dontfork = advice == MADV_DONTFORK;
	return fake_leave(fake, rc);
}

void fake_memory_stop(struct fake *fake)
{
	for (int i = 0; i < FAKE_MAPS; i++)
		if (fake->map[i].len > 0)
			munmap((void *)fake->map[i].at, fake->map[i].len);
}

void fake_memory_install(struct vfiosafe_sys *sys)
{
	sys->mmap = fake_mmap;
	sys->munmap = fake_munmap;
	sys->madvise = fake_madvise;
}
