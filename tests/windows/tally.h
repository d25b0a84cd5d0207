/* SPDX-License-Identifier: MIT */
/*
 * tally.h - what came of each cause. In memory shared with the parent process, so that
 * it outlives a death.
 */
#ifndef WINDOWS_TALLY_H
#define WINDOWS_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#define CAUSES_MAX 24
#define NOTICES_MAX 1000
#define TALLY_TEXT 240

struct rig;
struct cause;

/* How it was noticed that a device went away. */
enum how {
	HOW_COOPERATIVE, /* it was asked for through the library */
	HOW_FAULT,	 /* SIGBUS */
	HOW_VALUE,	 /* a value that was asked about; the device did not answer */
	HOW_SENTINEL,	 /* the same; or at the end of a section: it did not hold */
	HOW_EVENT,	 /* the kernel said so */
	HOW_NOT,	 /* not at all */
	HOWS
};

struct row {
	uint64_t times;
	uint64_t wrong;
	uint64_t deaths;
	uint64_t recovered;
	uint64_t gone;
	uint64_t how[HOWS];
	uint64_t notices;
	int64_t notice_ns[NOTICES_MAX];
	bool over;
	char problem[TALLY_TEXT]; /* the first; empty: none */
};

struct tally {
	struct row row[CAUSES_MAX];
	uint64_t foreign; /* stores found in another generation */
	bool over;
	char problem[TALLY_TEXT]; /* of the set up */
};

void tally_notice(struct row *row, enum how how, int64_t ns);
/* What went wrong first; and what the library said last, if it was its doing. */
void tally_problem(char problem[TALLY_TEXT], const char *what, const char *why);

/* The lines "ok" and "not ok", and the table. Returns how many are not ok. */
int tally_report(const struct rig *rig, const struct tally *tally);

#endif
