/* SPDX-License-Identifier: MIT */
/* Interrupts around windows: what was enabled before is enabled after. */
#include "irq_rig.h"
#include "uapi.h"
#include "unit_thread.h"

#define SET_IRQS VFIO_DEVICE_SET_IRQS

static void what_was_enabled_is_enabled_after_a_reset(void **state)
{
	(void)state;
	enabled(MSIX, 3);
	assert_ok(reset_ms(1000));
	assert_true(interrupt(2));
	assert_int_equal(counted(2), 1);
	assert_int_equal(counted(0), 0);
	/* Enabled: a second time it is refused, but in reinit. */
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 3, events), EBUSY, "already");
}

/* The order of the way back. */
static void interrupts_come_back_before_dma_and_the_driver(void **state)
{
	(void)state;
	fake_set_command(bench.fn, 0x0006);
	enabled(MSIX, 3);
	assert_ok(reset_ms(1000));
	assert_log("quiesce COMMAND=0002 RESET ready COMMAND=0002 MSIX=3 COMMAND=0006 "
		   "reinit");
}

static void what_is_stale_is_taken_out_of_the_eventfds(void **state)
{
	(void)state;
	enabled(MSIX, 3);
	assert_true(interrupt(0));
	assert_true(interrupt(0));
	assert_true(interrupt(1));
	assert_ok(reset_ms(1000));
	for (int i = 0; i < 3; i++)
		assert_int_equal(counted(i), 0);
	assert_true(interrupt(1));
	assert_int_equal(counted(1), 1);
}

static void one_signal_at_a_time_is_drained_too(void **state)
{
	int semaphore = eventfd(5, EFD_CLOEXEC | EFD_SEMAPHORE);
	struct pollfd readable = { .fd = semaphore, .events = POLLIN };

	(void)state;
	assert_ok(vfiosafe_irq_enable(bench.dev, MSIX, 1, &semaphore));
	assert_ok(reset_ms(1000));
	assert_int_equal(poll(&readable, 1, 0), 0);
	close(semaphore);
}

/* Its signal is drained, so the program would never unmask it. */
static void an_intx_that_had_come_is_unmasked(void **state)
{
	(void)state;
	enabled(INTX, 1);
	assert_true(interrupt(0));
	bench.fn->irq.pending = false;
	assert_ok(reset_ms(1000));
	assert_int_equal(counted(0), 0);
	assert_true(interrupt(0));
	assert_int_equal(counted(0), 1);
}

static void an_intx_that_is_pending_is_signalled_again(void **state)
{
	(void)state;
	enabled(INTX, 1);
	assert_true(interrupt(0));
	assert_ok(reset_ms(1000));
	assert_int_equal(counted(0), 1);
}

static void an_intx_that_the_program_masked_stays_masked(void **state)
{
	(void)state;
	enabled(INTX, 1);
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, true));
	assert_ok(reset_ms(1000));
	assert_false(interrupt(0));
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_false(interrupt(0));
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
	assert_int_equal(counted(0), 1);
}

/* An AER recovery leaves MSI-X on in the kernel, and off in the device. */
static void out_of_fault_they_go_off_before_and_on_after_the_reset(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	bench.fn->irq.lost = true;
	assert_false(interrupt(0));
	assert_ok(vfiosafe_mark_lost(bench.dev, "an AER recovery"));
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_non_null(strstr(bench.k.log, "MSIX=off RESET ready COMMAND=0002 MSIX=2"));
	assert_true(interrupt(0));
	assert_int_equal(counted(0), 1);
}

static void a_window_that_is_called_off_leaves_them_alone(void **state)
{
	struct vfiosafe_window *win;

	(void)state;
	enabled(MSIX, 2);
	assert_true(interrupt(0));
	fake_log_clear(&bench.k);
	driver.rc[QUIESCE] = -EPERM;
	assert_int_equal(reset_ms(1000), -ECANCELED);
	driver.rc[QUIESCE] = 0;
	win = window_begin(1000);
	vfiosafe_window_end(win);
	assert_null(strstr(bench.k.log, "MSIX"));
	assert_int_equal(counted(0), 1);
	assert_true(interrupt(1));
}

/* The same code as at first start. */
static int from_reinit[3];

static void enable_in_reinit(struct vfiosafe_device *dev, enum callback which)
{
	if (which != REINIT)
		return;
	from_reinit[0] = vfiosafe_irq_enable(dev, MSIX, 4, events + 4);
	from_reinit[1] = vfiosafe_irq_enable(dev, MSIX, 1, events);
}

static void reinit_may_enable_them_as_at_first_start(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	driver.inside = enable_in_reinit;
	assert_ok(reset_ms(1000));
	assert_int_equal(from_reinit[0], 0);
	assert_int_equal(from_reinit[1], -EBUSY);
	assert_true(interrupt(3));
	assert_int_equal(counted(7), 1);
	assert_true(interrupt(0));
	assert_int_equal(counted(4), 1);
	assert_int_equal(counted(0), 0);
	driver.inside = NULL;
	assert_ok(reset_ms(1000));
	assert_true(interrupt(3));
	assert_int_equal(counted(7), 1);
}

