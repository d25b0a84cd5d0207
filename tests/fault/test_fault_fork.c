/* SPDX-License-Identifier: MIT */
/* Fork and exec in every state. The checks in a child are its exit status. */
#include "fault_rig.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child: the line of the first thing that is wrong becomes the exit status. */
#define must(condition)                                                                  \
	do {                                                                             \
		if (!(condition))                                                        \
			_exit(__LINE__ & 0x7f);                                          \
	} while (0)

static int in_child(void (*fn)(struct rig *), struct rig *rig)
{
	struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(30);
		fn(rig);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_child_is_content(void (*fn)(struct rig *), struct rig *rig)
{
	int status = in_child(fn, rig);

	if (WIFSIGNALED(status))
		fail_msg("the child died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		fail_msg("the child failed at line %d (modulo 128)", WEXITSTATUS(status));
}

static void everything_is_refused(struct rig *rig)
{
	struct vfiosafe_window *win;
	struct vfiosafe_section sec;
	struct vfiosafe_view view;
	struct vfiosafe_bar *bar;
	uint32_t value = 1;

	must(vfiosafe_device_state(rig->dev) == VFIOSAFE_GONE);
	must(vfiosafe_begin(&rig->view, &sec) == -ENODEV);
	must(vfiosafe_read32(&rig->view, 0, &value) == -ENODEV && value == 1);
	must(vfiosafe_write32(&rig->view, 0, 1) == -ENODEV);
	must(vfiosafe_bar_view(rig->bar, &view) == -ENODEV);
	must(vfiosafe_bar_map(&bar, rig->dev, 0, 0, 0, 0) == -ENODEV);
	must(vfiosafe_bar_unmap(rig->bar, 10) == -ENODEV);
	must(vfiosafe_wait(rig->dev, vfiosafe_deadline_in_ms(10)) == -ENODEV);
	must(vfiosafe_reset(rig->dev, NULL) == -ENODEV);
	must(vfiosafe_recover(rig->dev, NULL) == -ENODEV);
	must(vfiosafe_mark_lost(rig->dev, "child") == -ENODEV);
	must(vfiosafe_window_begin(&win, rig->dev, NULL) == -ENODEV);
	must(vfiosafe_device_set_driver(rig->dev, NULL, NULL) == -ENODEV);
	must(vfiosafe_device_close(rig->dev, 10) == 0);
}

static void nothing_is_left(struct rig *rig)
{
	everything_is_refused(rig);
	must(count_maps(ONES_MAP) == 0);
}

/* The child's raw pointer leads nowhere: it does not keep the device open. */
static void touch_raw(struct rig *rig)
{
	signal(SIGSEGV, SIG_DFL);
	(void)*rig_reg32(rig, 0);
}

static void assert_child_is_shut_out(struct rig *rig)
{
	int status = in_child(touch_raw, rig);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_child_is_content(nothing_is_left, rig);
}

static void a_child_of_a_live_process_is_shut_out(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	assert_child_is_shut_out(&rig);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

/* A child that is made inside a section has that section too. */
static struct vfiosafe_section open_section;

static void end_section_and_close(struct rig *rig)
{
	must(vfiosafe_check(&open_section) == -ENODEV);
	must(vfiosafe_device_close(rig->dev, 10) == -EDEADLK);
	must(vfiosafe_end(&open_section) == -ENODEV);
	nothing_is_left(rig);
}

static void a_child_of_a_process_in_fault_is_shut_out(void **state)
{
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	/* A gate that is closed, and a word that has not followed yet. */
	assert_int_equal(vfiosafe_begin(&rig.view, &open_section), 0);
	assert_child_is_content(end_section_and_close, &rig);
	rig_away(&rig, DECODE_OFF);
	(void)*rig_reg32(&rig, 0);
	assert_child_is_content(end_section_and_close, &rig);
	assert_int_equal(vfiosafe_end(&open_section), -EIO);
	assert_child_is_content(nothing_is_left, &rig);
	assert_int_equal(vfiosafe_recover(rig.dev, NULL), 0);
	/* What was mapped back is kept from children as before. */
	assert_child_is_shut_out(&rig);
	rig_assert_live(&rig);
	rig_close(&rig);
	rig_restore();
}

static void a_child_is_shut_out_at_every_step_of_a_window(void **state)
{
	struct vfiosafe_window *win;
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, NULL);
	for (int from_fault = 0; from_fault < 2; from_fault++) {
		if (from_fault) {
			rig_away(&rig, DECODE_OFF);
			(void)*rig_reg32(&rig, 0);
		}
		assert_int_equal(vfiosafe_window_begin(&win, rig.dev, NULL), 0);
		assert_child_is_content(nothing_is_left, &rig);
		assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_COMMIT);
		assert_child_is_content(nothing_is_left, &rig);
		assert_int_equal(vfiosafe_window_commit(win), 0);
		assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_REINIT);
		assert_child_is_content(nothing_is_left, &rig);
		assert_int_equal(vfiosafe_window_poll(win), VFIOSAFE_STEP_FINISH);
		assert_child_is_content(nothing_is_left, &rig);
		assert_int_equal(vfiosafe_window_finish(win), 0);
		vfiosafe_window_end(win);
		rig_assert_live(&rig);
	}
	rig_close(&rig);
	rig_restore();
}

struct crowd {
	struct rig *rig;
	bool stop;
	uint64_t faults;
	pthread_t thread[3];
};

