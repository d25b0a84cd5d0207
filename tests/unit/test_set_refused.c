/* SPDX-License-Identifier: MIT */
/* Sets that are not whole: refused, with the function's name and the way out. */
#include "set_rig.h"

#define THIRD "0000:01:00.2"

static int make(void)
{
	vfiosafe_set_free(rig.set);
	rig.set = NULL;
	return vfiosafe_set_of(&rig.set, rig.m[0].dev);
}

/* Both calls refuse, and nothing was touched. */
#define assert_both_refuse(err, ...)                                                     \
	do {                                                                             \
		assert_refused(set_reset_ms(1000), err, __VA_ARGS__);                    \
		assert_string_equal(bench.k.log, "");                                    \
		assert_states("LIVE 1, LIVE 1");                                         \
		assert_refused(make(), err, __VA_ARGS__);                                \
	} while (0)

/* A third function of the bus, in the same IOMMU group. */
static struct fake_function *add_third(unsigned int group)
{
	struct fake_function *fn = fake_add(&bench.k, THIRD, group, 5);

	fn->bus_reset = 1;
	return fn;
}

static void put_driver(const char *address, const char *name)
{
	char link[96];

	snprintf(link, sizeof(link), "../../../../bus/pci/drivers/%s", name);
	fake_put(&bench.k, FAKE_LINK, link, DEVICES "/%s/driver", address);
}

static void a_function_that_is_bound_elsewhere(void **state)
{
	(void)state;
	add_third(7);
	put_driver(THIRD, "e1000e");
	assert_both_refuse(EBUSY, THIRD " is bound to e1000e", "driver_override");
}

static void a_function_that_nobody_has_open(void **state)
{
	(void)state;
	add_third(7);
	assert_both_refuse(EBUSY, THIRD " is reset together with " ADDRESS,
			   "no member of the set", "opts.iommu_of");
}

static void a_member_that_was_closed_is_missing(void **state)
{
	(void)state;
	vfiosafe_set_free(rig.set);
	rig.set = NULL;
	set_close(1);
	assert_refused(make(), EBUSY, SIBLING " is reset together with " ADDRESS);
	set_open(1);
	assert_ok(make());
	assert_ptr_equal(set_result(1)->dev, rig.m[1].dev);
	assert_ok(set_reset_ms(1000));
}

static void a_function_that_another_process_has_open(void **state)
{
	(void)state;
	add_third(8);
	fake_process(&bench.k, 812, "qemu");
	fake_process_fd(&bench.k, 812, 5, "/dev/vfio/8");
	assert_both_refuse(EBUSY, THIRD, "812 (qemu)", "one process has to open all");
}

/* In our group, by an fd that was passed to it. */
static void a_function_of_our_context_that_another_process_has_open(void **state)
{
	(void)state;
	add_third(7);
	fake_process(&bench.k, 812, "qemu");
	fake_process_device(&bench.k, 812, 5, THIRD);
	assert_both_refuse(EBUSY, THIRD, "process 812 (qemu)", "end that one");
}

static void several_are_all_named(void **state)
{
	(void)state;
	add_third(7);
	fake_add(&bench.k, "0000:01:00.3", 8, 6)->bus_reset = 1;
	put_driver("0000:01:00.3", "e1000e");
	assert_both_refuse(EBUSY, "0000:01:00.3 is bound to e1000e", "(in the way too: " THIRD ")");
}

static void virtual_functions_on_the_bus(void **state)
{
	struct fake_function *vf = add_third(8);

	(void)state;
	vf->is_vf = true;
	fake_put(&bench.k, FAKE_LINK, "../" THIRD, DEVICES "/" ADDRESS "/virtfn0");
	assert_both_refuse(EBUSY, "virtual functions of " ADDRESS, "sriov_numvfs");
}

static void a_bus_that_cannot_be_reset(void **state)
{
	(void)state;
	rig.m[0].fn->bus_reset = rig.m[1].fn->bus_reset = 0;
	assert_both_refuse(EOPNOTSUPP, ADDRESS, "can be reset");
}

static void a_topology_that_does_not_hold_still(void **state)
{
	(void)state;
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, EAGAIN, 1000);
	assert_both_refuse(EBUSY, "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO", "later");
}

