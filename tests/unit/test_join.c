/* SPDX-License-Identifier: MIT */
/* A client: what it gets by the handshake, what it may do, and how it leaves. */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "join_rig.h"
#include "unit_thread.h"

static void a_client_is_welcomed_and_maps_what_was_granted(void **state)
{
	uint32_t value = 0;

	(void)state;
	rig_welcome(1);
	rig_range(0, VSF_REACH_DMABUF, BOTH, 0, RIG_BAR);
	assert_ok(rig_join());
	rig_use();
	assert_string_equal(vfiosafe_device_address(rig.dev), ADDRESS);
	assert_int_equal(vfiosafe_device_door(rig.dev), VFIOSAFE_DOOR_SHARED);
	assert_int_equal(vfiosafe_device_generation(rig.dev), 3);
	assert_rig_state(LIVE);
	assert_int_equal(vfiosafe_bar_len(rig.bar), RIG_BAR);
	assert_non_null(vfiosafe_bar_address(rig.bar));
	memcpy(rig.memory + 8, "\x78\x56\x34\x12", 4);
	assert_ok(vfiosafe_read32(&rig.view, 8, &value));
	assert_int_equal(value, 0x12345678);
	assert_ok(vfiosafe_write32(&rig.view, 12, 0x99));
	assert_int_equal(rig.memory[12], 0x99);
	assert_true(vsf_join_fd(rig.dev) >= 0);
}

static void what_is_no_socket_for_messages_is_not_joined_over(void **state)
{
	struct vfiosafe_join_opts opts = { .size = sizeof(opts), .sys = &rig.sys };
	int memory = memfd_create("no-socket", MFD_CLOEXEC), fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_refused(vfiosafe_join(&rig.dev, -1, &opts), EINVAL, "fd -1");
	assert_refused(vfiosafe_join(&rig.dev, memory, &opts), EINVAL, "SOCK_SEQPACKET");
	assert_refused(vfiosafe_join(&rig.dev, fds[0], &opts), EINVAL, "SOCK_SEQPACKET");
	assert_int_equal(close(memory), 0);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
}

static void hello_says_the_clients_name(void **state)
{
	struct vfiosafe_join_opts opts = { .size = sizeof(opts),
					   .name = "a name\nof more than thirty-one characters",
					   .sys = &rig.sys };
	struct vsf_msg hello;

	(void)state;
	rig_welcome(0);
	assert_ok(vfiosafe_join(&rig.dev, rig.socket_fd, &opts));
	rig.socket_fd = -1;
	hello = rig_heard();
	assert_int_equal(hello.type, VSF_MSG_HELLO);
	assert_string_equal(hello.text, "a name?of more than thirty-one ");
}

static void a_range_that_was_not_granted_is_not_mapped(void **state)
{
	struct vfiosafe_bar *bar = NULL;

	(void)state;
	rig_welcome(2);
	rig_range(0, VSF_REACH_DMABUF, BOTH, RIG_PAGE, RIG_PAGE);
	rig_range(1, VSF_REACH_DMABUF, BOTH, 2 * RIG_PAGE, RIG_PAGE);
	assert_ok(rig_join());
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 0, 0, 0, 0), EPERM, "granted");
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 1, 0, 0, 0), EPERM, "BAR 1");
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 9, 0, 0, 0), EPERM, "BAR 9");
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 0, RIG_PAGE, 2 * RIG_PAGE, 0), EPERM, "");
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 0, 3 * RIG_PAGE, 0, 0), EPERM, "");
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 0, RIG_PAGE, UINT64_MAX, 0), EPERM, "");
	assert_refused(vfiosafe_bar_map(&bar, rig.dev, 0, RIG_PAGE + 4, 4, 0), EINVAL, "page");
	assert_null(bar);
	/* 0: to the end of the range that was granted. */
	assert_ok(vfiosafe_bar_map(&bar, rig.dev, 0, 2 * RIG_PAGE, 0, 0));
	assert_int_equal(vfiosafe_bar_len(bar), RIG_PAGE);
	((volatile uint8_t *)vfiosafe_bar_address(bar))[1] = 7;
	assert_int_equal(rig.memory[2 * RIG_PAGE + 1], 7);
	assert_ok(vfiosafe_bar_unmap(bar, 100));
}

