/* SPDX-License-Identifier: MIT */
/* Devices that share an address space, by their IOMMU group or by the broker's choice. */
#include "policy_rig.h"

/* 01:00.0 and 02:00.0 are in one group; 03:00.0 is in another, 04:00.0 in none. */
static int fake_readlink(void *ctx, const char *path, char *buf, size_t len)
{
	(void)ctx;
	if (strstr(path, ":04:00.0"))
		return -ENOENT;
	snprintf(buf, len, "../../kernel/iommu_groups/%d", strstr(path, ":03:00.0") ? 8 : 7);
	return 0;
}

static const struct vfiosafe_sys groups = { .size = sizeof(groups),
					    .readlink = fake_readlink };

static void a_group_is_not_split_over_users(void **state)
{
	(void)state;
	good(A B "client user=7 " ON_A " bar=0 rights=read\n"
		 "client user=8 " ON_B " bar=0 rights=read\n");
	assert_int_equal(spaces_check(&policy, &groups), -EINVAL);
	assert_non_null(strstr(policy.error, ":4: "));
	assert_non_null(strstr(policy.error, "are in one IOMMU group"));
	assert_non_null(strstr(policy.error, "8 is not 7 (line 3)"));
}

static void a_group_is_split_where_both_lines_say_so(void **state)
{
	(void)state;
	good("device 0000:01:00.0 dma_shared\n" B "client user=7 " ON_A " bar=0 rights=read\n"
	     "client user=8 " ON_B " bar=0 rights=read\n");
	assert_int_equal(spaces_check(&policy, &groups), -EINVAL);
	policy_free(&policy);
	good("device 0000:01:00.0 dma_shared\ndevice 0000:02:00.0 dma_shared\n"
	     "client user=7 " ON_A " bar=0 rights=read\n"
	     "client user=8 " ON_B " bar=0 rights=read\n");
	assert_int_equal(spaces_check(&policy, &groups), 0);
}

static void one_user_may_have_a_whole_group_and_others_other_groups(void **state)
{
	(void)state;
	good(A B "device 0000:03:00.0\ndevice 0000:04:00.0\ndevice sim:reg\n"
		 "client user=7 " ON_A " bar=0 rights=read\n"
		 "client user=7 " ON_B " bar=0 rights=read\n"
		 "client user=8 device=0000:03:00.0 bar=0 rights=read\n"
		 "client user=9 device=0000:04:00.0 bar=0 rights=read\n"
		 "client user=10 device=sim:reg bar=0 rights=read\n");
	assert_int_equal(spaces_check(&policy, &groups), 0);
}

/* Of three functions in one set, the middle one is nobody's. */
static void two_users_are_not_joined_by_a_device_between_them(void **state)
{
	struct device device[3] = { { .index = 0 }, { .index = 1 }, { .index = 2 } };
	struct broker broker = { .device = device };

	(void)state;
	good(A B "device 0000:03:00.0\n"
		 "client user=7 " ON_A " bar=0 rights=read\n"
		 "client user=8 device=0000:03:00.0 bar=0 rights=read\n");
	broker.policy = policy;
	device[1].context = 0;
	assert_true(context_may_have(&broker, 0, 1));
	assert_false(context_may_have(&broker, 0, 2));
	device[2].context = 2;
	assert_int_equal(contexts_check(&broker), 0);
	device[2].context = 0;
	assert_int_equal(contexts_check(&broker), -EINVAL);
	assert_non_null(strstr(broker.policy.error, ":5: "));
	assert_non_null(strstr(broker.policy.error, "one IOMMU context"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		reads(a_group_is_not_split_over_users),
		reads(a_group_is_split_where_both_lines_say_so),
		reads(two_users_are_not_joined_by_a_device_between_them),
		reads(one_user_may_have_a_whole_group_and_others_other_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
