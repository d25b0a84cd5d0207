/* SPDX-License-Identifier: MIT */
/* The simulated device's door: open, fds, mappings, and what close leaves. */
#include "sim_rig.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int setup(void **state)
{
	static struct rig rig;

	rig_open(&rig, VFIOSAFE_SIM_ALL_ONES, 0, 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void open_refuses_what_it_does_not_know(void **state)
{
	struct {
		struct vfiosafe_sim_opts opts;
		uint64_t later;
	} newer = { .opts.size = sizeof(newer) };
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts) };
	struct vfiosafe_sim *sim = NULL;

	(void)state;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:toaster", NULL), -ENOENT);
	assert_int_equal(vfiosafe_sim_open(&sim, NULL, NULL), -EINVAL);
	assert_int_equal(vfiosafe_sim_open(NULL, "sim:reg", NULL), -EINVAL);
	opts.window = (enum vfiosafe_sim_window)99;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &opts), -EINVAL);
	opts = (struct vfiosafe_sim_opts){ .size = 0 };
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &opts), -EINVAL);
	newer.later = 1;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &newer.opts), -EINVAL);
	assert_null(sim);
	newer.later = 0;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", &newer.opts), 0);
	vfiosafe_sim_close(sim);
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:reg", NULL), 0);
	vfiosafe_sim_close(sim);
	vfiosafe_sim_close(NULL);
}

/* In a child, because a filter is for life. */
static void without_userfaultfd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	struct vfiosafe_sim_opts opts = { .size = sizeof(opts) };
	struct vfiosafe_sim *sim = NULL;
	int wrong = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
	opts.window = VFIOSAFE_SIM_STALL;
	wrong |= vfiosafe_sim_open(&sim, "sim:reg", &opts) != -EPERM;
	opts.window = VFIOSAFE_SIM_MIXED;
	wrong |= vfiosafe_sim_open(&sim, "sim:reg", &opts) != -EPERM;
	opts.window = VFIOSAFE_SIM_ALL_ONES;
	wrong |= vfiosafe_sim_open(&sim, "sim:reg", &opts) != 0;
	_exit(wrong);
}

static void stalling_needs_userfaultfd_and_says_so(void **state)
{
	pid_t child = fork();
	int status = 0;

	(void)state;
	if (child == 0)
		without_userfaultfd();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void other_ioctls_are_enotty(void **state)
{
	uint32_t feature[2] = { sizeof(feature), 0 };

	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_FEATURE, feature), -ENOTTY);
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_SET_IRQS, NULL), -EFAULT);
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_IOEVENTFD, NULL), -ENOTTY);
	assert_int_equal(rig_ioctl(*state, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, NULL),
			 -ENODEV);
}

static void mmap_follows_the_rules_of_the_kernel(void **state)
{
	struct rig *rig = *state;
	void *addr = NULL;
	int rw = PROT_READ | PROT_WRITE;

	assert_int_equal(rig_mmap(rig, &addr, 4096, rw, MAP_PRIVATE, REGION(0)), -EINVAL);
	assert_int_equal(rig_mmap(rig, &addr, 4096, rw, MAP_SHARED, REGION(2)), -EINVAL);
	assert_int_equal(rig_mmap(rig, &addr, 4096, rw, MAP_SHARED, REGION(4)), -EINVAL);
	assert_int_equal(rig_mmap(rig, &addr, 4096, rw, MAP_SHARED, REGION(7)), -EINVAL);
	assert_int_equal(rig_mmap(rig, &addr, 4096, rw, MAP_SHARED, BAR0_LEN), -EINVAL);
	assert_int_equal(rig_mmap(rig, &addr, BAR0_LEN, rw, MAP_SHARED, 4096), -EINVAL);
	assert_int_equal(rig_mmap(rig, &addr, 4096, rw, MAP_SHARED, 512), -EINVAL);
	assert_null(addr);
}

static void part_of_a_bar_maps_where_the_caller_wants_it(void **state)
{
	struct rig *rig = *state;
	void *addr = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *part = (char *)addr + 4096;

	assert_ptr_not_equal(addr, MAP_FAILED);
	assert_int_equal(rig_mmap(rig, &part, 4096, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, 0xa000),
			 0);
	assert_ptr_equal(part, (char *)addr + 4096);
	*reg32(part, 0) = 0x77;
	assert_int_equal(*reg32(rig->bar, 0xa000), 0x77);
	rig_unmap(rig, addr, 3 * 4096);
}

