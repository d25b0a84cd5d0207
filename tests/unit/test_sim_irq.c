/* SPDX-License-Identifier: MIT */
/* VFIO_DEVICE_SET_IRQS of the simulated device: the kernel's rules. */
#include "sim_irq_rig.h"

#include <dirent.h>

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define ERR VFIO_PCI_ERR_IRQ_INDEX
#define REQ VFIO_PCI_REQ_IRQ_INDEX

static struct rig the_rig;
static int event[4];

static int setup(void **state)
{
	rig_open(&the_rig, VFIOSAFE_SIM_ALL_ONES, 1, 0);
	for (int i = 0; i < 4; i++)
		event[i] = new_eventfd();
	rig_bus_master(&the_rig, true);
	*state = &the_rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	for (int i = 0; i < 4; i++)
		close(event[i]);
	return 0;
}

static void malformed_calls_are_refused(void **state)
{
	struct rig *rig = *state;
	struct vfio_irq_set set = { .argsz = 19, .flags = BY_NONE, .index = ERR };

	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	set.argsz = sizeof(set);
	set.index = 5;
	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	/* one int of data is announced, and none there */
	set = (struct vfio_irq_set){ sizeof(set), BY_FD, MSIX, 0, 1 };
	assert_int_equal(rig_ioctl(rig, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	assert_int_equal(rig_set_irqs(rig, 0x80, MSIX, 0, 1, NULL), -EINVAL);
	assert_int_equal(rig_set_irqs(rig, VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 1, NULL),
			 -EINVAL);
	assert_int_equal(rig_set_irqs(rig, BY_FD | BY_NONE, MSIX, 0, 1, NULL), -EINVAL);
	assert_int_equal(rig_set_irqs(rig, VFIO_IRQ_SET_DATA_NONE, MSIX, 0, 1, NULL),
			 -ENOTTY);
}

static void vectors_beyond_the_count_are_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, MSIX, 16, event[0]), -EINVAL);
	assert_int_equal(rig_set_fd(rig, MSI, 4, event[0]), -EINVAL);
	assert_int_equal(rig_set_fd(rig, INTX, 1, event[0]), -EINVAL);
	assert_int_equal(rig_set_fd(rig, ERR, 1, event[0]), -EINVAL);
	assert_int_equal(rig_set_irqs(rig, BY_NONE, MSIX, 15, 0xfffffff2u, NULL),
			 -EINVAL);
	assert_int_equal(rig_set_fd(rig, MSIX, 15, event[0]), 0);
}

static void only_eventfds_are_taken(void **state)
{
	struct rig *rig = *state;
	int pipe_end[2];

	assert_int_equal(pipe(pipe_end), 0);
	for (uint32_t index = INTX; index <= REQ; index++) {
		assert_int_equal(rig_set_fd(rig, index, 0, pipe_end[0]), -EINVAL);
		assert_int_equal(rig_set_fd(rig, index, 0, 12345), -EBADF);
	}
	/* nothing was enabled by that */
	assert_int_equal(rig_irqs_off(rig, MSIX), -EINVAL);
	close(pipe_end[0]);
	close(pipe_end[1]);
}

static void one_kind_at_a_time(void **state)
{
	struct rig *rig = *state;

	for (uint32_t first = INTX; first <= MSIX; first++) {
		assert_int_equal(rig_irqs_off(rig, first), -EINVAL);
		assert_int_equal(rig_set_fd(rig, first, 0, event[0]), 0);
		for (uint32_t second = INTX; second <= MSIX; second++)
			assert_int_equal(rig_set_fd(rig, second, 0, event[1]),
					 second == first ? 0 : -EINVAL);
		assert_int_equal(rig_set_fd(rig, ERR, 0, event[1]), 0);
		assert_int_equal(rig_irqs_off(rig, first), 0);
	}
}

static void a_vector_signals_its_eventfd_and_no_other(void **state)
{
	struct rig *rig = *state;
	int32_t fds[] = { event[0], -1, event[2] };

	assert_int_equal(rig_set_irqs(rig, BY_FD, MSIX, 0, 3, fds), 0);
	vfiosafe_sim_interrupt(rig->sim, 2);
	vfiosafe_sim_interrupt(rig->sim, 2);
	vfiosafe_sim_interrupt(rig->sim, 1);
	vfiosafe_sim_interrupt(rig->sim, 9);
	assert_int_equal(signals(event[0]), 0);
	assert_int_equal(signals(event[2]), 2);
	assert_int_equal(rig_counts(rig).interrupts, 2);
	/* each vector can be changed, and cleared */
	assert_int_equal(rig_set_fd(rig, MSIX, 2, event[1]), 0);
	vfiosafe_sim_interrupt(rig->sim, 2);
	assert_int_equal(signals(event[1]), 1);
	assert_int_equal(rig_set_fd(rig, MSIX, 2, -1), 0);
	vfiosafe_sim_interrupt(rig->sim, 2);
	assert_int_equal(signals(event[1]) + signals(event[2]), 0);
}

