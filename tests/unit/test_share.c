/* SPDX-License-Identifier: MIT */
/* Serving a client: who is let in, and what it gets. */
#include "share_rig.h"

static void a_client_is_welcomed_with_what_it_was_granted(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	assert_int_equal(vsf_word_state(peer.welcome.word), VFIOSAFE_LIVE);
	assert_int_equal(peer.welcome.id, getpid());
	assert_int_equal(peer.welcome.value, 2);
	assert_int_equal(peer.welcome.flags, 0);
	assert_string_equal(peer.welcome.text, ADDRESS);
	assert_int_equal(peer.device_fd, -1);
	assert_int_equal(peer.range[0].offset, 0x1000);
	assert_int_equal(peer.range[0].len, 0x1000);
	assert_int_equal(peer.range[0].flags, RW);
	assert_int_equal(peer.range[0].kind, VSF_REACH_CALLS);
	assert_int_equal(peer.range[1].index, 1);
	assert_int_equal(peer.range[1].flags, VFIOSAFE_GRANT_READ);
	assert_int_equal(vfiosafe_share_count(bench.dev), 1);
	peer_close(&peer);
}

static void serve_returns_at_once_and_says_nothing(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer = serve(&grant);

	(void)state;
	look();
	assert_true(hears_nothing(&peer));
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
	peer_close(&peer);
}

static void the_control_page_can_only_be_read(void **state)
{
	struct peer peer = joined_with(0);

	(void)state;
	assert_published(&peer, LIVE);
	assert_true(mmap(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, peer.control_fd,
			 0) == MAP_FAILED);
	assert_int_equal(ftruncate(peer.control_fd, 0), -1);
	assert_int_equal(write(peer.control_fd, "x", 1), -1);
	peer_close(&peer);
}

static void the_device_fd_goes_to_who_is_trusted_with_it(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_DEVICE_FD);

	(void)state;
	assert_int_equal(peer.welcome.flags, VSF_WELCOME_DEVICE_FD);
	assert_true(peer.device_fd >= 0);
	assert_int_equal(peer.range[0].kind, VSF_REACH_DEVICE);
	assert_int_equal(peer.range[0].value, FAKE_REGION(0) + 0x1000);
	peer_close(&peer);
}

static void a_range_of_no_length_goes_to_the_end_of_its_BAR(void **state)
{
	struct vfiosafe_grant_range range = { .bar = 0, .rights = RW, .offset = 0x800 };
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer;

	(void)state;
	grant.range_count = 1;
	grant.ranges = &range;
	peer = joined(&grant);
	assert_int_equal(peer.range[0].len, 0x10000 - 0x800);
	peer_close(&peer);
}

static int refused_with(struct vfiosafe_grant grant)
{
	struct peer peer = peer_new();
	int rc = vfiosafe_share_serve(bench.dev, peer.owner_end, &grant);

	/* It is still the caller's. */
	assert_int_equal(close(peer.owner_end), 0);
	peer_close(&peer);
	return rc;
}

static void grants_that_make_no_sense_are_refused(void **state)
{
	struct vfiosafe_grant_range range = { .bar = 0, .rights = RW, .len = 0x1000 };
	struct vfiosafe_grant grant = grant_of(0), bad;

	(void)state;
	grant.ranges = &range;
	grant.range_count = 1;
	bad = grant;
	bad.rights = 1u << 9;
	assert_refused(refused_with(bad), EINVAL, "grant->rights", "0x200");
	bad.rights = VFIOSAFE_GRANT_CALLS_ONLY | VFIOSAFE_GRANT_DEVICE_FD;
	assert_refused(refused_with(bad), EINVAL, "exclude");
	bad = grant;
	bad.range_count = VFIOSAFE_GRANT_RANGES + 1;
	assert_refused(refused_with(bad), EINVAL, "at most 16");
	bad = grant;
	bad.ranges = NULL;
	assert_refused(refused_with(bad), EINVAL, "NULL");
	bad = grant;
	bad.size = 3;
	assert_refused(refused_with(bad), EINVAL, "size");
	range.len = 0x10001;
	assert_refused(refused_with(grant), ERANGE, "beyond the end of BAR 0");
	range = (struct vfiosafe_grant_range){ .bar = 0, .rights = RW, .offset = 0x10000 };
	assert_refused(refused_with(grant), ERANGE, "beyond");
	range = (struct vfiosafe_grant_range){ .bar = 1, .rights = RW };
	assert_refused(refused_with(grant), EINVAL, "BAR 1");
	range = (struct vfiosafe_grant_range){ .bar = 77, .rights = RW };
	assert_refused(refused_with(grant), EINVAL, "BAR 77");
	range = (struct vfiosafe_grant_range){ .bar = 0, .rights = 0 };
	assert_refused(refused_with(grant), EINVAL, "rights");
	range = (struct vfiosafe_grant_range){ .bar = 0, .rights = 4 };
	assert_refused(refused_with(grant), EINVAL, "rights");
	assert_refused(vfiosafe_share_serve(bench.dev, 0, NULL), EINVAL, "NULL");
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
}

static void serving_inside_a_section_is_refused(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct vfiosafe_section sec;

	(void)state;
	assert_ok(vfiosafe_begin(&bench.view, &sec));
	assert_refused(vfiosafe_share_serve(bench.dev, 0, &grant), EDEADLK, "section");
	assert_refused(vfiosafe_agent_dispatch(bench.dev), EDEADLK, "section");
	assert_ok(vfiosafe_end(&sec));
}