/* By the table, and by a dup that the table knows nothing of. */
static void duplicates_of_the_fd_are_the_device_too(void **state)
{
	struct rig *rig = *state;
	int by_table = rig->sys->dup(rig->sys->ctx, rig->fd);
	int by_hand = dup(rig->fd);
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t id = 0;

	assert_true(by_table >= 0 && by_hand >= 0);
	assert_int_equal(fcntl(by_table, F_GETFD), FD_CLOEXEC);
	assert_int_equal(
		rig->sys->ioctl(rig->sys->ctx, by_table, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(rig->sys->pread(rig->sys->ctx, by_hand, &id, 4, 0), 4);
	assert_int_equal(id, VFIOSAFE_SIM_ID);
	assert_int_equal(rig->sys->close(rig->sys->ctx, by_table), 0);
	assert_int_equal(close(by_hand), 0);
}

static void other_files_go_to_the_real_kernel(void **state)
{
	struct rig *rig = *state;
	const struct vfiosafe_sys *sys = rig->sys;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int gone = sys->dup(sys->ctx, rig->fd);
	void *addr = NULL;
	char byte = 1;
	int fd;

	assert_int_equal(sys->close(sys->ctx, gone), 0);
	/* gets the number that was the device a moment ago */
	fd = sys->open(sys->ctx, "/dev/zero", O_RDWR);
	assert_int_equal(fd, gone);
	assert_int_equal(sys->pread(sys->ctx, fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(sys->pwrite(sys->ctx, fd, &byte, 1, 0), 1);
	assert_int_equal(sys->ioctl(sys->ctx, fd, VFIO_DEVICE_GET_INFO, &info), -ENOTTY);
	assert_int_equal(sys->mmap(sys->ctx, &addr, 4096, PROT_READ, MAP_PRIVATE, fd, 0),
			 0);
	assert_int_equal(*reg32(addr, 0), 0);
	rig_unmap(rig, addr, 4096);
	assert_int_equal(sys->close(sys->ctx, fd), 0);
	assert_int_equal(sys->ioctl(sys->ctx, -1, VFIO_DEVICE_GET_INFO, &info), -EBADF);
}

static void a_device_is_not_the_other_device(void **state)
{
	struct rig *rig = *state;
	struct rig other;

	rig_open(&other, VFIOSAFE_SIM_ALL_ONES, 0, 0);
	*reg32(other.bar, VFIOSAFE_SIM_REG_HOLD) = 5;
	assert_int_equal(*reg32(rig->bar, VFIOSAFE_SIM_REG_HOLD), 0);
	assert_int_equal(rig_reset(&other), 0);
	assert_int_equal(rig_counts(rig).resets, 0);
	/* a pipe does not know what a reset is */
	assert_int_equal(
		rig->sys->ioctl(rig->sys->ctx, other.fd, VFIO_DEVICE_RESET, NULL),
		-ENOTTY);
	rig_close(&other);
}

static unsigned int entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static bool mapped(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		found = found || strstr(line, name);
	fclose(maps);
	return found;
}

static void close_leaves_no_fd_thread_or_mapping(void **state)
{
	unsigned int fds = entries("/proc/self/fd");
	unsigned int threads;
	struct rig rig;

	(void)state;
	assert_false(mapped("vfiosafe-sim"));
	/* sanitizers start a thread of their own with the first of ours */
	rig_open(&rig, VFIOSAFE_SIM_MIXED, 0, 0);
	assert_true(mapped("vfiosafe-sim"));
	threads = entries("/proc/self/task");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(rig_reset(&rig), 0);
		rig_close(&rig);
		until(entries("/proc/self/task") == threads - 1);
		assert_false(mapped("vfiosafe-sim"));
		assert_int_equal(entries("/proc/self/fd"), fds);
		rig_open(&rig, VFIOSAFE_SIM_MIXED, 0, 0);
	}
	rig_close(&rig);
	assert_int_equal(entries("/proc/self/fd"), fds);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	/* first: the child should have no threads to inherit the locks of */
	cmocka_unit_test(stalling_needs_userfaultfd_and_says_so),
	cmocka_unit_test(open_refuses_what_it_does_not_know),
	TEST(other_ioctls_are_enotty),
	TEST(mmap_follows_the_rules_of_the_kernel),
	TEST(part_of_a_bar_maps_where_the_caller_wants_it),
	TEST(duplicates_of_the_fd_are_the_device_too),
	TEST(other_files_go_to_the_real_kernel),
	TEST(a_device_is_not_the_other_device),
	cmocka_unit_test(close_leaves_no_fd_thread_or_mapping),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
