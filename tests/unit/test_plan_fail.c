/* SPDX-License-Identifier: MIT */
/*
 * Every system call of a plan, and every allocation, fails in turn. Each time the
 * plan is the one that it should be, or it says what it does not know.
 */
#include "plan_rig.h"
#include "sys.h"

/* No call of the kernel's gives it a meaning of its own here. */
#define ERR EPROTO
#define VF "0000:01:10.0"

struct scenario {
	enum vfiosafe_door door;
	enum vfiosafe_method method;
	const char *name;
};

static const struct scenario *now;
static struct vfiosafe_plan *right; /* the plan when nothing fails */
static int given_fd;

static void start(const struct scenario *scenario)
{
	void *state;

	now = scenario;
	plan_setup(&state);
	add_vf(VF, 0, 8);
	fake_add(&bench.k, SIBLING, 9, 4);
	bench.fn->bus_reset = bench.k.fn[2].bus_reset = 1;
	bench.k.hot_extra = 9;
	fake_process(&bench.k, 812, "qemu");
	fake_process_fd(&bench.k, 812, 5, "/dev/vfio/9");
	fake_process_device(&bench.k, 812, 6, VF);
	if (scenario->door != VFIOSAFE_DOOR_FD) {
		plan_open(scenario->door);
		return;
	}
	given_fd = fake_device_fd(&bench.k, bench.fn);
	bench.opts.address = ADDRESS;
	assert_ok(vfiosafe_device_from_fd(&bench.dev, given_fd, &bench.opts));
}

static void stop(void)
{
	void *state = &bench;

	bench.k.fail_nth = 0;
	if (now->door == VFIOSAFE_DOOR_FD)
		assert_ok(vsf_sys(&bench.k.sys, close, given_fd));
	vfiosafe_plan_free(right);
	right = NULL;
	assert_ok(plan_teardown(&state));
}

static bool same_function(const struct vfiosafe_plan_function *a,
			  const struct vfiosafe_plan_function *b)
{
	return strcmp(a->address, b->address) == 0 && strcmp(a->driver, b->driver) == 0 &&
	       a->pid == b->pid && a->holders == b->holders && a->group == b->group &&
	       a->role == b->role && a->owner == b->owner;
}

static bool same(const struct vfiosafe_plan *a, const struct vfiosafe_plan *b)
{
	const struct vfiosafe_plan_function *f = a->functions, *g = b->functions;

	if (strcmp(a->address, b->address) != 0 || strcmp(a->methods, b->methods) != 0 ||
	    a->method != b->method || a->smallest != b->smallest ||
	    a->methods_known != b->methods_known || a->hot_reset != b->hot_reset ||
	    a->block_count != b->block_count || a->function_count != b->function_count)
		return false;
	for (; f && g && same_function(f, g); f = f->next)
		g = g->next;
	return !f && !g;
}

static struct vfiosafe_plan *take(void)
{
	struct vfiosafe_plan *taken = plan;

	plan = NULL;
	return taken;
}

/* The owner of none is told wrong: it is the right one, or unknown. */
static void check_owners(void)
{
	const struct vfiosafe_plan_function *f, *g;

	for (f = plan->functions; f; f = f->next) {
		for (g = right->functions; g && strcmp(g->address, f->address) != 0;)
			g = g->next;
		if (g && f->owner != g->owner)
			assert_int_equal(f->owner, VFIOSAFE_OWNER_UNKNOWN);
	}
}

static void check(int rc)
{
	assert_ok(rc);
	if (!same(plan, right)) {
		if (!plan->unknown[0])
			print_error("%s\n%s", plan_text(), "it is another plan\n");
		assert_true(plan->unknown[0]);
		check_owners();
	}
	assert_state(LIVE);
	assert_generation(1);
}

static void every_call_fails_in_turn(void **state)
{
	unsigned int n = 0;
	bool failed;

	do {
		start(*state);
		assert_ok(ask(now->method));
		assert_string_equal(plan->unknown, "");
		right = take();
		bench.k.fail_err = ERR;
		bench.k.fail_nth = ++n;
		int rc = ask(now->method);

		bench.k.fail_nth = 0;
		failed = bench.k.failed;
		if (failed)
			print_message("%s: call %u (%s 0x%llx) fails: %s\n", now->name, n,
				      fake_call_name(bench.k.failed_call),
				      (unsigned long long)bench.k.failed_key,
				      plan->unknown);
		check(rc);
		stop();
	} while (failed);
	assert_true(n > (now->method == VFIOSAFE_METHOD_HOT ? 60 : 25));
}

static void every_allocation_fails_in_turn(void **state)
{
	unsigned int n = 0;
	bool failed;

	do {
		start(*state);
		heap_fail_nth((int)++n);
		int rc = ask(now->method);

		failed = heap_failed();
		heap_fail_nth(0);
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		if (failed)
			assert_says(vfiosafe_error_text(), "memory");
		stop();
	} while (failed);
	/* The plan, two questions, the functions and what blocks. */
	assert_true(n > (now->method == VFIOSAFE_METHOD_HOT ? 20 : 5));
}

static struct scenario scenarios[] = {
	{ VFIOSAFE_DOOR_CDEV, VFIOSAFE_METHOD_HOT, "hot reset by cdev" },
	{ VFIOSAFE_DOOR_GROUP, VFIOSAFE_METHOD_HOT, "hot reset by group" },
	{ VFIOSAFE_DOOR_FD, VFIOSAFE_METHOD_HOT, "hot reset from an fd" },
	{ VFIOSAFE_DOOR_CDEV, VFIOSAFE_METHOD_AUTO, "smallest by cdev" },
	{ VFIOSAFE_DOOR_GROUP, VFIOSAFE_METHOD_AUTO, "smallest by group" },
	{ VFIOSAFE_DOOR_FD, VFIOSAFE_METHOD_AUTO, "smallest from an fd" },
};

int main(void)
{
	static struct CMUnitTest tests[2 * COUNT(scenarios)];
	static char names[COUNT(tests)][80];

	for (size_t i = 0; i < COUNT(tests); i++) {
		struct scenario *scenario = &scenarios[i / 2];

		snprintf(names[i], sizeof(names[i]), "every_%s_fails_in_turn: %s",
			 i % 2 ? "allocation" : "call", scenario->name);
		tests[i].name = names[i];
		tests[i].test_func =
			i % 2 ? every_allocation_fails_in_turn : every_call_fails_in_turn;
		tests[i].initial_state = scenario;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
