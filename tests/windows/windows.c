/* SPDX-License-Identifier: MIT */
/*
 * windows.c - every way in which a device goes away, under two readers and a writer.
 *
 *      windows sim:nvme cdev|group
 *      windows nvme|igb|e1000e cdev|group ADDRESS ID PORT_ID
 *
 * ID and PORT_ID are QEMU's names for the device and for the port above it. The
 * environment says how often: WINDOWS_ROUNDS, default 50; WINDOWS_FEW, default 5, for
 * errors, removals and what goes on without a sentinel; WINDOWS_ONLY: causes whose names contain it. WINDOWS_LOG shows
 * what the library has to say.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cause.h"

static unsigned int number(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

static unsigned int rounds_of(const struct cause *cause)
{
	const char *only = getenv("WINDOWS_ONLY");

	if (only && !strstr(cause->name, only))
		return 0;
	return cause->few ? number("WINDOWS_FEW", 5) : number("WINDOWS_ROUNDS", 50);
}

/* After a round that went wrong, the next may still go well; or nothing does. */
static bool can_go_on(struct rig *rig)
{
	return rig->dev && vfiosafe_recover(rig->dev, NULL) == 0;
}

static bool play_round(struct rig *rig, const struct cause *cause, struct row *row,
		       unsigned int n)
{
	uint64_t wrong = workers_wrong(rig);
	const char *what, *complaint;

	row->times++;
	what = cause->round(rig, cause, row, n);
	if (what)
		tally_problem(row->problem, what, vfiosafe_error_text());
	complaint = workers_complaint(rig);
	if (complaint)
		tally_problem(row->problem, "a worker", complaint);
	row->wrong += workers_wrong(rig) - wrong;
	return !complaint && (!what || can_go_on(rig));
}

/* What the readers were told while the sentinel went is for nobody's account. */
static bool play(struct rig *rig, const struct cause *cause, struct row *row)
{
	unsigned int rounds = rounds_of(cause);
	bool fine = true;

	if (rounds && cause->blind && rig_set_sentinel(rig, false) < 0)
		fine = false;
	for (unsigned int n = 0; n < rounds && fine; n++)
		fine = play_round(rig, cause, row, n);
	if (rounds && cause->blind && fine && rig_set_sentinel(rig, true) < 0)
		fine = false;
	if (!fine)
		tally_problem(row->problem, "no way to go on", vfiosafe_error_text());
	row->over = fine;
	return fine;
}

/* In a process of its own: it may die. Begins with the first cause that is not over. */
static int run_from(struct rig *rig, struct tally *tally, unsigned int first)
{
	bool fine = true;

	if (vfiosafe_sigbus_install() < 0 || rig->bed->start(rig) < 0 ||
	    rig_open(rig) < 0) {
		tally_problem(tally->problem, "cannot be opened", vfiosafe_error_text());
		return 1;
	}
	for (unsigned int i = first; i < cause_count && fine; i++)
		fine = play(rig, &causes[i], &tally->row[i]);
	if (!fine)
		_exit(1);
	if (rig_close(rig) < 0)
		tally_problem(tally->problem, "cannot be closed", vfiosafe_error_text());
	tally->foreign += rig->foreign;
	rig->bed->stop(rig);
	tally->over = true;
	return 0;
}

static unsigned int next_cause(const struct tally *tally)
{
	unsigned int i = 0;

	while (i < cause_count && tally->row[i].over)
		i++;
	return i;
}

/* The status of a process that ran the causes from @first. */
static int run_process(struct rig *rig, struct tally *tally, unsigned int first)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		exit(run_from(rig, tally, first));
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A death is counted, and the next cause tried. */
static void run_all(struct rig *rig, struct tally *tally)
{
	unsigned int next = 0;
	int status;

	do {
		status = run_process(rig, tally, next);
		next = next_cause(tally);
		if (status == 0 || next == cause_count || !WIFSIGNALED(status))
			break;
		printf("# died of signal %d\n", WTERMSIG(status));
		tally->row[next].deaths++;
		tally->row[next++].over = true;
	} while (next < cause_count);
	/* Sanitizers have the last word, too. */
	if (status != 0)
		tally_problem(tally->problem, "the process", "ended badly");
}

static void print_log(void *ctx, enum vfiosafe_log_level level, const char *line)
{
	(void)ctx;
	printf("# %.3f %d: %s\n", (double)now_ns() / 1e9, (int)level, line);
}

static int usage(void)
{
	fprintf(stderr, "usage: windows sim:MODEL cdev|group\n"
			"       windows MODEL cdev|group ADDRESS ID PORT_ID\n");
	return 2;
}

int main(int argc, char **argv)
{
	bool sim = argc == 3 && strncmp(argv[1], "sim:", 4) == 0;
	struct rig rig = { .bed = sim ? &bed_sim : &bed_machine };
	struct tally *tally;

	if (!sim && argc != 6)
		return usage();
	rig.card = card_find(argv[1]);
	if (!rig.card)
		return usage();
	rig.door = strcmp(argv[2], "group") == 0 ? VFIOSAFE_DOOR_GROUP : VFIOSAFE_DOOR_CDEV;
	rig.address = sim ? "simulated" : argv[3];
	rig.id = sim ? "" : argv[4];
	rig.port_id = sim ? "" : argv[5];
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 1;
	setlinebuf(stdout);
	if (getenv("WINDOWS_LOG"))
		vfiosafe_log_set(print_log, NULL, VFIOSAFE_LOG_INFO);
	run_all(&rig, tally);
	return tally_report(&rig, tally) ? 1 : 0;
}
