/* SPDX-License-Identifier: MIT */
/* Interrupts between windows: enabled, signalled, changed, disabled. */
#include "irq_rig.h"

static void the_device_says_how_many_vectors_it_has(void **state)
{
	uint32_t count;

	(void)state;
	assert_ok(vfiosafe_irq_count(bench.dev, INTX, &count));
	assert_int_equal(count, 1);
	assert_ok(vfiosafe_irq_count(bench.dev, MSI, &count));
	assert_int_equal(count, 4);
	bench.fn->irq.count[MSIX] = 0;
	assert_ok(vfiosafe_irq_count(bench.dev, MSIX, &count));
	assert_int_equal(count, 0);
}

static void a_count_that_is_known_is_not_asked_for_again(void **state)
{
	uint32_t count;

	(void)state;
	assert_ok(vfiosafe_irq_count(bench.dev, MSIX, &count));
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	/* A dead device would say 2,048. */
	bench.fn->irq.count[MSIX] = 2048;
	assert_ok(vfiosafe_irq_count(bench.dev, MSIX, &count));
	assert_int_equal(count, 8);
	assert_refused(vfiosafe_irq_count(bench.dev, MSI, &count), EIO, "FAULT");
}

static void interrupts_come_as_eventfds(void **state)
{
	(void)state;
	enabled(MSIX, 3);
	assert_true(interrupt(0));
	assert_true(interrupt(2));
	assert_true(interrupt(2));
	assert_int_equal(counted(0), 1);
	assert_int_equal(counted(1), 0);
	assert_int_equal(counted(2), 2);
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	assert_false(interrupt(0));
	enabled(MSI, 4);
	assert_true(interrupt(3));
	assert_int_equal(counted(3), 1);
}

static void the_caller_may_close_his_eventfds(void **state)
{
	int mine = eventfd(0, EFD_CLOEXEC), watched = dup(mine);
	struct pollfd readable = { .fd = watched, .events = POLLIN };

	(void)state;
	assert_ok(vfiosafe_irq_enable(bench.dev, MSI, 1, &mine));
	close(mine);
	assert_ok(reset_ms(1000));
	assert_true(interrupt(0));
	assert_int_equal(poll(&readable, 1, 0), 1);
	close(watched);
}

static void a_vector_without_an_eventfd_signals_nothing(void **state)
{
	int fds[2] = { -1, events[1] };

	(void)state;
	assert_ok(vfiosafe_irq_enable(bench.dev, MSIX, 2, fds));
	assert_false(interrupt(0));
	assert_true(interrupt(1));
	assert_int_equal(counted(1), 1);
	assert_ok(vfiosafe_irq_set_fd(bench.dev, MSIX, 0, events[5]));
	assert_true(interrupt(0));
	assert_int_equal(counted(5), 1);
	assert_ok(vfiosafe_irq_set_fd(bench.dev, MSIX, 1, -1));
	assert_false(interrupt(1));
}

static void an_intx_is_masked_until_it_is_unmasked(void **state)
{
	(void)state;
	enabled(INTX, 1);
	assert_true(interrupt(0));
	assert_false(interrupt(0));
	assert_int_equal(counted(0), 1);
	/* Still pending: signalled again at once. */
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
	assert_int_equal(counted(0), 1);
	bench.fn->irq.pending = false;
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
	assert_int_equal(counted(0), 0);
	assert_true(interrupt(0));
	bench.fn->irq.pending = false;
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, true));
	assert_false(interrupt(0));
}

static void an_intx_is_unmasked_inside_a_section(void **state)
{
	struct vfiosafe_section sec;

	(void)state;
	enabled(INTX, 1);
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
	assert_ok(vfiosafe_irq_trigger(bench.dev, INTX, 0));
	assert_ok(vfiosafe_end(&sec));
	assert_int_equal(counted(0), 1);
}

static void vectors_are_added_where_the_kernel_can(void **state)
{
	(void)state;
	bench.fn->irq.grows = true;
	enabled(MSIX, 2);
	assert_ok(vfiosafe_irq_set_fd(bench.dev, MSIX, 5, events[5]));
	assert_true(interrupt(5));
	assert_true(interrupt(1));
	assert_int_equal(counted(5), 1);
	assert_int_equal(counted(1), 1);
	/* All of them are enabled after a reset. */
	assert_ok(reset_ms(1000));
	assert_true(interrupt(5));
	assert_true(interrupt(0));
	assert_int_equal(counted(5), 1);
}

static void a_vector_is_triggered_for_a_test(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	assert_ok(vfiosafe_irq_trigger(bench.dev, MSIX, 1));
	assert_int_equal(counted(0), 0);
	assert_int_equal(counted(1), 1);
}

static void disabling_what_is_not_enabled_is_no_error(void **state)
{
	(void)state;
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	enabled(MSIX, 2);
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	assert_int_equal(bench.fn->irq.kind, -1);
}

static void close_gives_the_eventfds_back(void **state)
{
	(void)state;
	enabled(MSIX, 8);
	bench_close();
	assert_int_equal(bench.k.real_fds, 0);
	assert_int_equal(bench.fn->irq.kind, -1);
}

/* Others go on to hold it: what we enabled must not signal into our closed eventfds. */
static void closing_an_adopted_device_disables_what_was_enabled_through_it(void **state)
{
	struct vfiosafe_device *dev;
	int fd = vfiosafe_device_fd(bench.dev);

	(void)state;
	assert_ok(vfiosafe_device_from_fd(&dev, fd, &bench.opts));
	assert_ok(vfiosafe_irq_enable(dev, MSI, 2, events));
	assert_int_equal(bench.fn->irq.kind, MSI);
	assert_ok(vfiosafe_device_close(dev, 1000));
	assert_int_equal(bench.fn->irq.kind, -1);
	assert_ok(vfiosafe_device_from_fd(&dev, fd, &bench.opts));
	enabled(MSI, 2);
	assert_ok(vfiosafe_device_close(dev, 1000));
	assert_int_equal(bench.fn->irq.kind, MSI);
	assert_true(interrupt(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IRQ_TEST(the_device_says_how_many_vectors_it_has),
		IRQ_TEST(a_count_that_is_known_is_not_asked_for_again),
		IRQ_TEST(interrupts_come_as_eventfds),
		IRQ_TEST(the_caller_may_close_his_eventfds),
		IRQ_TEST(a_vector_without_an_eventfd_signals_nothing),
		IRQ_TEST(an_intx_is_masked_until_it_is_unmasked),
		IRQ_TEST(an_intx_is_unmasked_inside_a_section),
		IRQ_TEST(vectors_are_added_where_the_kernel_can),
		IRQ_TEST(a_vector_is_triggered_for_a_test),
		IRQ_TEST(disabling_what_is_not_enabled_is_no_error),
		IRQ_TEST(close_gives_the_eventfds_back),
		IRQ_TEST(closing_an_adopted_device_disables_what_was_enabled_through_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
