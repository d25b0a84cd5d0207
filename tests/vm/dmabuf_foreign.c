/* SPDX-License-Identifier: MIT */
/*
 * A dma-buf of a BAR, imported by its fd: what the kernel leaves of that after a reset,
 * and what a watch makes of it.
 */
#include "dmabuf_disk.h"
#include "uapi.h"

static struct {
	struct disk importer, exporter;
	uint64_t iova;
	int log;
	unsigned int before, after, gone; /* calls of the watch */
} here;

/* A page of the drive, where the exporter's BAR is for the importer. */
static bool arrives(unsigned int page)
{
	uint8_t want[PAGE];

	pattern(want, page);
	return disk_read(&here.importer, page, here.iova) == 0 &&
	       differs(&here.exporter.d.view, PAGE, want) == 0;
}

static int import(int fd, bool there)
{
	struct vfiosafe_iommu_opts opts = { .size = sizeof(opts), .fixed = there };

	return vfiosafe_iommu_map_file(here.importer.d.dev, fd, 0, PAGE, &opts,
				       &here.iova);
}

static int let_go(void)
{
	return vfiosafe_iommu_unmap(here.importer.d.dev, here.iova, PAGE);
}

static bool reset_and_start(void)
{
	return vfiosafe_reset(here.exporter.d.dev, NULL) == 0 &&
	       disk_start(&here.exporter) == 0;
}

static unsigned int faults_soon(void)
{
	int64_t deadline = vfiosafe_deadline_in_ms(SOON_MS);
	unsigned int n = 0;

	while (n == 0 && vfiosafe_deadline_in_ms(0) < deadline)
		n = iommu_faults(here.log);
	return n;
}

/* Nothing arrives, and that is seen; and begun anew it works. */
static void is_cut(int fd, const char *what)
{
	unsigned int n;

	check(iommu_faults(here.log) == 0 && !arrives(4), "control: after %s nothing arrives",
	      what);
	n = faults_soon();
	check(n > 0, "control: the IOMMU stops it, %u faults in the log", n);
	check(let_go() == 0 && import(fd, true) == 0 && arrives(5),
	      "unmapped and mapped anew, it works");
}

static void nobody_s(int fd)
{
	int rc;

	check(import(fd, false) == 0 && arrives(3), "mapped by its fd, a page arrives");
	check(reset_and_start(), "the exporter is reset");
	is_cut(fd, "a reset");
	check(set_reset_method(&here.exporter.d, "\n"), "it has no reset any more");
	rc = ioctl(vfiosafe_device_fd(here.exporter.d.dev), VFIO_DEVICE_RESET) < 0 ? -errno
										  : 0;
	check(rc == -ENOTTY && set_reset_method(&here.exporter.d, "default\n"),
	      "the kernel refuses one (%d)", rc);
	is_cut(fd, "a reset that was refused");
}

static int before(struct vfiosafe_dmabuf *buf, void *ctx, int64_t deadline)
{
	(void)buf;
	(void)ctx;
	(void)deadline;
	here.before++;
	return let_go();
}

static void after(struct vfiosafe_dmabuf *buf, void *ctx, int result)
{
	(void)ctx;
	if (result == 0 && import(vfiosafe_dmabuf_fd(buf), true) == 0)
		here.after++;
	here.gone += result == -ENODEV;
}

static void watched(struct vfiosafe_dmabuf *buf)
{
	static const struct vfiosafe_dmabuf_watch_ops ops = { .size = sizeof(ops),
							      .before = before,
							      .after = after };
	unsigned int good = 0;

	check(vfiosafe_dmabuf_watch(buf, &ops, &here) == 0, "the buffer is watched");
	for (unsigned int i = 0; i < 10; i++)
		good += reset_and_start() && arrives(i);
	check(good == 10 && here.before == 10 && here.after == 10 &&
		      iommu_faults(here.log) == 0,
	      "%u of 10 resets with a watch: %u times before, %u after, no IOMMU fault",
	      good, here.before, here.after);
}

int dmabuf_foreign(char **addresses, enum vfiosafe_door door)
{
	unsigned int fds;

	snprintf(check_prefix, sizeof(check_prefix), "foreign/%s: ", door_name(door));
	if (door != VFIOSAFE_DOOR_CDEV) {
		printf("skip %stype1 maps no dma-buf\n", check_prefix);
		return 0;
	}
	here.log = kernel_log();
	fds = open_fds();
	if (!disk_open(&here.importer, addresses[0], door) ||
	    !disk_open(&here.exporter, addresses[1], door) ||
	    !check(export(&here.exporter.d, PAGE, PAGE) == 0, "a page is exported"))
		return 1;
	nobody_s(vfiosafe_dmabuf_fd(here.exporter.d.buf));
	watched(here.exporter.d.buf);
	disk_close(&here.exporter);
	check(here.before == 11 && here.gone == 1, "the close ends the watch with ENODEV");
	disk_close(&here.importer);
	check(iommu_faults(here.log) == 0, "no IOMMU fault besides those of the controls");
	check(open_fds() == fds, "%u fds before, %u after", fds, open_fds());
	return check_failures ? 1 : 0;
}
