/* SPDX-License-Identifier: MIT */
/* A device, its neighbours, and plans of it that must not have touched it. */
#ifndef PLAN_RIG_H
#define PLAN_RIG_H

#include "uapi.h"
#include "unit.h"

#define DEVICES "/sys/bus/pci/devices"
#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static struct vfiosafe_plan *plan;
static const char *touched; /* by what call the plan touched something */

/* sysfs and /proc are read from their start; whatever else is read is the device. */
static inline void watch(struct fake *fake, enum fake_call call, uint64_t key)
{
	(void)fake;
	switch (call) {
	case FAKE_OPEN:
	case FAKE_CLOSE:
	case FAKE_READLINK:
	case FAKE_DIR_NAMES:
	case FAKE_EVENT_READ:
	case FAKE_EVENT_WRITE:
		return;
	case FAKE_PREAD:
		if (key == 0)
			return;
		break;
	case FAKE_IOCTL:
		if (key == VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
			return;
		break;
	default:
		break;
	}
	touched = fake_call_name(call);
}

static inline int ask(enum vfiosafe_method method)
{
	int rc;

	vfiosafe_plan_free(plan);
	plan = NULL;
	touched = NULL;
	fake_log_clear(&bench.k);
	bench.k.hook = watch;
	rc = vfiosafe_reset_plan(&plan, bench.dev, method);
	bench.k.hook = NULL;
	assert_null(touched);
	/* Accesses of BARs, COMMAND and PMCSR, and resets. */
	assert_string_equal(bench.k.log, "");
	assert_true((rc == 0) == (plan != NULL));
	return rc;
}

static inline const struct vfiosafe_plan_function *function(uint32_t n)
{
	const struct vfiosafe_plan_function *f = plan->functions;

	while (f && n-- > 0)
		f = f->next;
	assert_non_null(f);
	return f;
}

static inline const char *plan_text(void)
{
	static char text[16384];

	assert_true(vfiosafe_plan_text(plan, text, sizeof(text)) < sizeof(text));
	return text;
}

#define assert_says(text, word)                                                          \
	do {                                                                             \
		const char *said_ = (text);                                              \
		if (!strstr(said_, word)) {                                              \
			print_error("\"%s\" does not say \"%s\"\n", said_, word);        \
			fail();                                                          \
		}                                                                        \
	} while (0)

/* The only block there is: its reason, and words of its text and of its remedy. */
static inline void assert_blocked(enum vfiosafe_block_reason reason, const char *text,
				  const char *remedy)
{
	assert_false(plan->possible);
	assert_int_equal(plan->block_count, 1);
	assert_int_equal(plan->blocks->reason, reason);
	assert_null(plan->blocks->next);
	assert_says(plan->blocks->text, text);
	assert_says(plan->blocks->remedy, remedy);
}

static inline void assert_possible(void)
{
	if (plan->blocks)
		print_error("blocked: %s\n", plan->blocks->text);
	assert_true(plan->possible);
	assert_null(plan->blocks);
	assert_int_equal(plan->block_count, 0);
}

static inline void put_methods(const char *methods)
{
	fake_put(&bench.k, FAKE_TEXT, methods, DEVICES "/" ADDRESS "/reset_method");
}

static inline void put_driver(const char *address, const char *driver)
{
	char link[96];

	snprintf(link, sizeof(link), "../../../../bus/pci/drivers/%s", driver);
	fake_put(&bench.k, FAKE_LINK, link, DEVICES "/%s/driver", address);
}

/* A virtual function of bench.fn, on bus 01 as the first ones are. */
static inline struct fake_function *add_vf(const char *address, unsigned int index,
					   unsigned int group)
{
	struct fake_function *vf = fake_add(&bench.k, address, group, 10 + index);
	char link[32];

	vf->is_vf = true;
	vf->bus_reset = bench.fn->bus_reset;
	snprintf(link, sizeof(link), "../%s", address);
	fake_put(&bench.k, FAKE_LINK, link, DEVICES "/" ADDRESS "/virtfn%u", index);
	return vf;
}

static inline void plan_open(enum vfiosafe_door door)
{
	bench.opts.door = door;
	assert_ok(vfiosafe_device_open(&bench.dev, ADDRESS, &bench.opts));
}

static inline int plan_setup(void **state)
{
	bench_setup(state);
	fake_processes_start(&bench.k);
	put_methods("flr bus\n");
	return 0;
}

static inline int plan_teardown(void **state)
{
	vfiosafe_plan_free(plan);
	plan = NULL;
	return bench_teardown(state);
}

#define PLAN_TEST(name) cmocka_unit_test_setup_teardown(name, plan_setup, plan_teardown)

#endif
