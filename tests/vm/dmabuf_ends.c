/* SPDX-License-Identifier: MIT */
/*
 * Who goes first: exporters and importers closed in each order, buffers revoked. What a
 * dead buffer answers.
 */
#include <pthread.h>
#include <sched.h>

#include "dmabuf_disk.h"

static struct {
	struct disk importer, exporter;
	struct vfiosafe_p2p *map;
	uint64_t iova;
	char **addresses;
	enum vfiosafe_door door;
	int log;

	/* Atomic. */
	int result;
	unsigned int rounds; /* of what goes on while a device is closed */
	bool end;
} here;

static void name(const char *part)
{
	snprintf(check_prefix, sizeof(check_prefix), "ends/%s: %s: ",
		 door_name(here.door), part);
}

/* A page of the drive, where the exporter's BAR is for the importer. */
static bool arrives(unsigned int page)
{
	uint8_t want[PAGE];

	pattern(want, page);
	return disk_read(&here.importer, page, here.iova) == 0 &&
	       differs(&here.exporter.d.view, PAGE, want) == 0;
}

static bool opens(const char *part)
{
	name(part);
	return disk_open(&here.importer, here.addresses[0], here.door) &&
	       disk_open(&here.exporter, here.addresses[1], here.door) &&
	       check(export(&here.exporter.d, PAGE, PAGE) == 0, "a page is exported");
}

static bool opens_mapped(const char *part)
{
	return opens(part) &&
	       check(vfiosafe_p2p_map(&here.map, here.importer.d.dev, here.exporter.d.buf,
				      NULL, &here.iova) == 0 &&
			     arrives(1),
		     "mapped, and a page arrives");
}

static int import(int fd)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts) };

	return vfiosafe_iommu_map_file(here.importer.d.dev, fd, 0, PAGE, &opts,
				       &here.iova);
}

/* Of what the library gave away; type1 has no way to take it. */
static void is_dead(int fd)
{
	int rc = import(fd);

	if (here.door == VFIOSAFE_DOOR_CDEV)
		check(rc == -ENODEV, "a copy of the fd is dead (%d)", rc);
	close(fd);
}

static void address_is_free(void)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts), .fixed = true };
	struct vfiosafe_dma_memory *data = &here.importer.data;
	uint64_t iova = here.iova;

	check(vfiosafe_iommu_map(here.importer.d.dev, data->addr, PAGE, &opts, &iova) ==
			      0 &&
		      vfiosafe_iommu_unmap(here.importer.d.dev, iova, PAGE) == 0,
	      "the address is free");
}

static void the_exporter_first(void)
{
	int copy;

	if (!opens_mapped("the exporter first"))
		return;
	copy = fcntl(vfiosafe_dmabuf_fd(here.exporter.d.buf), F_DUPFD_CLOEXEC, 0);
	disk_close(&here.exporter);
	check(vfiosafe_p2p_state(here.map) == VFIOSAFE_P2P_DEAD, "the map is DEAD");
	check(vfiosafe_p2p_unmap(here.map) == 0, "and is unmapped");
	address_is_free();
	is_dead(copy);
	disk_close(&here.importer);
}

static void the_importer_first(void)
{
	if (!opens_mapped("the importer first"))
		return;
	check(vfiosafe_dmabuf_free(here.exporter.d.buf) == -EBUSY,
	      "a buffer that is mapped is not freed");
	disk_close(&here.importer);
	check(vfiosafe_reset(here.exporter.d.dev, NULL) == 0 &&
		      vfiosafe_dmabuf_free(here.exporter.d.buf) == 0,
	      "the exporter is reset, its buffer freed");
	disk_close(&here.exporter);
}

/* In a section, so that a close comes back with the device GONE and not freed. */
static void *stay(void *arg)
{
	const struct vfiosafe_view *view = arg;
	struct vfiosafe_section section;
	int rc = vfiosafe_begin(view, &section);

	__atomic_store_n(&here.result, rc, __ATOMIC_SEQ_CST);
	while (rc == 0 && !__atomic_load_n(&here.end, __ATOMIC_SEQ_CST))
		sched_yield();
	return (void *)(intptr_t)(rc < 0 ? rc : vfiosafe_end(&section));
}

/* Until it is refused. */
static void *export_and_free(void *arg)
{
	const struct vfiosafe_area page = { 4 * PAGE, PAGE };
	struct vfiosafe_dmabuf *buf;
	int rc = 0;

	(void)arg;
	while (rc == 0) {
		rc = vfiosafe_dmabuf_export(&buf, here.exporter.d.bar, &page, 1, 0);
		if (rc == 0)
			rc = vfiosafe_dmabuf_free(buf);
		__atomic_fetch_add(&here.rounds, 1, __ATOMIC_SEQ_CST);
	}
	return (void *)(intptr_t)rc;
}

static void *map_and_unmap(void *arg)
{
	struct vfiosafe_p2p *map;
	uint64_t iova = 0;
	int rc = 0;

	(void)arg;
	while (rc == 0) {
		rc = vfiosafe_p2p_map(&map, here.importer.d.dev, here.exporter.d.buf, NULL,
				      &iova);
		if (rc == 0)
			rc = vfiosafe_p2p_unmap(map);
		__atomic_fetch_add(&here.rounds, 1, __ATOMIC_SEQ_CST);
	}
	return (void *)(intptr_t)rc;
}

