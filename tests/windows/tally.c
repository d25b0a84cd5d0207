/* SPDX-License-Identifier: MIT */
/* tally.c - the results as tests, and as a table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cause.h"

static const char *const how_names[HOWS] = { "cooperative", "fault", "value",
					     "sentinel",    "event", "not" };

void tally_notice(struct row *row, enum how how, int64_t ns)
{
	row->how[how]++;
	if (row->notices < NOTICES_MAX)
		row->notice_ns[row->notices++] = ns;
}

void tally_problem(char problem[TALLY_TEXT], const char *what, const char *why)
{
	printf("# %s: %s\n", what, why);
	if (!problem[0])
		snprintf(problem, TALLY_TEXT, "%s: %s", what, why);
}

static const char *door_name(const struct rig *rig)
{
	return rig->door == VFIOSAFE_DOOR_GROUP ? "group" : "cdev";
}

static bool is_good(const struct cause *cause, const struct row *row)
{
	uint64_t came_back = cause->round == round_removal ? row->gone : row->recovered;

	return row->over && row->times > 0 && came_back == row->times &&
	       row->deaths == 0 && !row->problem[0] && (cause->blind || row->wrong == 0);
}

static bool test(bool good, const struct rig *rig, const char *name, const char *problem)
{
	printf("%s %s/%s: %s%s%s\n", good ? "ok" : "not ok", rig->card->name,
	       door_name(rig), name, good || !problem[0] ? "" : " # ",
	       good ? "" : problem);
	return good;
}

static int compare(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void print_how(const struct row *row)
{
	char text[64] = "";
	size_t len = 0;

	for (int how = 0; how < HOWS; how++)
		if (row->how[how] && len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %llu",
						len ? ", " : "", how_names[how],
						(unsigned long long)row->how[how]);
	printf("  %-26s", text);
}

static void print_notice(const struct row *row)
{
	int64_t sorted[NOTICES_MAX];

	if (row->notices == 0) {
		printf(" %9s %9s", "-", "-");
		return;
	}
	memcpy(sorted, row->notice_ns, row->notices * sizeof(sorted[0]));
	qsort(sorted, row->notices, sizeof(sorted[0]), compare);
	printf(" %9.3f %9.3f", (double)sorted[row->notices / 2] / 1e6,
	       (double)sorted[row->notices - 1] / 1e6);
}

static void print_row(const struct cause *cause, const struct row *row)
{
	printf("%-28s %5llu %8llu %6llu", cause->name, (unsigned long long)row->times,
	       (unsigned long long)row->wrong, (unsigned long long)row->deaths);
	print_how(row);
	print_notice(row);
	if (row->gone)
		printf("  GONE %llu\n", (unsigned long long)row->gone);
	else
		printf("  recovered %llu\n", (unsigned long long)row->recovered);
}

static void print_table(const struct rig *rig, const struct tally *tally)
{
	printf("\n%s %s, door %s\n\n", rig->card->name, rig->address, door_name(rig));
	printf("%-28s %5s %8s %6s  %-26s %9s %9s\n", "", "", "wrong", "", "",
	       "median ms", "max ms");
	printf("%-28s %5s %8s %6s  %-26s %9s %9s  %s\n", "cause", "times", "values",
	       "deaths", "noticed", "to", "notice", "then");
	for (unsigned int i = 0; i < cause_count; i++)
		if (tally->row[i].times || tally->row[i].deaths)
			print_row(&causes[i], &tally->row[i]);
	printf("\n");
}

/* Without a sentinel the readers must have been deceived: else they are no judges. */
static bool judges_see(const struct tally *tally)
{
	uint64_t wrong = 0, times = 0;

	for (unsigned int i = 0; i < cause_count; i++)
		if (causes[i].blind) {
			wrong += tally->row[i].wrong;
			times += tally->row[i].times;
		}
	return times == 0 || wrong > 0;
}

int tally_report(const struct rig *rig, const struct tally *tally)
{
	int bad = 0;

	for (unsigned int i = 0; i < cause_count; i++) {
		const struct row *row = &tally->row[i];

		if (row->times || row->deaths || !row->over)
			bad += !test(is_good(&causes[i], row), rig, causes[i].name,
				     row->problem);
	}
	bad += !test(judges_see(tally), rig,
		     "what the library cannot see without a sentinel, the readers do", "");
	bad += !test(tally->foreign == 0, rig, "no store arrives in another generation",
		     "");
	bad += !test(tally->over && !tally->problem[0], rig, "opens and closes",
		     tally->problem);
	print_table(rig, tally);
	return bad;
}
