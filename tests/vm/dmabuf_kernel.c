/* SPDX-License-Identifier: MIT */
/*
 * What the kernel itself says: each of its refusals, and what becomes of a mapping when
 * the BAR goes away. The library's fake kernel is made after these answers.
 */
#include <sys/mman.h>

#include "dmabuf_rig.h"
#include "uapi.h"

#define IOVA UINT64_C(0x100000)
#define ELSEWHERE UINT64_C(0x200000)
#define BOTH (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)
#define ROOM 100 /* ranges */

static struct {
	int device, iommufd;
	uint32_t ioas;
} raw;

/* What VFIO_DEVICE_FEATURE_DMA_BUF is asked, besides the ranges. */
struct question {
	uint32_t flags, argsz, bar, body_flags, n;
};

/* The fd, or -errno. */
static int feature(struct question question, const struct vfio_region_dma_range *ranges)
{
	union {
		struct vfio_device_feature head;
		uint8_t room[sizeof(struct vfio_device_feature) + 16 +
			     ROOM * sizeof(*ranges)];
	} arg = { .head = { .argsz = question.argsz,
			    .flags = question.flags | VFIO_DEVICE_FEATURE_DMA_BUF } };
	struct vfio_device_feature_dma_buf body = { .region_index = question.bar,
						    .open_flags = O_RDWR | O_CLOEXEC,
						    .flags = question.body_flags,
						    .nr_ranges = question.n };
	size_t n = question.n < ROOM ? question.n : ROOM;
	int rc;

	memcpy(arg.head.data, &body, sizeof(body));
	memcpy(arg.head.data + sizeof(body), ranges, n * sizeof(*ranges));
	rc = ioctl(raw.device, VFIO_DEVICE_FEATURE, &arg);
	return rc < 0 ? -errno : rc;
}

static int ask(uint32_t bar, uint32_t n, const struct vfio_region_dma_range *ranges)
{
	const struct question question = { VFIO_DEVICE_FEATURE_GET,
					   sizeof(struct vfio_device_feature) + 16, bar,
					   0, n };

	return feature(question, ranges);
}

static int ask_one(uint32_t bar, uint64_t offset, uint64_t len)
{
	const struct vfio_region_dma_range range = { offset, len };

	return ask(bar, 1, &range);
}

static int map(int fd, uint64_t start, uint64_t len, uint32_t flags, uint64_t iova)
{
	struct iommu_ioas_map_file arg = { .size = sizeof(arg),
					   .flags = flags | IOMMU_IOAS_MAP_FIXED_IOVA,
					   .ioas_id = raw.ioas,
					   .fd = fd,
					   .start = start,
					   .length = len,
					   .iova = iova };

	return ioctl(raw.iommufd, IOMMU_IOAS_MAP_FILE, &arg) < 0 ? -errno : 0;
}

static int unmap(uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap arg = { .size = sizeof(arg),
					.ioas_id = raw.ioas,
					.iova = iova,
					.length = len };

	return ioctl(raw.iommufd, IOMMU_IOAS_UNMAP, &arg) < 0 ? -errno : 0;
}

static void is(int rc, int want, const char *what)
{
	check(rc == want, "%s: %s (%d)", what, rc < 0 ? strerrorname_np(-rc) : "done",
	      rc < 0 ? rc : 0);
}

static bool is_exported(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void questions_it_refuses(void)
{
	const struct vfio_region_dma_range page = { 0, PAGE };
	struct question ask_well = { VFIO_DEVICE_FEATURE_GET, 24, 0, 0, 1 }, q;

	q = ask_well;
	q.body_flags = 1;
	is(feature(q, &page), -EINVAL, "flags in the body");
	q = ask_well;
	q.argsz = 20;
	is(feature(q, &page), -EINVAL, "too short an argument");
	q = ask_well;
	q.flags = VFIO_DEVICE_FEATURE_SET;
	is(feature(q, &page), -EINVAL, "SET");
	q.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_PROBE;
	is(feature(q, &page), 0, "a probe");
}

static void ranges_it_refuses(uint64_t bar_len)
{
	const struct vfio_region_dma_range huge[ROOM] = { { 0, PAGE }, { 0, 1ull << 63 } };
	int rc;

	is(ask(0, 0, huge), -EINVAL, "no range");
	is(ask_one(0, 0, 0), -EINVAL, "an empty range");
	is(ask_one(0, 16, PAGE), -EINVAL, "an offset inside a page");
	is(ask_one(0, 0, PAGE + 16), -EINVAL, "a length of no whole pages");
	is(ask_one(0, bar_len, PAGE), -EINVAL, "a range beyond the BAR");
	is(ask_one(0, 0, bar_len + PAGE), -EINVAL, "a range that ends beyond it");
	is(ask(0, 2, huge), -EINVAL, "63 bits together");
	rc = ask_one(0, UINT64_MAX - PAGE + 1, PAGE);
	check(rc == -EINVAL || rc == -EOVERFLOW, "a range that wraps: %s",
	      strerrorname_np(-rc));
	rc = ask(0, UINT32_MAX, huge);
	check(rc < 0, "2^32 - 1 ranges: %s", rc < 0 ? strerrorname_np(-rc) : "done");
	is(ask_one(6, 0, PAGE), -ENODEV, "a region that is no BAR");
	is(ask_one(5, 0, PAGE), -ENODEV, "a BAR that is not there");
}

static void what_it_does_not_mind(void)
{
	struct vfio_region_dma_range ranges[ROOM];

	for (unsigned int i = 0; i < ROOM; i++)
		ranges[i] = (struct vfio_region_dma_range){ 2 * i * PAGE, PAGE };
	check(is_exported(ask(0, ROOM, ranges)), "%u ranges are exported", ROOM);
	ranges[1].offset = 0;
	check(is_exported(ask(0, 2, ranges)), "overlapping ones are, too");
}

/* Of other devices: where there is no BAR to be mapped, and where there is one too many. */
static void other_bars(char **addresses, enum vfiosafe_door door)
{
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts), .door = door };
	struct vfiosafe_region region;
	struct vfiosafe_device *dev;
	int rc;

	for (; *addresses; addresses++) {
		if (!check(vfiosafe_device_open(&dev, *addresses, &opts) == 0, "%s opens",
			   *addresses))
			continue;
		raw.device = vfiosafe_device_fd(dev);
		for (uint32_t i = 0; i < 6; i++) {
			if (vfiosafe_region_info(dev, i, &region) < 0 || region.len == 0)
				continue;
			rc = ask_one(i, region.msix_table.offset & ~(PAGE - 1), PAGE);
			if (region.area_count == 0)
				is(rc, -EINVAL, "I/O ports");
			else if (region.len < PAGE)
				is(rc, -EINVAL, "a BAR smaller than a page");
			else if (region.msix_table.len)
				check(is_exported(rc), "the MSI-X table is exported");
			else
				(void)is_exported(rc);
		}
		check(vfiosafe_device_close(dev, 1000) == 0, "%s closes", *addresses);
	}
}