static void writes(const struct vfiosafe_view *view, int err)
{
	uint64_t zero = 0;

	assert_refused(vfiosafe_write8(view, 0, 1), err, "reading");
	assert_refused(vfiosafe_write16(view, 0, 1), err, "reading");
	assert_refused(vfiosafe_write32(view, 0, 1), err, "reading");
	assert_refused(vfiosafe_write64(view, 0, 1), err, "reading");
	assert_refused(vfiosafe_write64_lo_hi(view, 0, 1), err, "reading");
	assert_refused(vfiosafe_write64_hi_lo(view, 0, 1), err, "reading");
	assert_refused(vfiosafe_copy_to(view, 0, &zero, 8, 8), err, "reading");
}

static void reads(const struct vfiosafe_view *view, int err)
{
	uint64_t value = 0x55;

	assert_refused(vfiosafe_read8(view, 0, (uint8_t *)&value), err, "writing");
	assert_refused(vfiosafe_read16(view, 0, (uint16_t *)&value), err, "writing");
	assert_refused(vfiosafe_read32(view, 0, (uint32_t *)&value), err, "writing");
	assert_refused(vfiosafe_read64(view, 0, &value), err, "writing");
	assert_refused(vfiosafe_read64_lo_hi(view, 0, &value), err, "writing");
	assert_refused(vfiosafe_copy_from(view, 0, &value, 8, 8), err, "writing");
	assert_int_equal(value, 0x55);
}

/* Also where a mapping would let them through. */
static void what_was_granted_for_reading_is_not_written(void **state)
{
	(void)state;
	rig_welcome(1);
	rig_range(0, VSF_REACH_DMABUF, VFIOSAFE_GRANT_READ, 0, RIG_BAR);
	assert_ok(rig_join());
	rig_use();
	assert_null(vfiosafe_bar_address(rig.bar));
	writes(&rig.view, EPERM);
	assert_int_equal(rig_called().type, 0);
}

static void what_was_granted_for_writing_is_not_read(void **state)
{
	(void)state;
	rig_welcome(1);
	rig_range(0, VSF_REACH_CALLS, VFIOSAFE_GRANT_WRITE, 0, RIG_BAR);
	assert_ok(rig_join());
	rig_use();
	reads(&rig.view, EPERM);
	assert_int_equal(rig_called().type, 0);
}