static void a_device_that_is_not_shared_has_no_agent(void **state)
{
	(void)state;
	assert_refused(vfiosafe_agent_fd(bench.dev), EINVAL, "not shared");
	assert_refused(vfiosafe_agent_dispatch(bench.dev), EINVAL, "not shared");
	assert_refused(vfiosafe_agent_start(bench.dev), EINVAL, "not shared");
}

/* The grant names another: this one is told why, and let go. */
static void turned_away(const struct vfiosafe_grant *grant, const char *why)
{
	struct peer peer = serve(grant);
	struct vsf_msg msg;

	say(&peer, .type = VSF_MSG_HELLO, .text = "tester");
	look();
	msg = hear(&peer, VSF_MSG_REFUSED);
	assert_int_equal(msg.result, -EPERM);
	assert_non_null(strstr(msg.text, why));
	assert_true(is_hung_up(peer.sock));
	assert_int_equal(next_peer_event(), -EPERM);
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
	peer_close(&peer);
}

static void another_process_than_granted_is_turned_away(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);

	(void)state;
	grant.pid = getpid() + 1;
	turned_away(&grant, "the grant is for process");
	grant.pid = getpid();
	grant.check_uid = true;
	grant.uid = getuid() + 1;
	turned_away(&grant, "the grant is for user");
}

static void the_process_that_was_granted_is_let_in(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct peer peer;

	(void)state;
	grant.pid = getpid();
	grant.check_uid = true;
	grant.uid = getuid();
	peer = joined(&grant);
	peer_close(&peer);
}

static void a_client_that_leaves_is_told_of(void **state)
{
	struct peer a = joined_with(0), b = joined_with(0);

	(void)state;
	say(&a, .type = VSF_MSG_BYE);
	look();
	assert_int_equal(next_peer_event(), 0);
	peer_close(&b);
	look();
	assert_int_equal(next_peer_event(), -ESRCH);
	assert_int_equal(next_peer_event(), 1);
	assert_int_equal(vfiosafe_share_count(bench.dev), 0);
	assert_true(is_hung_up(a.sock));
	peer_close(&a);
}

/* It said in what it has nothing: no process needs to end for that. */
static void with_the_device_fd_a_goodbye_is_believed(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_DEVICE_FD);

	(void)state;
	say(&peer, .type = VSF_MSG_BYE);
	look();
	peer_close(&peer);
	assert_ok(reset_ms(100));
}

static void the_cookie_of_a_grant_comes_back_when_its_client_is_gone(void **state)
{
	struct vfiosafe_grant grant = grant_of(0);
	struct vfiosafe_event event;
	struct peer peer;

	(void)state;
	grant.cookie = 0x1234567890abcdef;
	peer = joined(&grant);
	peer_close(&peer);
	look();
	assert_int_equal(vfiosafe_event_read(bench.dev, &event, 1, sizeof(event)), 1);
	assert_int_equal(event.type, VFIOSAFE_EVENT_PEER);
	assert_int_equal(event.result, -ESRCH);
	assert_int_equal(event.cookie, grant.cookie);
}

/* The kernel tells of what it left unread before it tells of the goodbye. */
static void a_goodbye_is_heard_of_who_leaves_something_unread(void **state)
{
	struct peer peer = joined_with(VFIOSAFE_GRANT_DEVICE_FD);

	(void)state;
	assert_ok(vfiosafe_mark_lost(bench.dev, "for a test"));
	say(&peer, .type = VSF_MSG_BYE);
	peer_close(&peer);
	look();
	assert_int_equal(next_peer_event(), 0);
	assert_ok(vfiosafe_recover(bench.dev, NULL));
}

static void closing_tells_the_clients_and_hangs_up(void **state)
{
	struct peer peer = joined_with(0);
	struct vsf_msg msg;

	(void)state;
	bench_close();
	msg = hear(&peer, VSF_MSG_STATE);
	assert_int_equal(vsf_word_state(msg.word), VFIOSAFE_GONE);
	assert_published(&peer, GONE);
	assert_true(is_hung_up(peer.sock));
	assert_true(is_hung_up(peer.calls));
	peer_close(&peer);
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, driver_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(a_client_is_welcomed_with_what_it_was_granted),
		with_device(serve_returns_at_once_and_says_nothing),
		with_device(the_control_page_can_only_be_read),
		with_device(the_device_fd_goes_to_who_is_trusted_with_it),
		with_device(a_range_of_no_length_goes_to_the_end_of_its_BAR),
		with_device(grants_that_make_no_sense_are_refused),
		with_device(serving_inside_a_section_is_refused),
		with_device(a_device_that_is_not_shared_has_no_agent),
		with_device(another_process_than_granted_is_turned_away),
		with_device(the_process_that_was_granted_is_let_in),
		with_device(a_client_that_leaves_is_told_of),
		with_device(the_cookie_of_a_grant_comes_back_when_its_client_is_gone),
		with_device(with_the_device_fd_a_goodbye_is_believed),
		with_device(a_goodbye_is_heard_of_who_leaves_something_unread),
		with_device(closing_tells_the_clients_and_hangs_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
