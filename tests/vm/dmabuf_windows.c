/* SPDX-License-Identifier: MIT */
/*
 * Windows of exporters and importers while DMA goes on between them: the map comes back
 * at the same address, no byte is wrong, and the IOMMU has nothing to stop.
 */
#include "dmabuf_side.h"

#define READS 10 /* to be seen after each window */

static struct {
	struct side a, b; /* a imports from b; then also b from a */
	int log;
	enum vfiosafe_door door;
	uint64_t first_iova;
} two;

static bool stands(const struct side *side)
{
	return vfiosafe_p2p_state(side->map) == VFIOSAFE_P2P_MAPPED &&
	       vfiosafe_p2p_iova(side->map) == side->iova;
}

static bool is_away(void)
{
	return vfiosafe_p2p_state(two.a.map) == VFIOSAFE_P2P_AWAY &&
	       vfiosafe_dmabuf_state(two.b.disk.d.buf, NULL) == VFIOSAFE_DMABUF_REVOKED;
}

static bool is_back(void)
{
	return stands(&two.a) && side_reads(&two.a, READS) &&
	       vfiosafe_dmabuf_state(two.b.disk.d.buf, NULL) == VFIOSAFE_DMABUF_OK;
}

static void no_harm(const char *what)
{
	unsigned int faults = iommu_faults(two.log);

	check(two.a.wrong == 0 && two.b.wrong == 0 && two.a.failed == 0 &&
		      two.b.failed == 0 && faults == 0,
	      "%s: %lu + %lu pages seen, %lu + %lu wrong bytes, %lu + %lu failed commands, "
	      "%u IOMMU faults",
	      what, two.a.reads, two.b.reads, two.a.wrong, two.b.wrong, two.a.failed,
	      two.b.failed, faults);
}

static void resets_of(struct side *side, unsigned int rounds, const char *what)
{
	unsigned int good = 0, stops = two.a.stops, starts = two.a.starts;
	uint64_t generation = vfiosafe_device_generation(two.a.disk.d.dev);

	for (unsigned int i = 0; i < rounds; i++)
		good += vfiosafe_reset(side->disk.d.dev, NULL) == 0 && is_back();
	check(good == rounds && two.a.starts - starts == rounds,
	      "%u of %u resets of %s: mapped at 0x%llx again, DMA goes on (%u times started)",
	      good, rounds, what, (unsigned long long)two.a.iova, two.a.starts - starts);
	if (side == &two.b)
		check(two.a.stops - stops == rounds &&
			      vfiosafe_device_generation(two.a.disk.d.dev) == generation,
		      "%u times the importer was asked to stop, its generation is %llu as "
		      "before",
		      two.a.stops - stops, (unsigned long long)generation);
	no_harm(what);
}

static void parked(int (*sleep)(void), int (*wake)(void), const char *what)
{
	struct vfiosafe_dmabuf *other = NULL;
	struct vfiosafe_p2p *map = NULL;
	const struct vfiosafe_area page = { 0, PAGE };
	uint64_t iova = 0;

	check(sleep() == 0 && is_away(), "%s: the buffer is revoked, the map is away",
	      what);
	check(vfiosafe_dmabuf_export(&other, two.b.disk.d.bar, &page, 1, 0) == -EAGAIN &&
		      vfiosafe_p2p_map(&map, two.a.disk.d.dev, two.b.disk.d.buf, NULL,
				       &iova) == -EAGAIN,
	      "%s: no export and no map meanwhile (EAGAIN)", what);
	check(wake() == 0 && is_back(), "%s: back at the same address, DMA goes on", what);
	no_harm(what);
}

static int decode_off(void)
{
	return vfiosafe_set_decode(two.b.disk.d.dev, false, NULL);
}

static int decode_on(void)
{
	return vfiosafe_set_decode(two.b.disk.d.dev, true, NULL);
}

static int to_d3hot(void)
{
	return vfiosafe_set_power(two.b.disk.d.dev, VFIOSAFE_D3HOT, NULL);
}

static int to_d0(void)
{
	return vfiosafe_set_power(two.b.disk.d.dev, VFIOSAFE_D0, NULL);
}

static int to_low_power(void)
{
	return vfiosafe_low_power_enter(two.b.disk.d.dev, false, NULL);
}

static int from_low_power(void)
{
	return vfiosafe_low_power_exit(two.b.disk.d.dev, NULL);
}

static void empty_in_stop(struct side *side)
{
	check(set_reset_method(&side->other->disk.d, "\n"), "its last reset method goes");
}

/* The kernel revokes the buffer before it finds that there is no way to reset. */
static void a_reset_that_fails(void)
{
	int rc;

	two.a.in_stop = empty_in_stop;
	rc = vfiosafe_reset(two.b.disk.d.dev, NULL);
	check(rc == -EIO && is_away(),
	      "a reset that fails (ENOTTY): FAULT, the map is away (%d)", rc);
	check(set_reset_method(&two.b.disk.d, "default\n") &&
		      vfiosafe_recover(two.b.disk.d.dev, NULL) == 0 && is_back(),
	      "the recovery from it brings the map back");
	check(vfiosafe_mark_lost(two.b.disk.d.dev, "for the test") == 0 &&
		      vfiosafe_recover(two.b.disk.d.dev, NULL) == 0 && is_back(),
	      "and so does one from being marked lost");
	check(set_reset_method(&two.b.disk.d, "\n") &&
		      vfiosafe_reset(two.b.disk.d.dev, NULL) == -EOPNOTSUPP && is_back() &&
		      set_reset_method(&two.b.disk.d, "default\n"),
	      "one that is known to fail takes nothing away");
	no_harm("failed resets");
}