static void what_is_the_owners_is_refused(void **state)
{
	struct vfiosafe_sentinel sentinel = { .size = sizeof(sentinel) };
	struct vfiosafe_dma_memory mem;
	struct vfiosafe_window *win = NULL;
	struct vfiosafe_plan *plan = NULL;
	struct vfiosafe_dmabuf *buf = NULL;
	struct vfiosafe_area area = { 0, RIG_PAGE };
	struct vfiosafe_bar *bar = NULL;
	uint64_t iova;
	uint32_t value;
	uint16_t at;

	(void)state;
	assert_refused(vfiosafe_config_read32(rig.dev, 0, &value), EPERM, "belongs", ADDRESS);
	assert_refused(vfiosafe_config_write16(rig.dev, 4, 6), EPERM, "config");
	assert_refused(vfiosafe_config_find(rig.dev, 1, &at), EPERM, "config");
	assert_refused(vfiosafe_irq_count(rig.dev, VFIOSAFE_IRQ_MSIX, &value), EPERM, "irq");
	assert_refused(vfiosafe_irq_enable(rig.dev, VFIOSAFE_IRQ_MSIX, 1, NULL), EPERM, "irq");
	assert_refused(vfiosafe_irq_mask(rig.dev, VFIOSAFE_IRQ_INTX, 0, true), EPERM, "irq");
	assert_refused(vfiosafe_iommu_map(rig.dev, rig.memory, RIG_PAGE, NULL, &iova), EPERM, "");
	assert_refused(vfiosafe_iommu_unmap(rig.dev, 0, RIG_PAGE), EPERM, "iommu_unmap");
	assert_refused(vfiosafe_dma_alloc(&mem, rig.dev, RIG_PAGE, 0), EPERM, "dma_alloc");
	assert_refused(vfiosafe_set_power(rig.dev, VFIOSAFE_D3HOT, NULL), EPERM, "set_power");
	assert_refused(vfiosafe_set_decode(rig.dev, false, NULL), EPERM, "decode");
	assert_refused(vfiosafe_low_power_enter(rig.dev, false, NULL), EPERM, "low_power");
	assert_refused(vfiosafe_set_bus_master(rig.dev, true), EPERM, "bus_master");
	assert_refused(vfiosafe_window_begin(&win, rig.dev, NULL), EPERM, "window_begin");
	assert_refused(vfiosafe_reset_plan(&plan, rig.dev, VFIOSAFE_METHOD_AUTO), EPERM, "plan");
	assert_refused(vfiosafe_set_sentinel(rig.dev, &sentinel), EPERM, "sentinel");
	assert_refused(vfiosafe_dmabuf_export(&buf, rig.bar, &area, 1, 0), EPERM, "dmabuf");
	assert_refused(vfiosafe_bar_adopt(&bar, rig.dev, 0, 0, rig.memory, RIG_PAGE, 0), EPERM,
		       "bar_adopt");
	assert_refused(vfiosafe_device_fd(rig.dev), EPERM, "device_fd");
	assert_rig_state(LIVE);
}

static void a_trusted_client_maps_the_device_fd(void **state)
{
	const int fds[3] = { rig.control_fd, rig.calls_fd, rig.memory_fd };
	const struct vsf_msg msg = { .type = VSF_MSG_WELCOME,
				     .word = rig.page->word,
				     .value = 2,
				     .flags = VSF_WELCOME_DEVICE_FD,
				     .text = ADDRESS };
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	uint32_t value;

	(void)state;
	rig_send(&msg, fds, 3);
	rig_range(0, VSF_REACH_DEVICE, BOTH, RIG_PAGE, RIG_PAGE);
	rig_range(1, VSF_REACH_DEVICE, VFIOSAFE_GRANT_READ, 0, RIG_PAGE);
	assert_ok(rig_join());
	assert_true(vfiosafe_device_fd(rig.dev) >= 0);
	assert_ok(vfiosafe_bar_map(&bar, rig.dev, 0, RIG_PAGE, 0, 0));
	((volatile uint8_t *)vfiosafe_bar_address(bar))[1] = 9;
	assert_int_equal(rig.memory[RIG_PAGE + 1], 9);
	/* A range for reading is read through the fd. */
	assert_ok(vfiosafe_bar_map(&bar, rig.dev, 0, 0, 0, 0));
	assert_ok(vfiosafe_bar_view(bar, &view));
	rig.memory[4] = 5;
	assert_ok(vfiosafe_read32(&view, 4, &value));
	assert_int_equal(value, 5);
	writes(&view, EPERM);
}

static void a_client_that_leaves_says_bye_when_nothing_is_mapped(void **state)
{
	(void)state;
	assert_ok(vfiosafe_device_close(rig.dev, 100));
	rig.dev = NULL;
	assert_heard(BYE);
	assert_heard_nothing();
}

static void a_close_waits_for_open_sections(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &rig.view);
	assert_refused(vfiosafe_device_close(rig.dev, 0), EBUSY, "section");
	assert_rig_state(GONE);
	assert_refused(vfiosafe_begin(&rig.view, &(struct vfiosafe_section){ 0 }), ENODEV, "gone");
	assert_refused(dispatch(), ENODEV, "gone");
	assert_heard_nothing();
	assert_int_equal(release(&holder), -ENODEV);
	assert_ok(vfiosafe_device_close(rig.dev, 100));
	rig.dev = NULL;
	assert_heard(BYE);
}

