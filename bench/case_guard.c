/* SPDX-License-Identifier: MIT */
/* The library itself, through its shared object. */
#include "case.h"

static inline void check(int rc)
{
	if (__builtin_expect(rc < 0, 0))
		bench_die("guarded access: %s", vfiosafe_error_text());
}

static inline uint32_t guarded_read(struct bench_rig *rig)
{
	uint32_t value;

	check(vfiosafe_read32(&rig->view, BENCH_REG, &value));
	return value;
}

static inline uint32_t section_read(const struct vfiosafe_section *sec)
{
	const volatile uint8_t *base = vfiosafe_ptr(sec);

	return *(const volatile uint32_t *)(base + BENCH_REG);
}

BENCH_READ(guard, , guarded_read(rig), )
BENCH_WRITE(guard, , check(vfiosafe_write32(&rig->view, BENCH_REG, (uint32_t)n)), )
BENCH_SECTION(guard, struct vfiosafe_section sec; check(vfiosafe_begin(&rig->view, &sec)),
						  section_read(&sec),
						  check(vfiosafe_end(&sec)))

const struct bench_case bench_case_guard = {
	.name = "vfiosafe",
	.read = guard_read,
	.write = guard_write,
	.section = guard_section,
};