static void a_member_without_a_driver(void **state)
{
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .quiesce = set_quiesce };

	(void)state;
	assert_ok(vfiosafe_device_set_driver(rig.m[1].dev, &ops, &rig.m[1]));
	assert_refused(set_reset_ms(1000), EBUSY, SIBLING, "reinit",
		       "vfiosafe_device_set_driver()");
	assert_string_equal(bench.k.log, "");
	assert_ok(vfiosafe_device_set_driver(rig.m[0].dev, NULL, NULL));
	assert_refused(set_reset_ms(1000), EBUSY, ADDRESS, "(in the way too: " SIBLING ")");
	assert_states("LIVE 1, LIVE 1");
	/* The set may be made before the drivers. */
	assert_ok(make());
}

/* Nobody else is hit: it is as with vfiosafe_reset(). */
static void a_function_alone_needs_no_driver(void **state)
{
	(void)state;
	rig.m[1].fn->bus_reset = 2;
	assert_ok(make());
	assert_null(set_result(0)->next);
	assert_ok(vfiosafe_device_set_driver(rig.m[0].dev, NULL, NULL));
	assert_ok(set_reset_ms(1000));
	assert_states("LIVE 2, LIVE 1");
}

static void a_member_that_the_kernel_wants_back(void **state)
{
	(void)state;
	assert_true(fake_signal(rig.m[1].fn, 4));
	assert_refused(set_reset_ms(1000), EBUSY, SIBLING, "release");
	assert_string_equal(bench.k.log, "");
	assert_states("LIVE 1, LIVE 1");
}

static void a_member_in_low_power(void **state)
{
	(void)state;
	assert_ok(vfiosafe_low_power_enter(rig.m[0].dev, false, NULL));
	assert_refused(set_reset_ms(1000), EBUSY, ADDRESS, "vfiosafe_low_power_exit()");
	assert_ok(vfiosafe_low_power_exit(rig.m[0].dev, NULL));
}

static void lists_that_make_no_set(void **state)
{
	struct vfiosafe_device *twice[] = { rig.m[0].dev, rig.m[0].dev };
	struct vfiosafe_device *both[] = { rig.m[0].dev, rig.m[1].dev };
	struct vfiosafe_set *set = NULL;

	(void)state;
	assert_refused(vfiosafe_set_new(&set, both, 0), EINVAL, "at least one");
	assert_refused(vfiosafe_set_new(&set, twice, 2), EINVAL, ADDRESS " is listed twice");
	assert_refused(vfiosafe_set_new(&set, both, 1), EBUSY, SIBLING, "no member");
	rig.m[1].fn->bus_reset = 2;
	assert_refused(vfiosafe_set_new(&set, both, 2), EINVAL, SIBLING, "another bus");
	assert_null(set);
}

static void options_that_are_none(void **state)
{
	struct vfiosafe_reset_opts opts = { .size = 3 };

	(void)state;
	fake_log_clear(&bench.k);
	assert_refused(vfiosafe_set_reset(rig.set, &opts), EINVAL, "opts.size");
	opts.size = sizeof(opts);
	opts.policy = (enum vfiosafe_policy)7;
	assert_refused(vfiosafe_set_reset(rig.set, &opts), EINVAL, "opts.policy");
	assert_string_equal(bench.k.log, "");
}

static void a_call_inside_a_section(void **state)
{
	struct vfiosafe_set *set = NULL;
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&rig.m[0].view, &sec));
	assert_refused(vfiosafe_set_reset(rig.set, NULL), EDEADLK, "section");
	assert_refused(vfiosafe_set_of(&set, rig.m[0].dev), EDEADLK, "section");
	assert_refused(vfiosafe_set_new(&set, &rig.m[0].dev, 1), EDEADLK, "section");
	assert_ok(vfiosafe_end(&sec));
}

static void reset_from_inside(struct set_member *m, enum callback which)
{
	(void)m;
	(void)which;
	assert_refused(vfiosafe_set_reset(rig.set, NULL), EDEADLK, "callback");
	assert_refused(vfiosafe_reset(m->dev, NULL), EDEADLK, "callback");
}