static void nothing_of_the_device_is_held_over_a_close_that_waits(void **state)
{
	struct holder holder = { 0 };
	char before = (char)rig.memory[0];

	(void)state;
	hold(&holder, &rig.view);
	assert_int_equal(vfiosafe_device_close(rig.dev, 0), -EBUSY);
	/* Its pointer works on, over memory of the process. */
	*(volatile uint8_t *)vfiosafe_bar_address(rig.bar) = 0x31;
	assert_int_equal(rig.memory[0], before);
	assert_int_equal(release(&holder), -ENODEV);
}

/* In the child: 0 if all is refused as it has to be. */
static int as_a_child(void)
{
	struct vfiosafe_section sec;
	uint32_t value = 3;

	if (vfiosafe_device_state(rig.dev) != VFIOSAFE_GONE)
		return 1;
	if (vfiosafe_read32(&rig.view, 0, &value) != -ENODEV || value != 3)
		return 2;
	if (vfiosafe_begin(&rig.view, &sec) != -ENODEV)
		return 3;
	if (dispatch() != -ENODEV || vfiosafe_wait(rig.dev, VFIOSAFE_FOREVER) != -ENODEV ||
	    vfiosafe_reset(rig.dev, NULL) != -ENODEV ||
	    vfiosafe_recover(rig.dev, NULL) != -ENODEV || vfiosafe_probe(rig.dev) != -ENODEV ||
	    vfiosafe_mark_lost(rig.dev, "x") != -ENODEV)
		return 4;
	return vfiosafe_device_close(rig.dev, 0) == 0 ? 0 : 5;
}

static void a_forked_child_is_refused_and_says_nothing(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(as_a_child());
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_heard_nothing();
	assert_int_equal(rig_called().type, 0);
	assert_ok(vfiosafe_write32(&rig.view, 0, 1));
	/* The child has closed its copies, not the parent's epoll. */
	rig_word(3, VFIOSAFE_QUIESCE);
	rig_prepare(RIG_WINDOW, 1000, 0);
	assert_int_equal(rig_dispatch_until_heard().type, VSF_MSG_READY);
}

static void an_unmap_waits_for_sections_and_leaves_the_device_live(void **state)
{
	struct holder holder = { 0 };

	(void)state;
	hold(&holder, &rig.view);
	assert_refused(vfiosafe_bar_unmap(rig.bar, 10), EBUSY, "section");
	assert_rig_state(LIVE);
	assert_ok(vfiosafe_write32(&rig.view, 0, 1));
	assert_ok(release(&holder));
	assert_ok(vfiosafe_bar_unmap(rig.bar, 100));
	assert_rig_state(LIVE);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define MAPPED(test) cmocka_unit_test_setup_teardown(test, rig_setup_mapped, rig_teardown)
	const struct CMUnitTest tests[] = {
		FRESH(a_client_is_welcomed_and_maps_what_was_granted),
		FRESH(what_is_no_socket_for_messages_is_not_joined_over),
		FRESH(hello_says_the_clients_name),
		FRESH(a_range_that_was_not_granted_is_not_mapped),
		FRESH(what_was_granted_for_reading_is_not_written),
		FRESH(what_was_granted_for_writing_is_not_read),
		FRESH(a_trusted_client_maps_the_device_fd),
		MAPPED(what_is_the_owners_is_refused),
		MAPPED(a_client_that_leaves_says_bye_when_nothing_is_mapped),
		MAPPED(a_close_waits_for_open_sections),
		MAPPED(nothing_of_the_device_is_held_over_a_close_that_waits),
		MAPPED(a_forked_child_is_refused_and_says_nothing),
		MAPPED(an_unmap_waits_for_sections_and_leaves_the_device_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
