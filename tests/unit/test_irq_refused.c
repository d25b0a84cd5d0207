/* SPDX-License-Identifier: MIT */
/* Interrupts that cannot be had: what is said of it, and that nothing has changed. */
#include <sys/wait.h>

#include "irq_rig.h"
#include "uapi.h"
#include "unit_thread.h"

#define SET_IRQS VFIO_DEVICE_SET_IRQS

static void a_vector_beyond_the_count_is_refused(void **state)
{
	(void)state;
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 9, events), ERANGE,
		       "8 MSI-X vectors");
	assert_refused(vfiosafe_irq_enable(bench.dev, INTX, 2, events), ERANGE,
		       "1 INTx vectors");
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 8, events[0]), ERANGE,
		       "8 MSI-X vectors");
	assert_refused(vfiosafe_irq_trigger(bench.dev, MSIX, 2), ERANGE, "vector 2",
		       "none of the 2");
	assert_refused(vfiosafe_irq_mask(bench.dev, MSIX, 2, true), ERANGE,
		       "none of the 2");
	assert_true(interrupt(1));
}

static void vectors_that_cannot_be_added_say_what_to_do(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 5, events[5]), EOPNOTSUPP,
		       "with 2 vectors", "vfiosafe_irq_disable()", "enable 6");
	assert_true(interrupt(1));
}

static void fewer_vectors_than_wanted_are_none(void **state)
{
	(void)state;
	bench.fn->irq.available = 3;
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 6, events), ENOSPC,
		       "6 vectors", "the kernel has 3", "nothing is enabled");
	assert_int_equal(bench.fn->irq.kind, -1);
	enabled(MSIX, 3);
}

static void a_closed_eventfd_is_named(void **state)
{
	int fds[3] = { events[0], 987, events[2] };

	(void)state;
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 3, fds), EBADF, "eventfd 987",
		       "vector 1");
	assert_int_equal(bench.fn->irq.kind, -1);
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 1, 987), EBADF, "eventfd 987",
		       "vector 1");
	assert_true(interrupt(1));
}

static void what_is_no_eventfd_is_refused_and_the_former_one_stays(void **state)
{
	int fds[2] = { events[0], STDOUT_FILENO };

	(void)state;
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 2, fds), EINVAL,
		       "no eventfd");
	assert_int_equal(bench.fn->irq.kind, -1);
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 1, STDOUT_FILENO), EINVAL,
		       "vector 1", "eventfd?");
	assert_true(interrupt(1));
	assert_int_equal(counted(1), 1);
}

static void a_vector_that_lost_its_eventfd_says_so(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	fake_fail(&bench.k, FAKE_IOCTL, SET_IRQS, EIO, 2);
	/* Which the kernel does before it fails. */
	close(bench.fn->irq.fd[1]);
	bench.fn->irq.fd[1] = -1;
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 1, events[5]), EIO,
		       "vector 1", "no eventfd now");
	assert_ok(vfiosafe_irq_set_fd(bench.dev, MSIX, 1, events[6]));
	assert_true(interrupt(1));
	assert_int_equal(counted(6), 1);
}

static void a_second_arming_names_the_way_out(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 3, events), EBUSY,
		       "MSI-X is enabled already, with 2 vectors",
		       "vfiosafe_irq_disable()", "vfiosafe_irq_set_fd()");
	assert_refused(vfiosafe_irq_enable(bench.dev, MSI, 1, events), EBUSY,
		       "MSI-X is enabled, and one kind");
	assert_refused(vfiosafe_irq_disable(bench.dev, INTX), EINVAL,
		       "INTx is not enabled", "MSI-X is");
	assert_refused(vfiosafe_irq_mask(bench.dev, INTX, 0, true), EINVAL,
		       "INTx is not enabled");
	assert_string_equal(bench.k.log, "");
	assert_true(interrupt(1));
}

static void what_another_holder_enabled_is_not_replaced(void **state)
{
	struct vfiosafe_device *dev;

	(void)state;
	assert_ok(vfiosafe_device_from_fd(&dev, vfiosafe_device_fd(bench.dev),
					  &bench.opts));
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_enable(dev, MSIX, 2, events + 2), EBUSY,
		       "whoever opened it has enabled MSI-X");
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	enabled(INTX, 1);
	assert_refused(vfiosafe_irq_enable(dev, MSIX, 2, events + 2), EINVAL,
		       "another holder");
	assert_ok(vfiosafe_device_close(dev, 1000));
	assert_true(interrupt(0));
}

static void what_the_device_or_the_kernel_lacks_is_said(void **state)
{
	(void)state;
	bench.fn->irq.count[MSI] = 0;
	assert_refused(vfiosafe_irq_enable(bench.dev, MSI, 1, events), EOPNOTSUPP,
		       "has no MSI");
	bench.fn->irq.no_line = true;
	assert_refused(vfiosafe_irq_enable(bench.dev, INTX, 1, events), EOPNOTSUPP,
		       "not connected");
	enabled(MSIX, 2);
	assert_refused(vfiosafe_irq_mask(bench.dev, MSIX, 1, true), EOPNOTSUPP,
		       "cannot mask MSI-X", "in the device");
}

