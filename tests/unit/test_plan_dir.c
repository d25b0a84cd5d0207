/* SPDX-License-Identifier: MIT */
/* Directories as the real kernel gives them: each name once, whatever goes away. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys.h"
#include "unit.h"

#define FILES 1000

static char dir_path[] = "/tmp/vfiosafe-names-XXXXXX";

static void path_of(int n, char *path, size_t len)
{
	snprintf(path, len, "%s/a-file-with-a-number-%d", dir_path, n);
}

static int setup(void **state)
{
	char path[96];

	(void)state;
	strcpy(dir_path, "/tmp/vfiosafe-names-XXXXXX");
	if (!mkdtemp(dir_path))
		return -1;
	for (int n = 0; n < FILES; n++) {
		path_of(n, path, sizeof(path));
		int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		if (fd < 0)
			return -1;
		close(fd);
	}
	return 0;
}

static int teardown(void **state)
{
	char path[96];

	(void)state;
	for (int n = 0; n < FILES; n++) {
		path_of(n, path, sizeof(path));
		unlink(path);
	}
	return rmdir(dir_path);
}

/* Every name that stays is seen once, while @remove takes away the ones seen. */
static void walk(bool take_away)
{
	struct vsf_dir dir = { .sys = vfiosafe_sys_default(), .path = dir_path };
	static unsigned char seen[FILES];
	const char *name;
	char path[96];
	int rc, n;

	memset(seen, 0, sizeof(seen));
	while ((rc = vsf_dir_next(&dir, &name)) == 1) {
		assert_int_equal(sscanf(name, "a-file-with-a-number-%d", &n), 1);
		assert_in_range(n, 0, FILES - 1);
		assert_int_equal(seen[n]++, 0);
		path_of(n, path, sizeof(path));
		if (take_away)
			assert_ok(unlink(path));
	}
	assert_int_equal(rc, 0);
	for (n = 0; n < FILES; n++)
		assert_int_equal(seen[n], 1);
}

static void every_name_is_given_once(void **state)
{
	(void)state;
	walk(false);
}

static void names_that_were_seen_may_go_away(void **state)
{
	(void)state;
	walk(true);
}

static void a_name_that_does_not_fit_is_an_error(void **state)
{
	const struct vfiosafe_sys *sys = vfiosafe_sys_default();
	uint64_t position = 0;
	char buf[8];

	(void)state;
	assert_int_equal(vsf_sys(sys, dir_names, dir_path, &position, buf, sizeof(buf)),
			 -ENAMETOOLONG);
}

static void what_is_no_directory_is_an_error(void **state)
{
	struct vsf_dir dir = { .sys = vfiosafe_sys_default(), .path = "/dev/null" };
	const char *name;

	(void)state;
	assert_int_equal(vsf_dir_next(&dir, &name), -ENOTDIR);
	dir = (struct vsf_dir){ .sys = vfiosafe_sys_default(), .path = "/no/such/place" };
	assert_int_equal(vsf_dir_next(&dir, &name), -ENOENT);
	/* And stays one. */
	assert_int_equal(vsf_dir_next(&dir, &name), -ENOENT);
}

/* Our own fds, by the walk and by the kernel's own means. */
static void the_fds_of_a_process(void **state)
{
	struct vsf_dir dir = { .sys = vfiosafe_sys_default(), .path = "/proc/self/fd" };
	const char *name;
	bool found = false;
	char want[16];
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	snprintf(want, sizeof(want), "%d", fd);
	while (vsf_dir_next(&dir, &name) == 1)
		found |= strcmp(name, want) == 0;
	assert_true(found);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_name_is_given_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(names_that_were_seen_may_go_away, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_name_that_does_not_fit_is_an_error,
						setup, teardown),
		cmocka_unit_test(what_is_no_directory_is_an_error),
		cmocka_unit_test(the_fds_of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
