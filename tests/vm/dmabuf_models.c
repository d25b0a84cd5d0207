/* SPDX-License-Identifier: MIT */
/*
 * Each BAR of each model: whole, in parts, in several ranges; and what the library
 * refuses of it, in the words of its own errors.
 */
#include "dmabuf_rig.h"

static struct {
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_region region;
	uint32_t index;
	struct vfiosafe_dmabuf *buf;
} at;

static int ranges(uint32_t n, const struct vfiosafe_area *areas, uint32_t flags)
{
	return vfiosafe_dmabuf_export(&at.buf, at.bar, areas, n, flags);
}

static int range(uint64_t offset, uint64_t len, uint32_t flags)
{
	const struct vfiosafe_area area = { offset, len };

	return ranges(1, &area, flags);
}

static bool frees(void)
{
	return vfiosafe_dmabuf_free(at.buf) == 0;
}

static void one_range(void)
{
	uint64_t generation = 0;
	struct vfiosafe_dmabuf *listed = NULL;
	int rc = range(0, at.region.len, VFIOSAFE_DMABUF_MSIX), flags;

	if (!check(rc == 0, "BAR %u is exported, 0x%llx bytes (%d)", at.index,
		   (unsigned long long)at.region.len, rc))
		return;
	flags = fcntl(vfiosafe_dmabuf_fd(at.buf), F_GETFD);
	check(flags == FD_CLOEXEC && vfiosafe_dmabuf_len(at.buf) == at.region.len &&
		      vfiosafe_dmabuf_state(at.buf, &generation) == VFIOSAFE_DMABUF_OK &&
		      generation == vfiosafe_device_generation(at.dev) &&
		      vfiosafe_dmabuf_list(at.dev, &listed, 1) == 1 && listed == at.buf,
	      "BAR %u: fd with close-on-exec, length, state, generation, list", at.index);
	check(frees() && vfiosafe_dmabuf_list(at.dev, NULL, 0) == 0, "BAR %u: freed",
	      at.index);
}

/* Every second page, from the end of the BAR. */
static void several_ranges(void)
{
	struct vfiosafe_area areas[VFIOSAFE_DMABUF_RANGES + 1];
	uint32_t n = 0;
	int rc;

	while (n <= VFIOSAFE_DMABUF_RANGES && (2 * n + 1) * PAGE <= at.region.len) {
		areas[n] = (struct vfiosafe_area){ at.region.len - (2 * n + 1) * PAGE,
						   PAGE };
		n++;
	}
	if (n > VFIOSAFE_DMABUF_RANGES) {
		rc = ranges(n, areas, VFIOSAFE_DMABUF_MSIX);
		check(rc == -EINVAL, "BAR %u: %u ranges are too many (%d)", at.index, n,
		      rc);
		n--;
	}
	if (n < 2)
		return;
	rc = ranges(n, areas, VFIOSAFE_DMABUF_MSIX);
	check(rc == 0 && vfiosafe_dmabuf_len(at.buf) == n * PAGE && frees(),
	      "BAR %u: %u ranges are exported and freed (%d)", at.index, n, rc);
}

