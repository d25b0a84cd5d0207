/* SPDX-License-Identifier: MIT */
/* Mappings that somebody else made, and BARs that are large. */
#include "fault_rig.h"

#include <errno.h>
#include <linux/vfio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault.h"

static volatile uint32_t *word(void *bar, uint64_t offset)
{
	return (volatile uint32_t *)(void *)((char *)bar + offset);
}

/* A PMD's own mapping of BAR 0. */
static void *map_by_hand(const struct rig *rig)
{
	void *bar = NULL;

	assert_int_equal(rig->sys->mmap(rig->sys->ctx, &bar, BAR_LEN,
					PROT_READ | PROT_WRITE, MAP_SHARED,
					vfiosafe_sim_device_fd(rig->sim), 0),
			 0);
	return bar;
}

static void unmap_by_hand(const struct rig *rig, void *bar)
{
	assert_int_equal(rig->sys->munmap(rig->sys->ctx, bar, BAR_LEN), 0);
}

static void open_bare(struct rig *rig)
{
	struct rig_opts opts = { .no_bar = true };

	rig_open(rig, &opts);
}

static void an_adopted_mapping_is_replaced_and_comes_back(void **state)
{
	uint32_t value = 0;
	struct rig rig;
	void *mine;

	(void)state;
	rig_install();
	open_bare(&rig);
	mine = map_by_hand(&rig);
	assert_int_equal(vfiosafe_bar_adopt(&rig.bar, rig.dev, 0, 0, mine, 0,
					    VFIOSAFE_BAR_REPLACE),
			 0);
	assert_ptr_equal((void *)(uintptr_t)vfiosafe_bar_address(rig.bar), mine);
	assert_int_equal(vfiosafe_bar_view(rig.bar, &rig.view), 0);
	rig_away(&rig, D3HOT);
	assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	assert_int_equal(*word(mine, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	assert_int_equal(vfiosafe_bar_unmap(rig.bar, 1000), 0);
	assert_int_equal(*word(mine, VFIOSAFE_SIM_REG_ID), VFIOSAFE_SIM_ID);
	unmap_by_hand(&rig, mine);
	rig_close(&rig);
	rig_restore();
}

/* Neither by unmap nor by close. */
static void a_maker_gets_its_mapping_back_without_private_memory(void **state)
{
	(void)state;
	rig_install();
	for (int by_close = 0; by_close < 2; by_close++) {
		uint32_t value = 0;
		struct rig rig;
		void *mine;

		open_bare(&rig);
		mine = map_by_hand(&rig);
		assert_int_equal(vfiosafe_bar_adopt(&rig.bar, rig.dev, 0, 0, mine, 0,
						    VFIOSAFE_BAR_REPLACE),
				 0);
		assert_int_equal(vfiosafe_bar_view(rig.bar, &rig.view), 0);
		rig_away(&rig, DECODE_OFF);
		assert_int_equal(rig_touch(&rig, 0, &value), -EIO);
		rig_back(&rig, DECODE_OFF);
		assert_int_equal(*word(mine, 0), UINT32_MAX);
		if (by_close)
			assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
		else
			assert_int_equal(vfiosafe_bar_unmap(rig.bar, 1000), 0);
		assert_int_equal(*word(mine, 0), VFIOSAFE_SIM_ID);
		assert_int_equal(count_maps(ONES_MAP), 0);
		unmap_by_hand(&rig, mine);
		if (!by_close)
			assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
		vfiosafe_sim_close(rig.sim);
	}
	rig_restore();
}

static sigjmp_buf out;
static volatile uintptr_t faulted;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	if (vfiosafe_sigbus_handle(sig, info, context))
		return;
	faulted = (uintptr_t)info->si_addr;
	siglongjmp(out, 1);
}

static void an_adopted_mapping_without_the_flag_is_the_applications(void **state)
{
	struct sigaction action = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO };
	struct sigaction before;
	volatile bool jumped = false;
	struct rig rig;
	void *mine;

	(void)state;
	open_bare(&rig);
	mine = map_by_hand(&rig);
	assert_int_equal(vfiosafe_bar_adopt(&rig.bar, rig.dev, 0, 0, mine, 0, 0), 0);
	assert_int_equal(sigaction(SIGBUS, &action, &before), 0);
	rig_away(&rig, DECODE_OFF);
	if (sigsetjmp(out, 1) == 0)
		(void)*word(mine, 0x3008);
	else
		jumped = true;
	assert_true(jumped);
	assert_int_equal(faulted, (uintptr_t)mine + 0x3008);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_LIVE);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	unmap_by_hand(&rig, mine);
	rig_close(&rig);
}