static void both_ways(unsigned int rounds)
{
	unsigned int good = 0;

	if (!side_begin(&two.b))
		return;
	for (unsigned int i = 0; i < 2 * rounds; i++) {
		struct side *side = i % 2 ? &two.a : &two.b;

		good += vfiosafe_reset(side->disk.d.dev, NULL) == 0 && is_back() &&
			stands(&two.b) && side_reads(&two.b, READS);
	}
	check(good == 2 * rounds,
	      "two that import from each other: %u of %u resets, in turns", good,
	      2 * rounds);
	no_harm("both ways");
	check(side_end(&two.b), "the second map is unmapped");
}

/* For the thread below: what is unbound, and the kernel's log from before. */
static void *unbind(void *arg)
{
	const char *address = arg;
	int fd = open("/sys/bus/pci/drivers/vfio-pci/unbind", O_WRONLY | O_CLOEXEC);
	bool good = write(fd, address, strlen(address)) == (ssize_t)strlen(address);

	close(fd);
	return good ? arg : NULL;
}

static pthread_t unbinder;

/*
 * Somebody unbinds the exporter in the middle of its window: the device's lock is taken
 * when the kernel says that it asks, and until the device is closed.
 */
static void unbind_in_stop(struct side *side)
{
	int log = kernel_log();
	int64_t deadline = vfiosafe_deadline_in_ms(SOON_MS);
	char line[1024] = "";

	pthread_create(&unbinder, NULL, unbind,
		       (void *)(uintptr_t)side->other->disk.d.address);
	while (!strstr(line, "device request to user") &&
	       vfiosafe_deadline_in_ms(0) < deadline) {
		ssize_t len = read(log, line, sizeof(line) - 1);

		line[len > 0 ? len : 0] = '\0';
	}
	close(log);
}

/* The kernel refuses with EAGAIN, and has revoked the buffer all the same. */
static void a_reset_that_is_refused(void)
{
	uint64_t generation = vfiosafe_device_generation(two.b.disk.d.dev);
	int rc;

	two.a.in_stop = unbind_in_stop;
	rc = vfiosafe_reset(two.b.disk.d.dev, NULL);
	check(rc == -EBUSY && vfiosafe_device_state(two.b.disk.d.dev) == VFIOSAFE_LIVE &&
		      vfiosafe_device_generation(two.b.disk.d.dev) == generation,
	      "a reset that the kernel refuses is called off (%d)", rc);
	check(is_back(), "and the map comes back at the same address, DMA goes on");
	no_harm("a refused reset");
}

static bool ends(void)
{
	void *unbound = NULL;
	bool good = check(side_end(&two.a), "the map is unmapped");

	check(vfiosafe_p2p_map(&two.a.map, two.a.disk.d.dev, two.b.disk.d.buf, NULL,
			       &two.a.iova) == 0 &&
		      two.a.iova == two.first_iova && vfiosafe_p2p_unmap(two.a.map) == 0,
	      "the address is free: the next map gets it, 0x%llx",
	      (unsigned long long)two.a.iova);
	check(vfiosafe_dmabuf_free(two.b.disk.d.buf) == 0, "the buffer is freed");
	side_close(&two.b);
	pthread_join(unbinder, &unbound);
	side_close(&two.a);
	return good && check(unbound, "whoever waited for the device gets it");
}

static void all_windows(unsigned int rounds)
{
	two.first_iova = two.a.iova;
	check(side_reads(&two.a, 20), "20 pages go from drive to CMB");
	resets_of(&two.b, rounds, "the exporter");
	resets_of(&two.a, rounds, "the importer");
	parked(decode_off, decode_on, "memory decode off");
	parked(to_d3hot, to_d0, "D3hot");
	parked(to_low_power, from_low_power, "low power");
	a_reset_that_fails();
	both_ways(rounds / 5 + 1);
	a_reset_that_is_refused();
}

int dmabuf_windows(char **arguments, enum vfiosafe_door door)
{
	unsigned int fds;

	snprintf(check_prefix, sizeof(check_prefix), "windows/%s: ", door_name(door));
	two.log = kernel_log();
	fds = open_fds();
	if (!side_open(&two.a, &two.b, arguments[1], door) ||
	    !side_open(&two.b, &two.a, arguments[2], door) || !side_begin(&two.a))
		return 1;
	all_windows((unsigned int)atoi(arguments[0]));
	ends();
	check(iommu_faults(two.log) == 0, "no IOMMU fault");
	check(open_fds() == fds, "%u fds before, %u after", fds, open_fds());
	return check_failures ? 1 : 0;
}
