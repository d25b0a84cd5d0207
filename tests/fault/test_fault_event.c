/* SPDX-License-Identifier: MIT */
/* A fault that no access of the library has met: code of others ran into it. */
#include "fault_rig.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void a_fault_of_foreign_code_is_told_by_the_fd(void **state)
{
	struct rig rig;
	uint64_t faults = 0;
	int fd;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	fd = vfiosafe_fault_fd(rig.dev);
	assert_false(readable(fd));
	vfiosafe_fault_notice(rig.dev);
	assert_int_equal(rig.lost, 0);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(*rig_reg32(&rig, 0), UINT32_MAX);
	assert_true(readable(fd));
	assert_int_equal(rig.lost, 0);
	assert_int_equal(read(fd, &faults, sizeof(faults)), sizeof(faults));
	assert_int_equal(faults, 1);
	vfiosafe_fault_notice(rig.dev);
	assert_int_equal(rig.lost, 1);
	rig_assert_fault(&rig, VFIOSAFE_CAUSE_FAULT);
	vfiosafe_fault_notice(rig.dev);
	assert_int_equal(rig.lost, 1);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

static void inside_a_section_the_notice_waits(void **state)
{
	struct vfiosafe_section sec;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	rig_away(&rig, DECODE_OFF);
	assert_int_equal(vfiosafe_begin(&rig.view, &sec), 0);
	assert_int_equal(*(volatile uint32_t *)vfiosafe_ptr(&sec), UINT32_MAX);
	vfiosafe_fault_notice(rig.dev);
	assert_int_equal(rig.lost, 0);
	assert_int_equal(vfiosafe_end(&sec), -EIO);
	assert_int_equal(rig.lost, 1);
	rig_close(&rig);
	rig_restore();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_of_foreign_code_is_told_by_the_fd),
		cmocka_unit_test(inside_a_section_the_notice_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
