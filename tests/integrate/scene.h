/* SPDX-License-Identifier: MIT */
/*
 * scene.h - what becomes of a process whose SIGBUS several want.
 *
 * Each scene runs in a child of its own, with the default disposition. cmocka's
 * runner is not used (it owns SIGBUS); its assertions end the child.
 */
#ifndef SCENE_H
#define SCENE_H

#include "fault_rig.h"

/* How a scene ends. */
enum scene_end {
	RETURNS,	/* its function does */
	DIES_OF_SIGBUS, /* as it would without any handler */
	EXITS_1,	/* somebody called exit(1) */
};

struct scene {
	const char *name;
	void (*fn)(void);
	enum scene_end end;
	const char *says; /* on stderr; may be NULL */
};

/* Runs all of them; 0 if each ended as it should. */
int scenes_run(const struct scene *scenes, size_t count);

/* A page of the program's own whose file was cut. */
volatile uint8_t *foreign_page(void);

/* Memory in the place of that page. */
void foreign_repair(volatile void *page);

/* Takes the BAR away, @times: -EIO and nothing else, and it comes back. */
void bar_faults_are_survived(struct rig *rig, int times);

/* How many warnings the library gave that have @about in them. */
void warnings_listen(const char *about);
int warnings_heard(void);

#endif
