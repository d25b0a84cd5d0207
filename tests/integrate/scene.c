/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETURNED 42 /* exit status of a child whose function returned */

static const char *warning;
static int warnings;

volatile uint8_t *foreign_page(void)
{
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	void *page;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	return page;
}

void foreign_repair(volatile void *page)
{
	(void)mmap((void *)(uintptr_t)page, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void bar_faults_are_survived(struct rig *rig, int times)
{
	uint32_t value;

	for (int i = 0; i < times; i++) {
		rig_away(rig, i % WAYS);
		assert_int_equal(rig_touch(rig, VFIOSAFE_SIM_REG_HOLD, &value), -EIO);
		rig_assert_fault(rig, VFIOSAFE_CAUSE_FAULT);
		rig_back(rig, i % WAYS);
		assert_int_equal(vfiosafe_recover(rig->dev, NULL), 0);
		rig_assert_live(rig);
	}
}

static void hear(void *ctx, enum vfiosafe_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	warnings += strstr(line, warning) != NULL;
}

void warnings_listen(const char *about)
{
	warning = about;
	warnings = 0;
	vfiosafe_log_set(hear, NULL, VFIOSAFE_LOG_WARN);
}

int warnings_heard(void)
{
	int heard = warnings;

	warnings = 0;
	return heard;
}

static _Noreturn void play(const struct scene *scene, int stderr_fd)
{
	struct rlimit no_core = { 0, 0 };

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGBUS, SIG_DFL);
	dup2(stderr_fd, STDERR_FILENO);
	alarm(60);
	scene->fn();
	_exit(RETURNED);
}

static bool ended_so(enum scene_end end, int status)
{
	switch (end) {
	case RETURNS:
		return WIFEXITED(status) && WEXITSTATUS(status) == RETURNED;
	case DIES_OF_SIGBUS:
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
	case EXITS_1:
		return WIFEXITED(status) && WEXITSTATUS(status) == 1;
	}
	return false;
}

static bool run(const struct scene *scene)
{
	static char said[65536];
	int status = 0, fd = memfd_create("stderr", MFD_CLOEXEC);
	ssize_t len;
	bool good;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		play(scene, fd);
	if (fd < 0 || pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	len = pread(fd, said, sizeof(said) - 1, 0);
	said[len > 0 ? len : 0] = 0;
	close(fd);
	good = ended_so(scene->end, status) && (!scene->says || strstr(said, scene->says));
	printf("%s: %s\n", good ? "ok" : "FAILED", scene->name);
	if (!good)
		printf("wait status 0x%x, stderr:\n%s\n", (unsigned int)status, said);
	return good;
}

int scenes_run(const struct scene *scenes, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++)
		failed += !run(&scenes[i]);
	return failed ? 1 : 0;
}