static void what_makes_no_sense_is_refused(void **state)
{
	const enum vfiosafe_irq_kind none = (enum vfiosafe_irq_kind)3;
	int fd = -1;
	uint32_t count;

	(void)state;
	assert_refused(vfiosafe_irq_count(bench.dev, none, &count), EINVAL, "kind 3");
	assert_refused(vfiosafe_irq_enable(bench.dev, none, 1, events), EINVAL, "kind 3");
	assert_refused(vfiosafe_irq_enable(bench.dev, MSI, 0, events), EINVAL,
		       "no vectors");
	assert_refused(vfiosafe_irq_enable(bench.dev, MSI, 1, NULL), EINVAL,
		       "no vectors");
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSI, 0, events[0]), EINVAL,
		       "MSI is not enabled");
	assert_refused(vfiosafe_irq_trigger(bench.dev, MSI, 0), EINVAL,
		       "MSI is not enabled");
	assert_ok(vfiosafe_irq_enable(bench.dev, MSI, 1, &fd));
	assert_refused(vfiosafe_irq_trigger(bench.dev, MSI, 0), EINVAL, "vector 0",
		       "no eventfd");
}

static void a_section_cannot_wait_for_it(void **state)
{
	struct vfiosafe_section sec;
	uint32_t count;

	(void)state;
	enabled(MSIX, 2);
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_irq_count(bench.dev, MSIX, &count), EDEADLK, "irq_count");
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 2, events), EDEADLK,
		       "irq_enable");
	assert_refused(vfiosafe_irq_disable(bench.dev, MSIX), EDEADLK, "irq_disable");
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 0, -1), EDEADLK,
		       "irq_set_fd");
	assert_ok(vfiosafe_end(&sec));
}

/* Closed over an open section: GONE, and not freed yet. */
static void a_device_that_is_gone_has_none(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	enabled(MSIX, 2);
	hold(&holder, &bench.view);
	assert_int_equal(vfiosafe_device_close(bench.dev, 0), -EBUSY);
	assert_int_equal(bench.fn->irq.kind, -1);
	assert_refused(vfiosafe_irq_trigger(bench.dev, MSIX, 0), ENODEV, "gone");
	assert_refused(vfiosafe_irq_disable(bench.dev, MSIX), ENODEV, "gone");
	(void)release(&holder);
}

/* In the child: 0 if all is refused, and close leaves the parent's interrupts alone. */
static int as_a_child(void)
{
	uint32_t count;

	if (vfiosafe_irq_count(bench.dev, MSIX, &count) != -ENODEV ||
	    vfiosafe_irq_enable(bench.dev, MSIX, 1, events) != -ENODEV ||
	    vfiosafe_irq_disable(bench.dev, MSIX) != -ENODEV ||
	    vfiosafe_irq_set_fd(bench.dev, MSIX, 0, -1) != -ENODEV ||
	    vfiosafe_irq_mask(bench.dev, MSIX, 0, true) != -ENODEV ||
	    vfiosafe_irq_trigger(bench.dev, MSIX, 0) != -ENODEV)
		return 1;
	fake_log_clear(&bench.k);
	if (vfiosafe_device_close(bench.dev, 0) != 0)
		return 2;
	return strcmp(bench.k.log, "") == 0 ? 0 : 3;
}

static void a_forked_child_is_refused(void **state)
{
	struct vfiosafe_device *parents = bench.dev;
	int status = -1;
	pid_t pid;

	(void)state;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, vfiosafe_device_fd(parents),
					  &bench.opts));
	enabled(MSIX, 2);
	pid = fork();
	if (pid == 0)
		_exit(as_a_child());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(interrupt(0));
	assert_ok(vfiosafe_device_close(parents, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IRQ_TEST(a_vector_beyond_the_count_is_refused),
		IRQ_TEST(vectors_that_cannot_be_added_say_what_to_do),
		IRQ_TEST(fewer_vectors_than_wanted_are_none),
		IRQ_TEST(a_closed_eventfd_is_named),
		IRQ_TEST(what_is_no_eventfd_is_refused_and_the_former_one_stays),
		IRQ_TEST(a_vector_that_lost_its_eventfd_says_so),
		IRQ_TEST(a_second_arming_names_the_way_out),
		IRQ_TEST(what_another_holder_enabled_is_not_replaced),
		IRQ_TEST(what_the_device_or_the_kernel_lacks_is_said),
		IRQ_TEST(what_makes_no_sense_is_refused),
		IRQ_TEST(a_section_cannot_wait_for_it),
		IRQ_TEST(a_device_that_is_gone_has_none),
		IRQ_TEST(a_forked_child_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