static void maps_it_refuses(int one, int two)
{
	void *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, one, 0);

	printf("# %smmap of a dma-buf: %s\n", check_prefix,
	       at == MAP_FAILED ? strerrorname_np(errno) : "works");
	if (raw.iommufd < 0)
		return;
	is(map(two, 0, 2 * PAGE, BOTH, IOVA), -EOPNOTSUPP, "MAP_FILE of two ranges");
	is(map(one, 0, PAGE, 0, IOVA), -EINVAL, "MAP_FILE without a right");
	is(map(one, PAGE, PAGE, BOTH, IOVA), -EINVAL, "MAP_FILE beyond the end");
	is(map(one, 0, 0, BOTH, IOVA), -EINVAL, "MAP_FILE of nothing");
	is(map(one, 0, PAGE, BOTH, IOVA), 0, "MAP_FILE of one range");
	is(map(one, 0, PAGE, BOTH, IOVA), -EEXIST, "MAP_FILE twice at one place");
	is(unmap(IOVA, PAGE), 0, "unmap");
	is(unmap(IOVA, PAGE), -ENOENT, "unmap again");
}

/* Afterwards the place is taken, and another one can be mapped. */
static void leaves_a_hole(int fd, const char *what)
{
	check(map(fd, 0, PAGE, BOTH, IOVA) == -EEXIST &&
		      map(fd, 0, PAGE, BOTH, ELSEWHERE) == 0,
	      "%s: the old mapping is in the way (EEXIST), a new one elsewhere works", what);
	check(unmap(IOVA, PAGE) == 0 && unmap(ELSEWHERE, PAGE) == 0,
	      "%s: both are unmapped", what);
}

static void what_a_revoke_leaves(struct device *d, int fd)
{
	int off;

	if (raw.iommufd < 0)
		return;
	is(map(fd, 0, PAGE, BOTH, IOVA), 0, "mapped");
	off = vfiosafe_set_decode(d->dev, false, NULL);
	check(off == 0 && map(fd, 0, PAGE, BOTH, ELSEWHERE) == -ENODEV,
	      "decode off: MAP_FILE is ENODEV");
	if (check(vfiosafe_set_decode(d->dev, true, NULL) == 0, "decode is on again"))
		leaves_a_hole(fd, "decode off and on");
}

/* While the feature is there for the guard, it is what the door has. */
static void after_the_last_close(int one)
{
	if (raw.iommufd >= 0)
		is(map(one, 0, PAGE, BOTH, IOVA), -ENODEV, "MAP_FILE after the last close");
}

static void open_ioas(void)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

	raw.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (raw.iommufd < 0)
		return;
	check(ioctl(raw.iommufd, IOMMU_IOAS_ALLOC, &alloc) == 0, "an address space");
	raw.ioas = alloc.out_ioas_id;
}

int dmabuf_kernel(char **addresses, enum vfiosafe_door door)
{
	const struct vfio_region_dma_range parts[] = { { 0, PAGE }, { 4 * PAGE, PAGE } };
	struct device d = { .address = addresses[0] };
	int one, two;

	snprintf(check_prefix, sizeof(check_prefix), "kernel/%s: ", door_name(door));
	if (!device_open(&d, door, 0))
		return 1;
	raw.device = vfiosafe_device_fd(d.dev);
	open_ioas();
	questions_it_refuses();
	ranges_it_refuses(vfiosafe_bar_len(d.bar));
	what_it_does_not_mind();
	one = ask(0, 1, parts);
	two = ask(0, 2, parts);
	check(one >= 0 && two >= 0, "one range, and two, are exported");
	maps_it_refuses(one, two);
	what_a_revoke_leaves(&d, one);
	device_close(&d);
	after_the_last_close(one);
	close(one);
	close(two);
	other_bars(addresses + 1, door);
	close(raw.iommufd);
	return check_failures ? 1 : 0;
}
