/* SPDX-License-Identifier: MIT */
/* The policy file: what it gives, and each reason for which it is refused. */
#include "policy_rig.h"

static void all_that_can_be_said_is_read(void **state)
{
	const struct policy_client *client;

	(void)state;
	good("# a comment\n\n"
	     "device 0000:0A:00.1 door=group dma_shared owner=7 group=8 mode=0660 clients=3 "
	     "reset-timeout-ms=50 # another\n"
	     "device sim:reg:label\n"
	     "client user=root device=0000:0a:00.1 bar=2 offset=0x1000 length=4k "
	     "rights=read,write,reset,kill,calls-only reset-interval-ms=100 dma=64M");
	assert_int_equal(policy.devices, 2);
	assert_string_equal(policy.device[0].name, "0000:0a:00.1");
	assert_int_equal(policy.device[0].door, VFIOSAFE_DOOR_GROUP);
	assert_true(policy.device[0].dma_shared);
	assert_int_equal(policy.device[0].owner, 7);
	assert_int_equal(policy.device[0].group, 8);
	assert_int_equal(policy.device[0].mode, 0660);
	assert_int_equal(policy.device[0].clients, 3);
	assert_int_equal(policy.device[0].timeout_ms, 50);
	assert_false(policy.device[1].dma_shared);
	assert_int_equal(policy.clients, 1);
	client = &policy.client[0];
	assert_int_equal(client->uid, 0);
	assert_int_equal(client->device, 0);
	assert_int_equal(client->range.bar, 2);
	assert_int_equal(client->range.offset, 0x1000);
	assert_int_equal(client->range.len, 4096);
	assert_int_equal(client->range.rights, VFIOSAFE_GRANT_READ | VFIOSAFE_GRANT_WRITE);
	assert_int_equal(client->rights, VFIOSAFE_GRANT_RESET | VFIOSAFE_GRANT_KILL |
						 VFIOSAFE_GRANT_CALLS_ONLY);
	assert_int_equal(client->interval, 100);
	assert_int_equal(client->dma, 64 << 20);
}

static void lines_of_one_user_add_up(void **state)
{
	struct policy_grant grant;

	(void)state;
	good(A B "client user=7 " ON_A " bar=0 length=4096 rights=read\n"
		 "client user=7 " ON_A " bar=0 offset=4096 length=4096 rights=write,reset\n"
		 "client user=7 " ON_A " rights=kill dma=1M reset-interval-ms=5\n"
		 "client user=8 " ON_B " bar=0 rights=read\n");
	assert_true(policy_grant(&policy, 0, 7, &grant));
	assert_string_equal(grant.user, "7");
	assert_int_equal(grant.count, 2);
	assert_int_equal(grant.range[1].offset, 4096);
	assert_int_equal(grant.rights & VFIOSAFE_GRANT_RESET, VFIOSAFE_GRANT_RESET);
	assert_int_equal(grant.rights & VFIOSAFE_GRANT_KILL, VFIOSAFE_GRANT_KILL);
	assert_int_equal(grant.interval, 5);
	assert_int_equal(grant.dma, 1 << 20);
	assert_true(grant.writes);
	assert_true(policy_grant(&policy, 1, 8, &grant));
	assert_int_equal(grant.count, 1);
	assert_false(grant.writes);
	assert_int_equal(policy_only_user(&policy, 0), 7);
}

static void who_is_not_in_it_gets_nothing(void **state)
{
	struct policy_grant grant;

	(void)state;
	good(A B "client user=7 " ON_A " bar=0 rights=read\n");
	assert_false(policy_grant(&policy, 0, 8, &grant));
	assert_false(policy_grant(&policy, 0, 0, &grant));
	assert_false(policy_grant(&policy, 1, 7, &grant));
	assert_int_equal(policy_only_user(&policy, 1), (uid_t)-1);
}

