/* SPDX-License-Identifier: MIT */
/*
 * A BAR that goes away under readers, a writer and a memcpy: decode off, D3hot, low
 * power; made by this process or by another one that holds a dup of the fd.
 *
 *      vm_faults MODEL ADDRESS cdev|group [ROUNDS]
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "go_away.h"
#include "raw_reader.h"

#define WORKERS 4
#define COPY 4096

struct model {
	const char *name;
	uint64_t reg; /* BAR 0: holds what reinit writes */
	uint32_t value;
	uint64_t copy_from; /* 4 KiB that may be read at any time */
};

static const struct model models[] = {
	{ "nvme", 0x0c, 1, 0 },
	{ "igb", 0x5400, 0x00c0ffee, 0x5000 },
	{ "e1000e", 0x5400, 0x00c0ffee, 0x5000 },
};

/* What a worker saw. Written by it, read after it was told to stop. */
struct worker {
	struct test *t;
	pthread_t thread;
	int (*step)(struct worker *w);
	uint64_t good, wrong, eio;
	int unexpected;
	uint8_t copy[COPY];
};

struct test {
	const struct model *model;
	struct vfiosafe_device *dev;
	struct vfiosafe_bar *bar;
	struct vfiosafe_view view;
	struct worker worker[WORKERS];
	bool stop;
	int other; /* socket to the process that holds a dup of the fd */
	pid_t other_pid;
};

static int reinit(struct vfiosafe_device *dev, void *ctx)
{
	struct test *t = ctx;
	int rc = vfiosafe_bar_view(t->bar, &t->view);

	(void)dev;
	return rc < 0 ? rc : vfiosafe_write32(&t->view, t->model->reg, t->model->value);
}

/* The other process: does as told, byte by byte; way * 2 + away. */
static void other_process(int fd, int sock)
{
	uint8_t order;
	int8_t rc;

	while (read(sock, &order, 1) == 1) {
		rc = (int8_t)go_away(fd, order / 2, order % 2);
		if (write(sock, &rc, 1) != 1)
			break;
	}
	_exit(0);
}

static int start_other(struct test *t)
{
	int pair[2], fd = dup(vfiosafe_device_fd(t->dev));

	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -errno;
	t->other_pid = fork();
	if (t->other_pid == 0) {
		close(pair[0]);
		other_process(fd, pair[1]);
	}
	close(pair[1]);
	close(fd);
	t->other = pair[0];
	return 0;
}

static int by_other(struct test *t, enum way way, bool away)
{
	uint8_t order = (uint8_t)(way * 2 + away);
	int8_t rc;

	if (write(t->other, &order, 1) != 1 || read(t->other, &rc, 1) != 1)
		return -EPIPE;
	return rc;
}

static int make(struct test *t, enum way way, bool other, bool away)
{
	return other ? by_other(t, way, away)
		     : go_away(vfiosafe_device_fd(t->dev), way, away);
}

static int read_one(struct worker *w)
{
	uint32_t value = 0;
	int rc = vfiosafe_read32(&w->t->view, w->t->model->reg, &value);

	w->wrong += rc == 0 && value != w->t->model->value;
	return rc;
}

static int read_section(struct worker *w)
{
	volatile uint8_t *regs;
	struct vfiosafe_section sec;
	int wrong = 0;
	int rc = vfiosafe_begin(&w->t->view, &sec);

	if (rc < 0)
		return rc;
	regs = vfiosafe_ptr(&sec);
	for (int i = 0; i < 16; i++)
		wrong += *(volatile uint32_t *)(regs + w->t->model->reg) !=
			 w->t->model->value;
	rc = vfiosafe_end(&sec);
	w->wrong += rc == 0 && wrong;
	return rc;
}

static int write_one(struct worker *w)
{
	return vfiosafe_write32(&w->t->view, w->t->model->reg, w->t->model->value);
}

static int copy_4k(struct worker *w)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&w->t->view, &sec);

	if (rc < 0)
		return rc;
	/* Other people's code over a BAR: this is what the handler lets run on. */
	memcpy(w->copy,
	       (uint8_t *)(uintptr_t)vfiosafe_ptr(&sec) + w->t->model->copy_from, COPY);
	return vfiosafe_end(&sec);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct test *t = w->t;
	int rc;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		rc = w->step(w);
		if (rc == 0) {
			w->good++;
			continue;
		}
		if (rc == -EIO)
			__atomic_fetch_add(&w->eio, 1, __ATOMIC_RELAXED);
		else if (rc != -EAGAIN && rc != -ESTALE)
			w->unexpected = rc;
		/* -EIO here is FAULT: the main thread recovers, try again. */
		if (vfiosafe_wait(t->dev, vfiosafe_deadline_in_ms(60000)) == -EIO)
			sched_yield();
	}
	return NULL;
}

static void start_workers(struct test *t)
{
	static int (*const steps[WORKERS])(struct worker *) = { read_one, read_section,
								write_one, copy_4k };

	for (int i = 0; i < WORKERS; i++) {
		t->worker[i].t = t;
		t->worker[i].step = steps[i];
		pthread_create(&t->worker[i].thread, NULL, work, &t->worker[i]);
	}
}

