/* SPDX-License-Identifier: MIT */
/* Every system call of a set's life fails in turn, and every allocation. */
#include "each_fails.h"
#include "set_rig.h"

static int make(void)
{
	return vfiosafe_set_of(&rig.set, rig.m[0].dev);
}

static int reset(void)
{
	return set_reset_ms(1000);
}

static int reset_with_fall_back(void)
{
	const struct vfiosafe_reset_opts opts = { .size = sizeof(opts),
						  .timeout_ms = 1000,
						  .allow_hot = true };

	return vfiosafe_reset(rig.m[0].dev, &opts);
}

static bool is_live(unsigned int i, uint64_t generation)
{
	return vfiosafe_device_state(rig.m[i].dev) == VFIOSAFE_LIVE &&
	       vfiosafe_device_generation(rig.m[i].dev) == generation;
}

/* No member is left on the way, and all work again. */
static void assert_settled(void)
{
	memset(bench.k.rule, 0, sizeof(bench.k.rule));
	bench.k.hot_err = 0;
	fake_put(&bench.k, FAKE_TEXT, "flr\n", DEVICES "/" ADDRESS "/reset_method");
	for (unsigned int i = 0; i < 2; i++) {
		enum vfiosafe_state state = vfiosafe_device_state(rig.m[i].dev);

		assert_true(state == VFIOSAFE_LIVE || state == VFIOSAFE_FAULT);
		assert_ok(vfiosafe_recover(rig.m[i].dev, NULL));
		assert_ok(vfiosafe_bar_view(rig.m[i].bar, &rig.m[i].view));
	}
	if (!rig.set)
		assert_ok(make());
	assert_ok(reset());
}

static void made_or_not(int rc)
{
	assert_true((rc == 0) == (rig.set != NULL));
	assert_states("LIVE 1, LIVE 1");
	assert_settled();
}

static void called_off_or_in_fault(int rc)
{
	assert_int_equal(rig.m[0].fn->resets, rig.m[1].fn->resets);
	if (rc == 0)
		assert_states("LIVE 2, LIVE 2");
	else if (rc != -EIO)
		assert_states("LIVE 1, LIVE 1");
	else
		assert_true(set_result(0)->result == -EIO || set_result(1)->result == -EIO);
	for (unsigned int i = 0; i < 2 && rc == -EIO; i++) {
		if (set_result(i)->result == 0)
			assert_true(is_live(i, 2));
		else if (set_result(i)->result != -EIO)
			assert_true(is_live(i, 1));
		else
			assert_int_equal(vfiosafe_device_state(rig.m[i].dev),
					 VFIOSAFE_FAULT);
	}
	/* Whoever was told to stop was told to go on, or that all is lost. */
	for (unsigned int i = 0; i < 2; i++)
		if (rig.m[i].count[QUIESCE])
			assert_true(rig.m[i].count[RESUME] + rig.m[i].count[REINIT] +
					    rig.m[i].count[LOST] >
				    0);
	assert_settled();
}

static void fell_back_or_not(int rc)
{
	if (rc == 0)
		assert_true(is_live(0, 2) || is_live(0, 3));
	assert_settled();
}

static int setup_made(void **state)
{
	set_setup(state);
	for (unsigned int i = 0; i < 2; i++)
		assert_ok(vfiosafe_set_bus_master(rig.m[i].dev, true));
	return 0;
}

static int setup_refusing(void **state)
{
	setup_made(state);
	fake_fail(&bench.k, FAKE_IOCTL, HOT, EINVAL, 1);
	return 0;
}

static int setup_failing(void **state)
{
	setup_made(state);
	bench.k.hot_err = ENOTTY;
	bench.k.hot_reach = 2;
	return 0;
}

static int setup_without_methods(void **state)
{
	set_setup_open(state);
	fake_put(&bench.k, FAKE_TEXT, "", DEVICES "/" ADDRESS "/reset_method");
	return 0;
}

static void each_fails(int (*setup)(void **state), enum vfiosafe_door door,
		       int (*run)(void), void (*check)(int rc), bool allocates)
{
	const struct failing f = { setup, set_teardown, door, run, check };

	assert_true(each_call_fails(&f) > 10);
	if (allocates)
		assert_true(each_allocation_fails(&f) > 2);
}

static enum vfiosafe_door door_of(void **state)
{
	return (enum vfiosafe_door)(uintptr_t)*state;
}

static void making_a_set(void **state)
{
	each_fails(set_setup_open, door_of(state), make, made_or_not, true);
}

static void resetting_it(void **state)
{
	each_fails(setup_made, door_of(state), reset, called_off_or_in_fault, true);
}

static void a_reset_that_the_kernel_refuses(void **state)
{
	each_fails(setup_refusing, door_of(state), reset, called_off_or_in_fault, false);
}

static void a_reset_that_fails(void **state)
{
	each_fails(setup_failing, door_of(state), reset, called_off_or_in_fault, false);
}

static void falling_back(void **state)
{
	each_fails(setup_without_methods, door_of(state), reset_with_fall_back,
		   fell_back_or_not, false);
}

#define EACH(name)                                                                       \
	{ #name " by cdev", name, NULL, NULL, (void *)VFIOSAFE_DOOR_CDEV },              \
	{ #name " by group", name, NULL, NULL, (void *)VFIOSAFE_DOOR_GROUP }

int main(void)
{
	static const struct CMUnitTest tests[] = {
		EACH(making_a_set),
		EACH(resetting_it),
		EACH(a_reset_that_the_kernel_refuses),
		EACH(a_reset_that_fails),
		EACH(falling_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