/* Closes @d while @work goes on; what that was told. The device stays, GONE. */
static int close_during(struct device *d, void *(*work)(void *), pthread_t *stayer)
{
	pthread_t worker;
	void *told;
	int rc;

	here.end = false;
	here.result = 1;
	here.rounds = 0;
	pthread_create(stayer, NULL, stay, &d->view);
	while (__atomic_load_n(&here.result, __ATOMIC_SEQ_CST) == 1)
		sched_yield();
	pthread_create(&worker, NULL, work, NULL);
	while (__atomic_load_n(&here.rounds, __ATOMIC_SEQ_CST) < 3)
		sched_yield();
	rc = vfiosafe_device_close(d->dev, 200);
	check(rc == -EBUSY && vfiosafe_device_state(d->dev) == VFIOSAFE_GONE,
	      "a close during it, beside an open section (%d)", rc);
	pthread_join(worker, &told);
	return (int)(intptr_t)told;
}

static void close_at_last(struct disk *disk, pthread_t stayer)
{
	void *told;

	__atomic_store_n(&here.end, true, __ATOMIC_SEQ_CST);
	pthread_join(stayer, &told);
	check((intptr_t)told == -ENODEV, "the section ends with ENODEV (%d)",
	      (int)(intptr_t)told);
	disk_close(disk);
}

static int dead_calls(struct device *d, int want)
{
	static const struct vfiosafe_dmabuf_watch_ops ops = { .size = sizeof(ops) };
	struct vfiosafe_p2p *map;
	uint64_t iova = 0;
	void *address;
	int n = 0;

	n += vfiosafe_dmabuf_fd(d->buf) == want;
	n += vfiosafe_p2p_map(&map, here.importer.d.dev, d->buf, NULL, &iova) == want;
	n += vfiosafe_dmabuf_watch(d->buf, &ops, &here) == want;
	n += vfiosafe_dmabuf_mmap(d->buf, 0, PAGE, &address) == want;
	return n + (vfiosafe_dmabuf_state(d->buf, NULL) == VFIOSAFE_DMABUF_DEAD);
}

static void during_an_export(void)
{
	pthread_t stayer;
	int rc, n;

	if (!opens_mapped("during an export"))
		return;
	rc = close_during(&here.exporter.d, export_and_free, &stayer);
	check(rc == -ENODEV, "after %u exports the next one is told ENODEV (%d)",
	      here.rounds - 1, rc);
	n = dead_calls(&here.exporter.d, -ENODEV);
	check(n == 5, "%d of 5 calls find the buffer dead (ENODEV)", n);
	check(vfiosafe_p2p_state(here.map) == VFIOSAFE_P2P_DEAD &&
		      vfiosafe_p2p_unmap(here.map) == 0,
	      "the map is DEAD, and unmapped");
	address_is_free();
	close_at_last(&here.exporter, stayer);
	disk_close(&here.importer);
}

static void during_a_map(struct disk *disk, const char *part)
{
	struct disk *other = disk == &here.importer ? &here.exporter : &here.importer;
	pthread_t stayer;
	int rc;

	if (!opens(part))
		return;
	rc = close_during(&disk->d, map_and_unmap, &stayer);
	check(rc == -ENODEV, "after %u maps the next one is told ENODEV (%d)",
	      here.rounds - 1, rc);
	close_at_last(disk, stayer);
	disk_close(other);
}

static void revoked(void)
{
	int copy, rc, n;

	if (!opens_mapped("revoked"))
		return;
	copy = fcntl(vfiosafe_dmabuf_fd(here.exporter.d.buf), F_DUPFD_CLOEXEC, 0);
	rc = vfiosafe_dmabuf_revoke(here.exporter.d.buf);
	check(rc == VFIOSAFE_REVOKED_OURS,
	      "with a copy of the fd elsewhere it is one for our maps (%d)", rc);
	check(vfiosafe_p2p_state(here.map) == VFIOSAFE_P2P_DEAD, "the map is DEAD");
	n = dead_calls(&here.exporter.d, -ESTALE);
	check(n == 5, "%d of 5 calls find the buffer dead (ESTALE)", n);
	check(vfiosafe_p2p_unmap(here.map) == 0 &&
		      vfiosafe_dmabuf_free(here.exporter.d.buf) == 0 &&
		      export(&here.exporter.d, PAGE, PAGE) == 0,
	      "unmapped, freed, exported anew");
	if (here.door == VFIOSAFE_DOOR_CDEV)
		check(import(copy) == 0 && arrives(2) &&
			      vfiosafe_iommu_unmap(here.importer.d.dev, here.iova, PAGE) ==
				      0,
		      "who has the copy still reaches the BAR: this kernel has no revoke");
	disk_close(&here.exporter);
	is_dead(copy);
	disk_close(&here.importer);
}

int dmabuf_ends(char **addresses, enum vfiosafe_door door)
{
	unsigned int fds;

	here.addresses = addresses;
	here.door = door;
	here.log = kernel_log();
	fds = open_fds();
	the_exporter_first();
	the_importer_first();
	during_an_export();
	during_a_map(&here.importer, "the importer, during a map");
	during_a_map(&here.exporter, "the exporter, during a map");
	revoked();
	name("at last");
	check(iommu_faults(here.log) == 0, "no IOMMU fault");
	check(open_fds() == fds, "%u fds before, %u after", fds, open_fds());
	return check_failures ? 1 : 0;
}