static void refusals(void)
{
	const struct vfiosafe_area twice[] = { { 0, at.region.len }, { 0, PAGE } };
	const struct vfiosafe_area *msix = &at.region.msix_table;
	int rc = ranges(0, twice, 0);

	check(rc == -EINVAL, "BAR %u: no range (%d)", at.index, rc);
	rc = range(0, 0, 0);
	check(rc == -EINVAL, "BAR %u: an empty range (%d)", at.index, rc);
	rc = range(16, PAGE, 0);
	check(rc == -EINVAL && range(0, PAGE + 16, 0) == -EINVAL,
	      "BAR %u: not whole pages (%d)", at.index, rc);
	rc = ranges(2, twice, VFIOSAFE_DMABUF_MSIX);
	check(rc == -EINVAL, "BAR %u: overlapping ranges (%d)", at.index, rc);
	rc = range(at.region.len, PAGE, 0);
	check(rc == -ERANGE && range(0, at.region.len + PAGE, 0) == -ERANGE &&
		      range(PAGE, UINT64_MAX - PAGE + 1, 0) == -ERANGE,
	      "BAR %u: beyond its end (%d)", at.index, rc);
	rc = range(0, PAGE, 0x80);
	check(rc == -EINVAL, "BAR %u: unknown flags (%d)", at.index, rc);
	if (msix->len == 0)
		return;
	rc = range(msix->offset & ~(PAGE - 1), PAGE, 0);
	check(rc == -EINVAL && strstr(vfiosafe_error_text(), "VFIOSAFE_DMABUF_MSIX"),
	      "BAR %u: over the MSI-X table (%d)", at.index, rc);
}

/* I/O ports, and what is smaller than a page. */
static void not_mappable(void)
{
	int rc = range(0, PAGE, 0);

	check(rc == -EOPNOTSUPP, "BAR %u, 0x%llx bytes: %s (%d)", at.index,
	      (unsigned long long)at.region.len, vfiosafe_error_text(), rc);
}

static void each_bar(void)
{
	for (at.index = 0; at.index < 6; at.index++) {
		if (vfiosafe_region_info(at.dev, at.index, &at.region) < 0 ||
		    at.region.len == 0)
			continue;
		if (vfiosafe_bar_map(&at.bar, at.dev, at.index, 0, 0, 0) < 0) {
			check(false, "BAR %u is mapped", at.index);
			continue;
		}
		if (at.region.area_count == 0 || at.region.len < PAGE) {
			not_mappable();
			continue;
		}
		one_range();
		several_ranges();
		refusals();
	}
}

static void mmap_is_tried(void)
{
	void *address = NULL;
	int rc;

	if (vfiosafe_bar_map(&at.bar, at.dev, 0, 0, 0, 0) < 0 || range(0, PAGE, 0) < 0)
		return;
	rc = vfiosafe_dmabuf_mmap(at.buf, 0, PAGE, &address);
	printf("# %smmap of the dma-buf: %d %s\n", check_prefix, rc,
	       rc < 0 ? vfiosafe_error_text() : "works");
	check((rc == 0 && address) || rc == -EOPNOTSUPP,
	      "mmap works, or it is said that it does not");
	rc = vfiosafe_dmabuf_mmap(at.buf, PAGE, PAGE, &address);
	check(rc == -ERANGE, "mmap beyond the end (%d)", rc);
	rc = vfiosafe_dmabuf_revoke(at.buf);
	check(rc == VFIOSAFE_REVOKED_FOR_ALL,
	      "a revoke of what nobody was given is one for all (%d)", rc);
	check(vfiosafe_dmabuf_mmap(at.buf, 0, PAGE, &address) == -ESTALE && frees(),
	      "then mmap is ESTALE");
}

static void one_model(const char *address, enum vfiosafe_door door)
{
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts), .door = door };
	unsigned int fds = open_fds();

	snprintf(check_prefix, sizeof(check_prefix), "models/%s/%s: ", door_name(door),
		 address);
	if (!check(vfiosafe_device_open(&at.dev, address, &opts) == 0, "opens"))
		return;
	each_bar();
	if (vfiosafe_region_info(at.dev, 0, &at.region) == 0 && at.region.area_count > 0)
		mmap_is_tried();
	check(vfiosafe_device_close(at.dev, 1000) == 0, "closes");
	check(open_fds() == fds, "%u fds before, %u after", fds, open_fds());
}

int dmabuf_models(char **addresses, enum vfiosafe_door door)
{
	/* What the library opens once for the process. */
	close(kernel_log());
	for (; *addresses; addresses++)
		one_model(*addresses, door);
	return check_failures ? 1 : 0;
}