static const struct {
	const char *text, *line, *why;
} refused[] = {
	{ "", ":1: ", "nothing to serve" },
	{ "devices 0000:01:00.0\n", ":1: ", "begins with device or client" },
	{ "device\n", ":1: ", "which?" },
	{ "\ndevice 0000:01:00\n", ":2: ", "not a PCI address" },
	{ "device 0000:01:00.8\n", ":1: ", "not a PCI address" },
	{ "device 0000:01:00.0.\n", ":1: ", "not a PCI address" },
	{ "device sim:reg/../../x\n", ":1: ", "not a PCI address" },
	{ A "device 0000:01:00.0\n", ":2: ", "said twice" },
	{ "device 0000:0a:00.0\ndevice 0000:0A:00.0\n", ":2: ", "said twice" },
	{ "device 0000:01:00.0 door=fd\n", ":1: ", "door=fd" },
	{ "device 0000:01:00.0 mode=0777\n", ":1: ", "octal mode" },
	{ "device 0000:01:00.0 mode=-1\n", ":1: ", "octal mode" },
	{ "device 0000:01:00.0 owner=nobody-of-that-name\n", ":1: ", "no user" },
	{ "device 0000:01:00.0 group=nobody-of-that-name\n", ":1: ", "no group" },
	{ "device 0000:01:00.0 owner=4294967295\n", ":1: ", "more than" },
	{ "device 0000:01:00.0 clients=33\n", ":1: ", "more than" },
	{ "device 0000:01:00.0 clients=0\n", ":1: ", "makes no sense" },
	{ "device 0000:01:00.0 reset-timeout-ms=0\n", ":1: ", "makes no sense" },
	{ "device 0000:01:00.0 shared\n", ":1: ", "not key=value" },
	{ "device 0000:01:00.0 user=root\n", ":1: ", "a device has no user" },
	{ "device 0000:01:00.0 door=cdev door=group\n", ":1: ", "door= is said twice" },
	{ A "client " ON_A " bar=0 rights=read\n", ":2: ", "needs user=" },
	{ A "client user=7 bar=0 rights=read\n", ":2: ", "needs user=" },
	{ A "client user=7 " ON_A " bar=0\n", ":2: ", "needs user=" },
	{ A "client user=nobody-of-that-name " ON_A " bar=0 rights=read\n", ":2: ", "no user" },
	{ A "client user=7 " ON_B " bar=0 rights=read\n", ":2: ", "no line above" },
	{ A "client user=7 " ON_A " bar=6 rights=read\n", ":2: ", "more than" },
	{ A "client user=7 " ON_A " bar=zero rights=read\n", ":2: ", "not a number" },
	{ A "client user=7 " ON_A " bar=0 offset=0x rights=read\n", ":2: ", "not a number" },
	{ A "client user=7 " ON_A " bar=0 offset=-4096 rights=read\n", ":2: ", "not a number" },
	{ A "client user=7 " ON_A " bar=0 length=4kk rights=read\n", ":2: ", "not a number" },
	{ A "client user=7 " ON_A " bar=0 length= rights=read\n", ":2: ", "not a number" },
	{ A "client user=7 " ON_A " bar=0 length=99999999999999999999 rights=read\n", ":2: ",
	  "more than" },
	{ A "client user=7 " ON_A " bar=0 length=0 rights=read\n", ":2: ", "makes no sense" },
	{ A "client user=7 " ON_A " rights=reset dma=0\n", ":2: ", "makes no sense" },
	{ A "client user=7 " ON_A " bar=0 offset=0x7fffffffffffffff length=1 rights=read\n",
	  ":2: ", "overflow" },
	{ A "client user=7 " ON_A " bar=0 rights=read,everything\n", ":2: ",
	  "no right everything" },
	{ A "client user=7 " ON_A " bar=0 rights=\n", ":2: ", "says none" },
	{ A "client user=7 " ON_A " rights=read\n", ":2: ", "needs bar=" },
	{ A "client user=7 " ON_A " bar=0 rights=reset\n", ":2: ", "needs the right" },
	{ A "client user=7 " ON_A " offset=0 rights=reset\n", ":2: ", "need bar=" },
	{ A "client user=7 user=8 " ON_A " rights=reset\n", ":2: ", "user= is said twice" },
	{ A "client user=7 " ON_A " mode=0600 rights=reset\n", ":2: ", "a client has no mode" },
	{ A "client user=7 " ON_A " bar=0 rights=read,device-fd,calls-only\n", ":2: ",
	  "exclude" },
	{ A "client user=7 " ON_A " bar=0 rights=read,device-fd\n"
	    "client user=7 " ON_A " bar=1 rights=read,calls-only\n",
	  ":3: ", "exclude" },
	{ A "client user=7 " ON_A " rights=reset reset-interval-ms=1\n"
	    "client user=7 " ON_A " rights=reset reset-interval-ms=2\n",
	  ":3: ", "line 2 has said reset-interval-ms" },
	{ A "client user=7 " ON_A " rights=reset dma=1M\n"
	    "client user=7 " ON_A " rights=reset dma=1M\n",
	  ":3: ", "line 2 has said dma" },
};

