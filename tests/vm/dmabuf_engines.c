/* SPDX-License-Identifier: MIT */
/*
 * DMA engines of one device write into the BAR of another: which pairs work here, and the
 * bytes. Each BAR is read by its own device's guard.
 */
#include "dmabuf_disk.h"
#include "dmabuf_edu.h"

static struct {
	struct device edu, display;
	struct disk disk[2];
	int log;
} here;

/* What is at @offset of the exporter's BAR. */
static void show(const char *what, const struct device *exporter, uint64_t offset)
{
	uint8_t bytes[16] = { 0 };
	int rc = vfiosafe_copy_from(&exporter->view, offset, bytes, sizeof(bytes), 8);

	printf("# %s%s, bytes of the BAR at 0x%llx:", check_prefix, what,
	       (unsigned long long)offset);
	for (unsigned int i = 0; i < sizeof(bytes) && rc == 0; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
}

static bool maps(struct vfiosafe_p2p **map, struct vfiosafe_device *importer,
		 struct device *exporter, const char *what, uint64_t *iova)
{
	struct vfiosafe_iommu_opts opts = edu_opts();

	return check(export(exporter, 4 * PAGE, 2 * PAGE) == 0 &&
			     vfiosafe_p2p_map(map, importer, exporter->buf, &opts, iova) == 0,
		     "%s: two pages are exported and mapped", what);
}

static void done(struct vfiosafe_p2p *map, struct device *exporter, const char *what)
{
	check(vfiosafe_p2p_unmap(map) == 0 && vfiosafe_dmabuf_free(exporter->buf) == 0 &&
		      iommu_faults(here.log) == 0,
	      "%s: unmapped and freed, no IOMMU fault", what);
}

/* The second page of the buffer is written, those around it are not. */
static void arrives(struct device *exporter, const uint8_t *want, bool written,
		    const char *what)
{
	static const uint8_t zeros[PAGE];
	int wrong = differs(&exporter->view, 5 * PAGE, want);
	int before = differs(&exporter->view, 4 * PAGE, zeros);
	int after = differs(&exporter->view, 6 * PAGE, zeros);

	show(what, exporter, 5 * PAGE);
	check(written && wrong == 0 && before == 0 && after == 0,
	      "%s: a page is written, %d wrong bytes, %d and %d beside it", what, wrong,
	      before, after);
}

static bool clear(struct device *exporter)
{
	static const uint64_t zeros[3 * PAGE / 8];

	return vfiosafe_copy_to(&exporter->view, 4 * PAGE, zeros, sizeof(zeros), 8) == 0;
}

static void edu_into(struct device *exporter, const char *what)
{
	struct vfiosafe_dma_memory from;
	struct vfiosafe_p2p *map;
	uint64_t iova = 0;
	bool good;

	if (!clear(exporter) || !maps(&map, here.edu.dev, exporter, what, &iova))
		return;
	good = vfiosafe_dma_alloc(&from, here.edu.dev, PAGE, 0) == 0;
	if (good)
		pattern(from.addr, 77);
	good = good && edu_moves(&here.edu, from.iova, iova + PAGE, PAGE);
	arrives(exporter, from.addr, good, what);
	memset(from.addr, 0, PAGE);
	good = edu_moves(&here.edu, iova + PAGE, from.iova, PAGE);
	check(good && differs(&exporter->view, 5 * PAGE, from.addr) == 0,
	      "%s: and read back by the engine", what);
	check(vfiosafe_dma_free(&from) == 0, "%s: memory is freed", what);
	done(map, exporter, what);
}

static void disk_into(struct disk *disk, struct device *exporter, const char *what)
{
	struct vfiosafe_p2p *map;
	uint64_t iova = 0;
	uint8_t want[PAGE];

	pattern(want, 9);
	if (!clear(exporter) || !maps(&map, disk->d.dev, exporter, what, &iova))
		return;
	arrives(exporter, want, disk_read(disk, 9, iova + PAGE) == 0, what);
	done(map, exporter, what);
}

/* An exporter that imports its own BAR: one register of it, four bytes. */
static void edu_into_itself(void)
{
	static const char what[] = "edu to its own register";
	struct vfiosafe_iommu_opts opts = edu_opts();
	struct vfiosafe_dma_memory from;
	struct vfiosafe_p2p *map;
	uint64_t iova = 0;
	uint32_t seen = 0;
	bool good;

	if (vfiosafe_dma_alloc(&from, here.edu.dev, PAGE, 0) < 0 ||
	    export(&here.edu, 0, PAGE) < 0 ||
	    vfiosafe_p2p_map(&map, here.edu.dev, here.edu.buf, &opts, &iova) < 0) {
		check(false, "%s: exported and mapped", what);
		return;
	}
	*(uint32_t *)from.addr = 0x12345678;
	good = edu_moves(&here.edu, from.iova, iova + EDU_INVERTER, 4);
	good = vfiosafe_read32(&here.edu.view, EDU_INVERTER, &seen) == 0 && good;
	check(good && seen == ~UINT32_C(0x12345678),
	      "%s: the inverse of 0x12345678 is 0x%08x", what, seen);
	check(vfiosafe_dma_free(&from) == 0, "%s: memory is freed", what);
	done(map, &here.edu, what);
}

/* Ranges in another order than in the BAR lie one behind the other for the importer. */
static void several_ranges(void)
{
	static const char what[] = "disk to three ranges of a frame buffer";
	const struct vfiosafe_area ranges[] = {
		{ 64 * PAGE, PAGE }, { 16 * PAGE, 3 * PAGE }, { 40 * PAGE, PAGE }
	};
	const uint64_t at[] = { 64, 16, 17, 18, 40 };
	struct vfiosafe_p2p *map;
	uint64_t iova = 0;
	uint8_t want[PAGE];
	int wrong = 0, rc;

	rc = vfiosafe_dmabuf_export(&here.display.buf, here.display.bar, ranges, 3, 0);
	if (rc == 0)
		rc = vfiosafe_p2p_map(&map, here.disk[0].d.dev, here.display.buf, NULL,
				      &iova);
	if (!check(rc == 0 && vfiosafe_p2p_len(map) == 5 * PAGE, "%s: mapped", what))
		return;
	for (unsigned int i = 0; i < 5; i++) {
		pattern(want, i);
		rc = disk_read(&here.disk[0], i, iova + i * PAGE);
		wrong += rc != 0 || differs(&here.display.view, at[i] * PAGE, want) != 0;
	}
	check(wrong == 0, "%s: %d of 5 pages are wrong", what, wrong);
	done(map, &here.display, what);
}

/* For all of the above: a fault would be seen. */
static void a_fault_is_seen(void)
{
	struct vfiosafe_dma_memory from;
	struct vfiosafe_p2p *map;
	int64_t deadline = vfiosafe_deadline_in_ms(SOON_MS);
	uint64_t iova = 0;
	unsigned int seen = 0;

	if (!maps(&map, here.edu.dev, &here.display, "control", &iova) ||
	    vfiosafe_dma_alloc(&from, here.edu.dev, PAGE, 0) < 0)
		return;
	done(map, &here.display, "control");
	pattern(from.addr, 3);
	check(edu_moves(&here.edu, from.iova, iova, PAGE), "control: DMA to where it was");
	while (seen == 0 && vfiosafe_deadline_in_ms(0) < deadline)
		seen = iommu_faults(here.log);
	check(seen > 0 && differs(&here.display.view, 4 * PAGE, from.addr) > 0,
	      "control: the IOMMU stops it (%u faults in the log), nothing arrives", seen);
	check(vfiosafe_dma_free(&from) == 0, "control: memory is freed");
}

static void all_pairs(void)
{
	edu_into(&here.display, "edu to a frame buffer");
	edu_into(&here.disk[0].d, "edu to a disk's CMB");
	edu_into_itself();
	disk_into(&here.disk[0], &here.display, "disk to a frame buffer");
	disk_into(&here.disk[0], &here.disk[1].d, "disk to another disk's CMB");
	disk_into(&here.disk[1], &here.disk[0].d, "and the other way");
	disk_into(&here.disk[0], &here.disk[0].d, "disk to its own CMB");
	several_ranges();
	a_fault_is_seen();
}

int dmabuf_engines(char **addresses, enum vfiosafe_door door)
{
	unsigned int fds;

	snprintf(check_prefix, sizeof(check_prefix), "engines/%s: ", door_name(door));
	here.log = kernel_log();
	fds = open_fds();
	here.edu.address = addresses[0];
	here.display.address = addresses[1];
	if (!device_open(&here.edu, door, 0) || !device_open(&here.display, door, 0) ||
	    !disk_open(&here.disk[0], addresses[2], door) ||
	    !disk_open(&here.disk[1], addresses[3], door))
		return 1;
	if (check(vfiosafe_set_bus_master(here.edu.dev, true) == 0, "edu may do DMA"))
		all_pairs();
	disk_close(&here.disk[1]);
	disk_close(&here.disk[0]);
	device_close(&here.display);
	device_close(&here.edu);
	check(open_fds() == fds, "%u fds before, %u after", fds, open_fds());
	close(here.log);
	return check_failures ? 1 : 0;
}