static void adopt_refuses_what_is_no_page_or_no_flag(void **state)
{
	struct vfiosafe_bar *bar = NULL;
	struct rig rig;
	void *mine;

	(void)state;
	rig_install();
	open_bare(&rig);
	mine = map_by_hand(&rig);
	assert_int_equal(vfiosafe_bar_adopt(&bar, rig.dev, 0, 0, NULL, 0, 0), -EINVAL);
	assert_int_equal(vfiosafe_bar_adopt(&bar, rig.dev, 0, 0, (char *)mine + 8, 0, 0),
			 -EINVAL);
	assert_int_equal(
		vfiosafe_bar_adopt(&bar, rig.dev, 0, 0, mine, 0, VFIOSAFE_BAR_NO_MMAP),
		-EINVAL);
	assert_int_equal(vfiosafe_bar_adopt(&bar, rig.dev, 0, 0, mine, 2 * BAR_LEN, 0),
			 -ERANGE);
	assert_null(bar);
	unmap_by_hand(&rig, mine);
	rig_close(&rig);
	rig_restore();
}

static void a_chunk_is_the_1024th_part_and_whole_pages(void **state)
{
	const size_t gib = (size_t)1 << 30;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)state;
	assert_int_equal(vsf_fault_chunk(1), page);
	assert_int_equal(vsf_fault_chunk(page), page);
	assert_int_equal(vsf_fault_chunk(1024 * page), page);
	assert_int_equal(vsf_fault_chunk(1025 * page), 2 * page);
	assert_int_equal(vsf_fault_chunk(gib), gib / 1024);
	assert_int_equal(vsf_fault_chunk(80 * gib), 80 * gib / 1024);
	for (size_t len = page; len < 300 * gib; len = len * 3 + page) {
		size_t chunk = vsf_fault_chunk(len);

		assert_int_equal(chunk % page, 0);
		assert_true((len + chunk - 1) / chunk <= 1024);
	}
}

/* A BAR of 32 GiB behind the simulated device: a sparse file. */
#define BIG ((uint64_t)32 << 30)
#define BIG_INDEX 1

static const struct vfiosafe_sys *big_host;
static int big_fd;

static int big_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct vfio_region_info *info = arg;
	int rc = big_host->ioctl(ctx, fd, request, arg);

	if (rc == 0 && request == VFIO_DEVICE_GET_REGION_INFO &&
	    info->index == BIG_INDEX) {
		info->size = BIG;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			      VFIO_REGION_INFO_FLAG_MMAP;
	}
	return rc;
}

static int big_mmap(void *ctx, void **addr, size_t len, int prot, int flags, int fd,
		    uint64_t offset)
{
	const struct vfiosafe_sys *real = vfiosafe_sys_default();

	if (offset >> 40 == BIG_INDEX && !(flags & MAP_ANONYMOUS))
		return real->mmap(real->ctx, addr, len, prot, flags, big_fd,
				  offset & (((uint64_t)1 << 40) - 1));
	return big_host->mmap(ctx, addr, len, prot, flags, fd, offset);
}

static void a_bar_of_many_gib_takes_few_mappings(void **state)
{
	struct rig_opts no_bar = { .no_bar = true };
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	struct vfiosafe_device *dev;
	struct vfiosafe_section sec;
	struct vfiosafe_sys sys;
	unsigned int maps, most;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &no_bar);
	big_host = rig.sys;
	big_fd = memfd_create("big-bar", MFD_CLOEXEC);
	assert_int_equal(ftruncate(big_fd, (off_t)BIG), 0);
	sys = *big_host;
	sys.ioctl = big_ioctl;
	sys.mmap = big_mmap;
	opts.sys = &sys;
	assert_int_equal(
		vfiosafe_device_from_fd(&dev, vfiosafe_sim_device_fd(rig.sim), &opts), 0);
	assert_int_equal(vfiosafe_bar_map(&rig.bar, dev, BIG_INDEX, 0, 0, 0), 0);
	assert_int_equal(vfiosafe_bar_view(rig.bar, &rig.view), 0);
	maps = count_maps(NULL);
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), 0);
	assert_int_equal(ftruncate(big_fd, 0), 0);
	for (uint64_t at = 0; at < BIG; at += (uint64_t)1 << 22)
		assert_int_equal(*word((void *)(uintptr_t)vfiosafe_ptr(&sec), at + 8),
				 UINT32_MAX);
	most = count_maps(NULL);
	assert_int_equal(vfiosafe_end(&sec), -EIO);
	assert_in_range(most - maps, 1000, 1100);
	assert_int_equal(ftruncate(big_fd, (off_t)BIG), 0);
	assert_int_equal(vfiosafe_recover(dev, NULL), 0);
	assert_in_range(count_maps(NULL), maps - 2, maps + 2);
	assert_int_equal(vfiosafe_device_close(dev, 1000), 0);
	close(big_fd);
	rig_close(&rig);
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_adopted_mapping_is_replaced_and_comes_back),
	cmocka_unit_test(a_maker_gets_its_mapping_back_without_private_memory),
	cmocka_unit_test(an_adopted_mapping_without_the_flag_is_the_applications),
	cmocka_unit_test(adopt_refuses_what_is_no_page_or_no_flag),
	cmocka_unit_test(a_chunk_is_the_1024th_part_and_whole_pages),
	cmocka_unit_test(a_bar_of_many_gib_takes_few_mappings),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
