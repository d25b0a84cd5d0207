/* SPDX-License-Identifier: MIT */
/* Virtual functions of a physical function that VFIO has: they are opened by a token. */
#include "set_rig.h"

static const uint8_t secret[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				    0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };
static const uint8_t wrong[16] = { 1 };

static int token_setup(void **state)
{
	set_setup_closed(state);
	rig.m[0].fn->sriov = true;
	rig.m[1].fn->is_vf = true;
	rig.m[1].fn->token = rig.m[0].fn->own_token;
	set_open(0);
	return 0;
}

static int open_vf(const uint8_t *token)
{
	bench.opts.iommu_of = rig.m[0].dev;
	bench.opts.vf_token = token;
	return vfiosafe_device_open(&rig.m[1].dev, SIBLING, &bench.opts);
}

static void with_the_token_that_its_pf_was_told(void **state)
{
	(void)state;
	assert_ok(vfiosafe_vf_token_set(rig.m[0].dev, secret));
	assert_ok(open_vf(secret));
}

static void without_it_or_with_another_it_is_refused(void **state)
{
	(void)state;
	assert_ok(vfiosafe_vf_token_set(rig.m[0].dev, secret));
	assert_refused(open_vf(NULL), EACCES, SIBLING, "vfiosafe_vf_token_set()");
	assert_refused(open_vf(wrong), EACCES, SIBLING, "is not");
	assert_ok(open_vf(secret));
}

static void a_token_for_who_wants_none_is_refused(void **state)
{
	(void)state;
	rig.m[1].fn->token = NULL;
	assert_refused(open_vf(secret), EINVAL, SIBLING, "token");
	assert_ok(open_vf(NULL));
}

static void only_a_physical_function_takes_one(void **state)
{
	(void)state;
	rig.m[0].fn->sriov = false;
	assert_refused(vfiosafe_vf_token_set(rig.m[0].dev, secret), EOPNOTSUPP, ADDRESS,
		       "enable_sriov");
	fake_fail(&bench.k, FAKE_IOCTL, VFIO_DEVICE_FEATURE, EINTR, 1);
	assert_refused(vfiosafe_vf_token_set(rig.m[0].dev, secret), EINTR, ADDRESS);
}

#define TOKEN_TEST(name) BY(token_setup, name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOKEN_TEST(with_the_token_that_its_pf_was_told),
		TOKEN_TEST(without_it_or_with_another_it_is_refused),
		TOKEN_TEST(a_token_for_who_wants_none_is_refused),
		TOKEN_TEST(only_a_physical_function_takes_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
