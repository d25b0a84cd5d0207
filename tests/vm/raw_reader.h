/* SPDX-License-Identifier: MIT */
/* A reader without a handler, whose BAR is taken away under it. */
#ifndef VM_RAW_READER_H
#define VM_RAW_READER_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "go_away.h"

#define RAW_PAGE 4096

/* The raw side: the same in a child without a handler. */
static void raw_child(int fd, uint64_t reg, int ready)
{
	volatile uint8_t *page = mmap(NULL, RAW_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				      (off_t)(reg & ~(uint64_t)(RAW_PAGE - 1)));
	char c = 'r';

	if (page == MAP_FAILED || write(ready, &c, 1) != 1)
		_exit(1);
	alarm(30);
	for (;;)
		(void)*(volatile uint32_t *)(page + reg % RAW_PAGE);
}

static void raw_dies(int fd, uint64_t reg, enum way way)
{
	int status = 0, pair[2];
	char c;
	pid_t pid;

	if (!check(pipe(pair) == 0, "has a pipe"))
		return;
	pid = fork();
	if (pid == 0) {
		signal(SIGBUS, SIG_DFL);
		raw_child(fd, reg, pair[1]);
	}
	close(pair[1]);
	check(read(pair[0], &c, 1) == 1 && go_away(fd, way, true) == 0,
	      "%s under a raw reader", way_names[way]);
	waitpid(pid, &status, 0);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "%s: the raw reader dies",
	      way_names[way]);
	check(go_away(fd, way, false) == 0, "%s: taken back", way_names[way]);
	close(pair[0]);
}

#endif
