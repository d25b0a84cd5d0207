/* SPDX-License-Identifier: MIT */
/* The page in which clients see the device word. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "sys.h"
#include "unit.h"

static void a_client_sees_what_the_owner_writes(void **state)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	const struct vsf_control *seen;
	struct vsf_control *page;
	int fd;

	(void)state;
	assert_int_equal(vsf_control_new(sys, &page, &fd), 0);
	assert_int_equal(vsf_control_map(sys, &seen, fd), 0);
	page->word = 0x705;
	assert_int_equal(seen->word, 0x705);
	vsf_control_free(sys, seen);
	vsf_control_free(sys, page);
	close(fd);
}

static void a_client_can_neither_write_nor_shrink_it(void **state)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	struct vsf_control *page;
	uint64_t word = 1;
	int fd;

	(void)state;
	assert_int_equal(vsf_control_new(sys, &page, &fd), 0);
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
			 MAP_FAILED);
	assert_int_equal(pwrite(fd, &word, sizeof(word), 64), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	vsf_control_free(sys, page);
	close(fd);
}

static void what_is_not_sealed_is_refused(void **state)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	const struct vsf_control *seen;
	int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(vsf_control_map(sys, &seen, fd), -EPROTO);
	assert_int_equal(vsf_control_map(sys, &seen, null), -EPROTO);
	close(fd);
	close(null);
}

static void what_is_sealed_but_small_or_empty_is_refused(void **state)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	const unsigned int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW |
				   0x10 /* F_SEAL_FUTURE_WRITE */;
	const struct vsf_control *seen;

	(void)state;
	for (size_t len = 64; len <= 4096; len += 4032) {
		int fd = vsf_sys(sys, sealable, "false", len);

		assert_true(fd >= 0);
		assert_int_equal(vsf_sys(sys, seal, fd, seals), 0);
		assert_int_equal(vsf_control_map(sys, &seen, fd), -EPROTO);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_sees_what_the_owner_writes),
		cmocka_unit_test(a_client_can_neither_write_nor_shrink_it),
		cmocka_unit_test(what_is_not_sealed_is_refused),
		cmocka_unit_test(what_is_sealed_but_small_or_empty_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