static void the_device_keeps_the_eventfd_that_the_program_closes(void **state)
{
	struct rig *rig = *state;
	int fd = dup(event[0]);

	assert_int_equal(rig_set_fd(rig, MSIX, 0, fd), 0);
	assert_int_equal(close(fd), 0);
	vfiosafe_sim_interrupt(rig->sim, 0);
	assert_int_equal(signals(event[0]), 1);
}

static void the_ring_register_raises_a_vector(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(rig_set_fd(rig, MSIX, 5, event[0]), 0);
	*reg32(rig->bar, VFIOSAFE_SIM_REG_RING) = 6;
	until(signals(event[0]) == 1);
	until(*reg32(rig->bar, VFIOSAFE_SIM_REG_RING) == 0);
}

static void messages_need_bus_mastering(void **state)
{
	struct rig *rig = *state;

	for (uint32_t index = MSI; index <= MSIX; index++) {
		assert_int_equal(rig_set_fd(rig, index, 0, event[0]), 0);
		rig_bus_master(rig, false);
		vfiosafe_sim_interrupt(rig->sim, 0);
		rig_bus_master(rig, true);
		assert_int_equal(signals(event[0]), 0);
		vfiosafe_sim_interrupt(rig->sim, 0);
		assert_int_equal(signals(event[0]), 1);
		assert_int_equal(rig_irqs_off(rig, index), 0);
	}
	assert_int_equal(rig_counts(rig).lost_interrupts, 2);
}

/* The kernel's answer is the number that would do, and nothing is enabled. */
static void fewer_vectors_than_wanted_is_a_positive_answer(void **state)
{
	struct rig *rig = *state;
	int32_t fds[] = { event[0], event[1], event[2], event[3] };

	for (uint32_t index = MSI; index <= MSIX; index++) {
		assert_int_equal(
			vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_VECTORS_FREE, 3), 0);
		assert_int_equal(rig_set_irqs(rig, BY_FD, index, 0, 4, fds), 3);
		assert_int_equal(rig_irqs_off(rig, index), -EINVAL);
		assert_int_equal(rig_set_irqs(rig, BY_FD, index, 0, 3, fds), 0);
		assert_int_equal(rig_irqs_off(rig, index), 0);
		assert_int_equal(
			vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_VECTORS_FREE, 0), 0);
		assert_int_equal(rig_set_irqs(rig, BY_FD, index, 0, 1, fds), -ENOSPC);
	}
}

static void msix_grows_and_msi_does_not(void **state)
{
	struct rig *rig = *state;
	struct rig fixed;

	assert_int_equal(rig_set_fd(rig, MSIX, 0, event[0]), 0);
	assert_int_equal(rig_set_fd(rig, MSIX, 7, event[1]), 0);
	vfiosafe_sim_interrupt(rig->sim, 7);
	assert_int_equal(signals(event[1]), 1);
	assert_int_equal(vfiosafe_sim_set(rig->sim, VFIOSAFE_SIM_SET_VECTORS_FREE, 2), 0);
	assert_int_equal(rig_set_fd(rig, MSIX, 8, event[1]), -ENOSPC);
	assert_int_equal(rig_irqs_off(rig, MSIX), 0);
	assert_int_equal(rig_set_fd(rig, MSI, 0, event[0]), 0);
	assert_int_equal(rig_set_fd(rig, MSI, 1, event[1]), -EINVAL);
	rig_open_opts(&fixed,
		      (struct vfiosafe_sim_opts){ .flags = VFIOSAFE_SIM_MSIX_NORESIZE });
	assert_int_equal(rig_set_fd(&fixed, MSIX, 1, event[0]), 0);
	assert_int_equal(rig_set_fd(&fixed, MSIX, 0, event[0]), 0);
	assert_int_equal(rig_set_fd(&fixed, MSIX, 2, event[0]), -EINVAL);
	rig_close(&fixed);
}