static void another_kind_in_reinit(struct vfiosafe_device *dev, enum callback which)
{
	if (which == REINIT)
		from_reinit[2] = vfiosafe_irq_enable(dev, INTX, 1, events + 3);
}

static void reinit_may_enable_another_kind(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	driver.inside = another_kind_in_reinit;
	assert_ok(reset_ms(1000));
	assert_int_equal(from_reinit[2], 0);
	assert_true(interrupt(0));
	assert_int_equal(counted(3), 1);
	/* Between windows it is as ever. */
	assert_refused(vfiosafe_irq_enable(bench.dev, INTX, 1, events), EBUSY, "already");
}

static void while_a_window_is_open_they_cannot_be_changed(void **state)
{
	struct vfiosafe_window *win;
	uint32_t count;

	(void)state;
	enabled(INTX, 1);
	win = window_begin(1000);
	assert_refused(vfiosafe_irq_enable(bench.dev, MSI, 1, events), EAGAIN,
		       "vfiosafe_wait()");
	assert_refused(vfiosafe_irq_disable(bench.dev, INTX), EAGAIN, "window");
	assert_refused(vfiosafe_irq_set_fd(bench.dev, INTX, 0, -1), EAGAIN, "window");
	assert_refused(vfiosafe_irq_mask(bench.dev, INTX, 0, false), EAGAIN, "window");
	assert_refused(vfiosafe_irq_trigger(bench.dev, INTX, 0), EAGAIN, "window");
	assert_refused(vfiosafe_irq_count(bench.dev, MSI, &count), EAGAIN, "window");
	vfiosafe_window_end(win);
	assert_ok(vfiosafe_irq_mask(bench.dev, INTX, 0, false));
}

static void in_fault_they_can_be_disabled_and_no_more(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	assert_refused(vfiosafe_irq_set_fd(bench.dev, MSIX, 0, -1), EIO, "FAULT");
	assert_refused(vfiosafe_irq_trigger(bench.dev, MSIX, 0), EIO, "FAULT");
	assert_ok(vfiosafe_irq_disable(bench.dev, MSIX));
	assert_refused(vfiosafe_irq_enable(bench.dev, MSIX, 2, events), EIO, "FAULT");
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_null(strstr(bench.k.log, "MSIX"));
	enabled(MSIX, 2);
}

/* The text, and another try. */
static void a_device_without_its_interrupts_stays_in_fault(void **state)
{
	(void)state;
	enabled(MSIX, 3);
	fake_fail(&bench.k, FAKE_IOCTL, SET_IRQS, ENOMEM, 1);
	assert_refused(reset_ms(1000), EIO, "enabling MSI-X of " ADDRESS,
		       "allocate memory");
	assert_state(FAULT);
	assert_int_equal(driver.count[REINIT], 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_true(interrupt(2));
}

static void fewer_vectors_than_before_are_a_fault(void **state)
{
	(void)state;
	enabled(MSIX, 3);
	assert_ok(vfiosafe_mark_lost(bench.dev, "for the test"));
	bench.fn->irq.available = 2;
	assert_refused(vfiosafe_recover(bench.dev, NULL), EIO, "3 vectors of MSI-X",
		       "the kernel has 2");
	assert_state(FAULT);
	bench.fn->irq.available = 0;
	assert_ok(vfiosafe_recover(bench.dev, NULL));
	assert_true(interrupt(2));
}

static void a_device_that_was_put_to_sleep_comes_back_with_them(void **state)
{
	(void)state;
	enabled(MSIX, 2);
	bench.fn->config[FAKE_CAP_PM + 4] = 0; /* its context is lost in D3hot */
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D3HOT, NULL));
	assert_refused(vfiosafe_irq_disable(bench.dev, MSIX), EAGAIN, "window");
	fake_log_clear(&bench.k);
	assert_ok(vfiosafe_set_power(bench.dev, VFIOSAFE_D0, NULL));
	assert_non_null(strstr(bench.k.log, "MSIX=2"));
	assert_true(interrupt(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IRQ_TEST(what_was_enabled_is_enabled_after_a_reset),
		IRQ_TEST(interrupts_come_back_before_dma_and_the_driver),
		IRQ_TEST(what_is_stale_is_taken_out_of_the_eventfds),
		IRQ_TEST(one_signal_at_a_time_is_drained_too),
		IRQ_TEST(an_intx_that_had_come_is_unmasked),
		IRQ_TEST(an_intx_that_is_pending_is_signalled_again),
		IRQ_TEST(an_intx_that_the_program_masked_stays_masked),
		IRQ_TEST(out_of_fault_they_go_off_before_and_on_after_the_reset),
		IRQ_TEST(a_window_that_is_called_off_leaves_them_alone),
		IRQ_TEST(reinit_may_enable_them_as_at_first_start),
		IRQ_TEST(reinit_may_enable_another_kind),
		IRQ_TEST(while_a_window_is_open_they_cannot_be_changed),
		IRQ_TEST(in_fault_they_can_be_disabled_and_no_more),
		IRQ_TEST(a_device_without_its_interrupts_stays_in_fault),
		IRQ_TEST(fewer_vectors_than_before_are_a_fault),
		IRQ_TEST(a_device_that_was_put_to_sleep_comes_back_with_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