static uint64_t all_eio(struct test *t)
{
	uint64_t n = 0;

	for (int i = 0; i < WORKERS; i++)
		n += __atomic_load_n(&t->worker[i].eio, __ATOMIC_RELAXED);
	return n;
}

/* Until the workers have run into it; the deadline only bounds a failing test. */
static bool until_fault(struct test *t, uint64_t eio_before)
{
	int64_t deadline = vfiosafe_deadline_in_ms(30000);

	while (vfiosafe_device_state(t->dev) != VFIOSAFE_FAULT || all_eio(t) == eio_before) {
		if (vfiosafe_deadline_in_ms(0) > deadline)
			return false;
		sched_yield();
	}
	return true;
}

/* What went wrong in a round, or NULL. */
static const char *after_round(struct test *t, volatile void *address, uint64_t generation)
{
	uint32_t value = 0;

	if (vfiosafe_device_generation(t->dev) != generation + 1)
		return "not one generation on";
	if (vfiosafe_bar_address(t->bar) != address)
		return "another address";
	if (vfiosafe_read32(&t->view, t->model->reg, &value) != 0)
		return "not readable";
	return value == t->model->value ? NULL : "not programmed";
}

/* Every second time the culprit puts it back; else recovery has to. */
static const char *one_round(struct test *t, enum way way, bool other, bool put_back)
{
	volatile void *address = vfiosafe_bar_address(t->bar);
	uint64_t generation = vfiosafe_device_generation(t->dev);
	uint64_t eio = all_eio(t);

	if (make(t, way, other, true) < 0)
		return "the BAR does not go away";
	if (!until_fault(t, eio))
		return "no fault was reported";
	if (put_back && make(t, way, other, false) < 0)
		return "the BAR does not come back";
	if (vfiosafe_recover(t->dev, NULL) < 0)
		return "recovery failed";
	return after_round(t, address, generation);
}

static void rounds(struct test *t, enum way way, bool other, int count)
{
	int good = 0;

	for (int i = 0; i < count; i++) {
		const char *what = one_round(t, way, other, i & 1);

		good += !what;
		if (what)
			printf("# round %d: %s: %s\n", i, what, vfiosafe_error_text());
	}
	check(good == count, "%s by %s: %d of %d faults reported and recovered",
	      way_names[way], other ? "another process" : "this process", good, count);
}

static void stop_workers(struct test *t)
{
	__atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &t->worker[i];

		pthread_join(w->thread, NULL);
		check(w->unexpected == 0 && w->wrong == 0 && w->good > 0,
		      "worker %d: %llu good, %llu EIO, %llu wrong, unexpected error %d", i,
		      (unsigned long long)w->good, (unsigned long long)w->eio,
		      (unsigned long long)w->wrong, w->unexpected);
	}
}

static const struct model *find_model(const char *name)
{
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

static bool set_up(struct test *t, const char *address,
		   const struct vfiosafe_device_opts *opts)
{
	struct vfiosafe_driver_ops ops = { .size = sizeof(ops), .reinit = reinit };

	return check(vfiosafe_device_open(&t->dev, address, opts) == 0, "opens") &&
	       check(vfiosafe_bar_map(&t->bar, t->dev, 0, 0, 0, 0) == 0, "maps BAR 0") &&
	       check(vfiosafe_device_set_driver(t->dev, &ops, t) == 0, "takes a driver") &&
	       check(reinit(t->dev, t) == 0, "is programmed");
}

int main(int argc, char **argv)
{
	struct vfiosafe_device_opts opts = { .size = sizeof(opts) };
	static struct test t;
	int count = argc > 4 ? atoi(argv[4]) : 50;

	if (argc < 4 || !(t.model = find_model(argv[1]))) {
		fprintf(stderr, "usage: vm_faults nvme|igb|e1000e ADDRESS cdev|group [ROUNDS]\n");
		return 2;
	}
	opts.door = strcmp(argv[3], "cdev") == 0 ? VFIOSAFE_DOOR_CDEV : VFIOSAFE_DOOR_GROUP;
	snprintf(check_prefix, sizeof(check_prefix), "%s/%s: ", argv[1], argv[3]);
	setlinebuf(stdout);
	if (!set_up(&t, argv[2], &opts))
		return 1;
	for (enum way way = 0; way < WAYS; way++)
		raw_dies(vfiosafe_device_fd(t.dev), t.model->reg, way);
	check(vfiosafe_sigbus_install() == 0, "installs the handler");
	check(start_other(&t) == 0, "another process holds a dup of the fd");
	check(vfiosafe_mark_lost(t.dev, "raw runs") == 0 &&
		      vfiosafe_recover(t.dev, NULL) == 0,
	      "is brought back after the raw runs");
	start_workers(&t);
	for (enum way way = 0; way < WAYS; way++)
		for (int other = 0; other < 2; other++)
			rounds(&t, way, other, count);
	stop_workers(&t);
	close(t.other);
	waitpid(t.other_pid, NULL, 0);
	check(vfiosafe_device_close(t.dev, 1000) == 0, "closes");
	return check_failures ? 1 : 0;
}