static void what_makes_no_sense_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (read_text(refused[i].text) != -EINVAL)
			fail_msg("not refused: %s", refused[i].text);
		if (!strstr(policy.error, refused[i].line) ||
		    !strstr(policy.error, refused[i].why))
			fail_msg("'%s' instead of '%s' in line '%s'", policy.error,
				 refused[i].why, refused[i].line);
		policy_free(&policy);
	}
}

#define SHARED "device 0000:01:00.0 dma_shared mode=0666\n"

static void users_in_each_others_way_are_refused(void **state)
{
	static const char *const overlapping[] = {
		"offset=0 length=0x2000",      /* begins before */
		"offset=0x1fff length=1",      /* the last byte */
		"offset=0x1800",	       /* to the end of the BAR */
		"offset=0x1000 length=0x1000", /* the same */
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(overlapping) / sizeof(overlapping[0]); i++) {
		snprintf(text, sizeof(text),
			 SHARED "client user=7 " ON_A
				" bar=0 offset=0x1000 length=0x1000 rights=read\n"
				"client user=8 " ON_A " bar=0 %s rights=read\n",
			 overlapping[i]);
		assert_int_equal(read_text(text), -EINVAL);
		assert_non_null(strstr(policy.error, ":3: "));
		assert_non_null(strstr(policy.error, "overlaps what line 2 grants to 7"));
		policy_free(&policy);
	}
	good(SHARED "client user=7 " ON_A " bar=0 offset=0x1000 length=0x1000 rights=read\n"
		    "client user=8 " ON_A " bar=0 offset=0x2000 rights=read\n"
		    "client user=9 " ON_A " bar=0 offset=0 length=0x1000 rights=read\n"
		    "client user=9 " ON_A " bar=1 rights=read\n"
		    "client user=9 " ON_A " bar=1 rights=write\n");
}

static void a_device_fd_is_for_one_user(void **state)
{
	(void)state;
	assert_int_equal(read_text(SHARED "client user=7 " ON_A " rights=device-fd\n"
					  "client user=8 " ON_A " bar=0 rights=read\n"),
			 -EINVAL);
	assert_non_null(strstr(policy.error, ":3: the device fd of 0000:01:00.0 gives"));
}

static void two_users_of_a_device_have_to_be_declared(void **state)
{
	(void)state;
	assert_int_equal(read_text("device 0000:01:00.0 mode=0666\n"
				   "client user=7 " ON_A " bar=0 rights=read\n"
				   "client user=8 " ON_A " bar=1 rights=read\n"),
			 -EINVAL);
	assert_non_null(strstr(policy.error, ":3: "));
	assert_non_null(strstr(policy.error, "Say dma_shared in line 1"));
	policy_free(&policy);
	assert_int_equal(read_text("device 0000:01:00.0 dma_shared\n"
				   "client user=7 " ON_A " bar=0 rights=read\n"
				   "client user=8 " ON_A " bar=1 rights=read\n"),
			 -EINVAL);
	assert_non_null(strstr(policy.error, ":1: "));
	assert_non_null(strstr(policy.error, "who may connect"));
}

static void a_user_has_at_most_as_many_ranges_as_a_grant(void **state)
{
	char text[4096] = A;

	(void)state;
	for (int i = 0; i <= VFIOSAFE_GRANT_RANGES; i++)
		strcat(text, "client user=7 " ON_A " bar=0 rights=read\n");
	assert_int_equal(read_text(text), -EINVAL);
	assert_non_null(strstr(policy.error, ":18: more than 16 ranges"));
}

static void a_file_that_is_not_there_is_named(void **state)
{
	(void)state;
	assert_int_equal(policy_read(&policy, "/nonexistent/policy"), -ENOENT);
	assert_string_equal(policy.error, "/nonexistent/policy: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		reads(all_that_can_be_said_is_read),
		reads(lines_of_one_user_add_up),
		reads(who_is_not_in_it_gets_nothing),
		reads(what_makes_no_sense_is_refused_with_its_line),
		reads(users_in_each_others_way_are_refused),
		reads(a_device_fd_is_for_one_user),
		reads(two_users_of_a_device_have_to_be_declared),
		reads(a_user_has_at_most_as_many_ranges_as_a_grant),
		reads(a_file_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