/* All vectors of the failing call are cleared, the others stay. */
static void a_bad_fd_undoes_its_call(void **state)
{
	struct rig *rig = *state;
	int32_t fds[] = { event[1], 12345, event[2] };

	assert_int_equal(rig_set_fd(rig, MSIX, 0, event[0]), 0);
	assert_int_equal(rig_set_irqs(rig, BY_FD, MSIX, 1, 3, fds), -EBADF);
	for (uint32_t i = 0; i < 4; i++)
		vfiosafe_sim_interrupt(rig->sim, i);
	assert_int_equal(signals(event[0]), 1);
	assert_int_equal(signals(event[1]) + signals(event[2]), 0);
}

static void loopback_signals_without_the_device(void **state)
{
	struct rig *rig = *state;
	uint8_t second[] = { 0, 1 };
	int32_t fds[] = { event[0], event[1] };

	assert_int_equal(rig_set_irqs(rig, BY_NONE, MSIX, 0, 1, NULL), -EINVAL);
	assert_int_equal(rig_set_irqs(rig, BY_FD, MSIX, 0, 2, fds), 0);
	assert_int_equal(rig_set_irqs(rig, BY_BOOL, MSIX, 0, 2, second), 0);
	assert_int_equal(signals(event[0]), 0);
	assert_int_equal(signals(event[1]), 1);
	assert_int_equal(rig_set_irqs(rig, BY_NONE, MSIX, 0, 2, NULL), 0);
	assert_int_equal(signals(event[0]), 1);
	assert_int_equal(signals(event[1]), 1);
}

static void err_and_req_take_one_eventfd_each(void **state)
{
	struct rig *rig = *state;
	uint8_t yes = 1;

	for (uint32_t index = ERR; index <= REQ; index++) {
		assert_int_equal(rig_irqs_off(rig, index), -EINVAL);
		assert_int_equal(rig_set_fd(rig, index, 0, event[0]), 0);
		assert_int_equal(rig_set_irqs(rig, BY_NONE, index, 0, 1, NULL), 0);
		assert_int_equal(rig_set_irqs(rig, BY_BOOL, index, 0, 1, &yes), 0);
		assert_int_equal(signals(event[0]), 2);
		assert_int_equal(rig_set_fd(rig, index, 0, -2), -EINVAL);
		assert_int_equal(rig_set_fd(rig, index, 0, -1), 0);
		assert_int_equal(rig_irqs_off(rig, index), -EINVAL);
		assert_int_equal(
			rig_set_irqs(rig,
				     VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK,
				     index, 0, 1, NULL),
			-ENOTTY);
	}
}

static void set_irqs_fails_when_told_to(void **state)
{
	struct rig *rig = *state;

	vfiosafe_sim_fail(rig->sim, VFIOSAFE_SIM_CALL_SET_IRQS, ENOMEM, 1);
	assert_int_equal(rig_set_fd(rig, MSIX, 0, event[0]), -ENOMEM);
	assert_int_equal(rig_irqs_off(rig, MSIX), -EINVAL);
	assert_int_equal(rig_set_fd(rig, MSIX, 0, event[0]), 0);
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void no_eventfd_is_kept_that_is_not_used(void **state)
{
	struct rig *rig = *state;
	int32_t fds[] = { event[0], event[1], event[2], event[3] };
	unsigned int before = open_fds();

	assert_int_equal(rig_set_irqs(rig, BY_FD, MSIX, 0, 4, fds), 0);
	assert_int_equal(rig_set_fd(rig, MSIX, 1, event[0]), 0);
	assert_int_equal(open_fds(), before + 4);
	assert_int_equal(rig_set_fd(rig, MSIX, 1, -1), 0);
	assert_int_equal(open_fds(), before + 3);
	assert_int_equal(rig_irqs_off(rig, MSIX), 0);
	assert_int_equal(open_fds(), before);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	TEST(malformed_calls_are_refused),
	TEST(vectors_beyond_the_count_are_refused),
	TEST(only_eventfds_are_taken),
	TEST(one_kind_at_a_time),
	TEST(a_vector_signals_its_eventfd_and_no_other),
	TEST(the_device_keeps_the_eventfd_that_the_program_closes),
	TEST(the_ring_register_raises_a_vector),
	TEST(messages_need_bus_mastering),
	TEST(fewer_vectors_than_wanted_is_a_positive_answer),
	TEST(msix_grows_and_msi_does_not),
	TEST(a_bad_fd_undoes_its_call),
	TEST(loopback_signals_without_the_device),
	TEST(err_and_req_take_one_eventfd_each),
	TEST(set_irqs_fails_when_told_to),
	TEST(no_eventfd_is_kept_that_is_not_used),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