static void a_call_inside_a_callback(void **state)
{
	(void)state;
	rig.m[0].inside = rig.m[1].inside = reset_from_inside;
	assert_ok(set_reset_ms(1000));
	assert_int_equal(rig.m[1].count[REINIT], 1);
}

static void adopted(struct vfiosafe_device **dev, struct fake_function *fn)
{
	int fd = fake_device_fd(&bench.k, fn);

	assert_ok(vfiosafe_device_from_fd(dev, fd, &bench.opts));
	assert_ok(vsf_sys(&bench.k.sys, close, fd));
}

/* Out of a group: whoever opened that has the proof. */
static void an_adopted_device_without_its_group(void **state)
{
	struct vfiosafe_device *dev;
	struct vfiosafe_set *set = NULL;

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_AUTO;
	bench.opts.address = ADDRESS;
	adopted(&dev, rig.m[0].fn);
	assert_refused(vfiosafe_set_of(&set, dev), EBUSY, ADDRESS " was adopted",
		       "whoever opened the group");
	assert_ok(vfiosafe_device_close(dev, 1000));
}

static void an_adopted_device_without_an_address(void **state)
{
	struct vfiosafe_device *dev;
	struct vfiosafe_set *set = NULL;

	(void)state;
	bench.opts.door = VFIOSAFE_DOOR_AUTO;
	adopted(&dev, rig.m[0].fn);
	assert_refused(vfiosafe_set_new(&set, &dev, 1), EINVAL, "opts.address");
	assert_ok(vfiosafe_device_close(dev, 1000));
}

/* Each group in a container of its own: their fds are the proof. */
static void groups_in_two_containers_are_one_set(void **state)
{
	struct vfiosafe_device *devs[2];

	(void)state;
	rig.m[1].fn = fake_add(&bench.k, "0000:02:00.0", 9, 6);
	bench.k.fn[1].bus_reset = 0;
	rig.m[0].fn->bus_reset = rig.m[1].fn->bus_reset = 3;
	set_open(0);
	bench.opts.iommu_of = NULL;
	assert_ok(vfiosafe_device_open(&rig.m[1].dev, "0000:02:00.0", &bench.opts));
	assert_ok(vfiosafe_device_set_driver(rig.m[1].dev, &set_ops, &rig.m[1]));
	assert_refused(make(), EBUSY, "0000:02:00.0", "container");
	devs[0] = rig.m[0].dev;
	devs[1] = rig.m[1].dev;
	assert_ok(vfiosafe_set_new(&rig.set, devs, 2));
	assert_ok(set_reset_ms(1000));
	assert_set_log("quiesce0 quiesce1 HOT ready0 ready1 reinit0 reinit1");
	assert_states("LIVE 2, LIVE 2");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		SET_TEST(a_function_that_is_bound_elsewhere),
		SET_TEST(a_function_that_nobody_has_open),
		SET_TEST(a_member_that_was_closed_is_missing),
		SET_TEST(a_function_that_another_process_has_open),
		SET_TEST(a_function_of_our_context_that_another_process_has_open),
		SET_TEST(several_are_all_named),
		SET_TEST(virtual_functions_on_the_bus),
		SET_TEST(a_bus_that_cannot_be_reset),
		SET_TEST(a_topology_that_does_not_hold_still),
		SET_TEST(a_member_without_a_driver),
		SET_TEST(a_function_alone_needs_no_driver),
		SET_TEST(a_member_that_the_kernel_wants_back),
		SET_TEST(a_member_in_low_power),
		SET_TEST(lists_that_make_no_set),
		SET_TEST(options_that_are_none),
		SET_TEST(a_call_inside_a_section),
		SET_TEST(a_call_inside_a_callback),
		{ "an_adopted_device_without_its_group", an_adopted_device_without_its_group,
		  set_setup_closed, set_teardown, NULL },
		{ "an_adopted_device_without_an_address",
		  an_adopted_device_without_an_address, set_setup_closed, set_teardown, NULL },
		{ "groups_in_two_containers_are_one_set",
		  groups_in_two_containers_are_one_set, set_setup_closed, set_teardown,
		  (void *)VFIOSAFE_DOOR_GROUP },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