static void *fault_on(void *arg)
{
	struct crowd *crowd = arg;
	uint32_t value;

	while (!__atomic_load_n(&crowd->stop, __ATOMIC_ACQUIRE)) {
		if (rig_touch(crowd->rig, 0x3000, &value) == -EIO)
			__atomic_fetch_add(&crowd->faults, 1, __ATOMIC_RELAXED);
		if (vfiosafe_wait(crowd->rig->dev, vfiosafe_deadline_in_ms(1000)) < 0)
			sched_yield();
	}
	return NULL;
}

/* Somebody may be inside the handler, or hold a lock, when the child is made. */
static void a_child_of_a_crowd_that_faults_can_close(void **state)
{
	struct rig_opts opts = { .recover_on_wait = true };
	struct crowd crowd = { 0 };
	struct rig rig;

	(void)state;
	rig_install();
	rig_open(&rig, &opts);
	crowd.rig = &rig;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&crowd.thread[i], NULL, fault_on, &crowd),
				 0);
	for (int i = 0; i < 60; i++) {
		rig_away(&rig, i % WAYS);
		/* Forked amid a replacement it may have a page of ones, which is harmless. */
		assert_child_is_content(everything_is_refused, &rig);
	}
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++)
		pthread_join(crowd.thread[i], NULL);
	assert_true(crowd.faults > 0);
	rig_close(&rig);
	rig_restore();
}

static volatile uint32_t *adopted_word;

static void touch_adopted_and_close(struct rig *rig)
{
	must(*adopted_word == UINT32_MAX); /* handled, in the child alone */
	must(count_maps(ONES_MAP) == 1);
	must(vfiosafe_device_close(rig->dev, 10) == 0);
	must(*adopted_word == UINT32_MAX);
}

static void close_and_touch_adopted(struct rig *rig)
{
	must(vfiosafe_device_close(rig->dev, 10) == 0);
	signal(SIGBUS, SIG_DFL);
	(void)*adopted_word;
}

/* A mapping that its maker lets children inherit. */
static void a_child_that_keeps_a_mapping_keeps_it_to_itself(void **state)
{
	struct rig_opts no_bar = { .no_bar = true };
	void *mine = NULL;
	struct rig rig;
	int status;

	(void)state;
	rig_install();
	rig_open(&rig, &no_bar);
	assert_int_equal(rig.sys->mmap(rig.sys->ctx, &mine, BAR_LEN,
				       PROT_READ | PROT_WRITE, MAP_SHARED,
				       vfiosafe_sim_device_fd(rig.sim), 0),
			 0);
	assert_int_equal(vfiosafe_bar_adopt(&rig.bar, rig.dev, 0, 0, mine, 0,
					    VFIOSAFE_BAR_REPLACE),
			 0);
	adopted_word = mine;
	rig_away(&rig, DECODE_OFF);
	assert_child_is_content(touch_adopted_and_close, &rig);
	status = in_child(close_and_touch_adopted, &rig);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	/* In the parent nothing was replaced, and no gate closed. */
	assert_int_equal(count_maps(ONES_MAP), 0);
	assert_int_equal(vfiosafe_device_state(rig.dev), VFIOSAFE_LIVE);
	rig_back(&rig, DECODE_OFF);
	assert_int_equal(*adopted_word, VFIOSAFE_SIM_ID);
	assert_int_equal(vfiosafe_device_close(rig.dev, 1000), 0);
	assert_int_equal(rig.sys->munmap(rig.sys->ctx, mine, BAR_LEN), 0);
	vfiosafe_sim_close(rig.sim);
	rig_restore();
}

/* What a program that was executed finds: fds of ours, a handler (50). */
static int look_around(void)
{
	struct sigaction now;
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char link[256];
	int found = 0;

	if (!dir || sigaction(SIGBUS, NULL, &now) < 0)
		return 100;
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[n < 0 ? 0 : n] = '\0';
		found += strstr(link, "vfiosafe") || strstr(link, "[eventfd]");
	}
	closedir(dir);
	return found + (now.sa_handler == SIG_DFL ? 0 : 50);
}

static void execute_self(struct rig *rig)
{
	(void)rig;
	execl("/proc/self/exe", "test", "look-around", (char *)NULL);
	_exit(101);
}

static void a_program_that_is_executed_inherits_nothing(void **state)
{
	struct rig rig;
	int before;

	(void)state;
	/* A sanitizer has a handler of its own from the start. */
	before = in_child(execute_self, NULL);
	assert_true(WIFEXITED(before) && WEXITSTATUS(before) % 50 == 0);
	rig_install();
	rig_open(&rig, NULL);
	assert_true(look_around() >= 50 + 2); /* the look is worth something */
	assert_int_equal(in_child(execute_self, &rig), before);
	rig_away(&rig, DECODE_OFF);
	(void)*rig_reg32(&rig, 0);
	assert_int_equal(in_child(execute_self, &rig), before);
	rig_close(&rig);
	rig_restore();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_child_of_a_live_process_is_shut_out),
	cmocka_unit_test(a_child_of_a_process_in_fault_is_shut_out),
	cmocka_unit_test(a_child_is_shut_out_at_every_step_of_a_window),
	cmocka_unit_test(a_child_of_a_crowd_that_faults_can_close),
	cmocka_unit_test(a_child_that_keeps_a_mapping_keeps_it_to_itself),
	cmocka_unit_test(a_program_that_is_executed_inherits_nothing),
};

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "look-around") == 0)
		return look_around();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
