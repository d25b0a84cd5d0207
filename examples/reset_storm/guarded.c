/* SPDX-License-Identifier: MIT */
/*
 * guarded.c - the data path of a driver that survives resets.
 *
 *   read_singly       single accesses, with a view and state of the thread's own
 *   read_in_sections  the same in sections, with the view and state of the card
 *   guarded_write     stores that must not land in another generation
 */
#include <errno.h>
#include <sched.h>
#include "guarded.h"

#define WAIT_MS 60000
#define SECTION_READS 8

/* After @refused: sleeps until the device is LIVE. 0: go on, with a new view. */
static int card_wait(struct card *card, struct storm_hand *hand, int refused)
{
	int rc;

	storm_count(&hand->refused, 1);
	if (refused == -ESTALE) /* it is LIVE, but was reset */
		return 0;
	rc = vfiosafe_wait(card->dev, vfiosafe_deadline_in_ms(WAIT_MS));
	/* FAULT: the thread that makes the windows recovers the device. */
	if (rc == -EIO && !storm_stopped(card->storm)) {
		sched_yield();
		return 0;
	}
	return rc;
}

static uint64_t behind(const struct card *card)
{
	return __atomic_load_n(&card->storm->behind, __ATOMIC_SEQ_CST);
}

/*
 * A value that the library delivered. The library cannot know of a bystander's
 * reset before it is told; @since is behind() of before the access.
 */
static void judge(const struct card *card, struct storm_hand *hand, uint32_t value,
		  uint32_t expected, uint64_t since)
{
	storm_count(&hand->reads, 1);
	if (value == expected)
		return;
	if ((since & 1) || behind(card) != since)
		storm_count(&hand->unannounced, 1);
	else
		storm_count_wrong(hand, value);
}

/* A view of the thread's own, and the state that belongs to it. */
struct own {
	struct vfiosafe_view view;
	uint32_t expected;
};

static int own_renew(struct card *card, struct own *own)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_bar_view(card->bar, &own->view);

	if (rc == 0)
		rc = vfiosafe_begin(&own->view, &sec);
	if (rc < 0)
		return rc;
	/* A section keeps the card's state and the view in one generation. */
	own->expected = card->programmed;
	return vfiosafe_end(&sec);
}

static int single_accesses(struct card *card, struct storm_hand *hand,
			   const struct own *own)
{
	uint32_t hold = card->storm->device.model->hold;
	struct storm_burst burst;
	int rc = 0;

	storm_burst_begin(&burst);
	for (unsigned int i = 0; i < STORM_BURST && rc == 0; i++) {
		uint64_t since = behind(card);
		uint32_t value;

		storm_access_begin(&burst);
		rc = vfiosafe_read32(&own->view, hold, &value);
		storm_access_end(&burst);
		if (rc == 0)
			judge(card, hand, value, own->expected, since);
	}
	storm_burst_end(&burst, hand);
	return rc;
}

static int read_singly(struct card *card, struct storm_hand *hand)
{
	struct own own;
	int rc = own_renew(card, &own);

	while (!storm_stopped(card->storm)) {
		if (rc == 0)
			rc = single_accesses(card, hand, &own);
		if (rc == 0)
			continue;
		rc = card_wait(card, hand, rc);
		if (rc < 0)
			return rc;
		rc = own_renew(card, &own);
	}
	return 0;
}

/*
 * Nothing is used before the section has ended well: what a SIGBUS left to be read
 * is no value either.
 */
static int read_in_section(struct card *card, struct storm_hand *hand)
{
	uint32_t hold = card->storm->device.model->hold, expected = 0;
	uint32_t value[SECTION_READS];
	struct vfiosafe_section sec;
	uint64_t since = behind(card);
	int rc = vfiosafe_begin(&card->regs, &sec);

	if (rc == 0) {
		const volatile uint8_t *regs = vfiosafe_ptr(&sec);

		for (unsigned int i = 0; i < SECTION_READS; i++)
			value[i] = storm_load32(regs, hold);
		expected = card->programmed;
		rc = vfiosafe_end(&sec);
	}
	for (unsigned int i = 0; i < SECTION_READS && rc == 0; i++)
		judge(card, hand, value[i], expected, since);
	return rc;
}

static int sections(struct card *card, struct storm_hand *hand)
{
	struct storm_burst burst;
	int rc = 0;

	storm_burst_begin(&burst);
	for (unsigned int i = 0; i < STORM_BURST && rc == 0; i++) {
		storm_access_begin(&burst);
		rc = read_in_section(card, hand);
		storm_access_end(&burst);
	}
	storm_burst_end(&burst, hand);
	return rc;
}

/* Nothing to renew here: card_reinit() renews the card's view and state. */
static int read_in_sections(struct card *card, struct storm_hand *hand)
{
	int rc = 0;

	while (!storm_stopped(card->storm) && rc == 0) {
		rc = sections(card, hand);
		if (rc < 0)
			rc = card_wait(card, hand, rc);
	}
	return rc;
}

void guarded_read(struct storm *storm, struct storm_hand *hand, unsigned int index)
{
	struct card *card = storm->driver;
	int rc = index % 2 ? read_in_sections(card, hand) : read_singly(card, hand);

	if (rc < 0 && !storm_stopped(storm))
		storm_fail(storm, rc, "reader: %s", vfiosafe_error_text());
}

/* Into the device's own log: the device says which store was foreign. */
static void log_store(const struct card *card, volatile uint8_t *regs, uint64_t n)
{
	const struct storm *storm = card->storm;
	uint32_t slot = storm_log_slot(storm->device.model, n);
	/* With a bystander each window has two resets: his and the recovery's. */
	uint64_t resets = (card->generation - 1) *
			  (storm->options->method == STORM_BYSTANDER ? 2 : 1);

	storm_store64(regs, slot, storm_log_value(resets, n));
}

static int store_logged(struct card *card, uint64_t n)
{
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&card->regs, &sec);

	if (rc < 0)
		return rc;
	log_store(card, vfiosafe_ptr(&sec), n);
	return vfiosafe_end(&sec);
}

static int store_and_look(struct card *card, struct storm_hand *hand, uint64_t n)
{
	const struct storm_model *model = card->storm->device.model;
	uint64_t since = behind(card);
	uint32_t value, back;
	struct vfiosafe_section sec;
	int rc = vfiosafe_begin(&card->regs, &sec);

	if (rc < 0)
		return rc;
	value = storm_store_value(model, card->generation, n);
	storm_store32(vfiosafe_ptr(&sec), model->store, value);
	back = storm_load32(vfiosafe_ptr(&sec), model->store);
	rc = vfiosafe_end(&sec);
	if (rc == 0)
		judge(card, hand, back, value, since);
	return rc;
}

void guarded_write(struct storm *storm, struct storm_hand *hand)
{
	struct card *card = storm->driver;

	for (uint64_t n = 0; !storm_stopped(storm); n++) {
		int rc = storm->device.model->log ? store_logged(card, n)
						  : store_and_look(card, hand, n);

		if (rc == 0)
			storm_count(&hand->stores, 1);
		else
			rc = card_wait(card, hand, rc);
		if (rc < 0 && !storm_stopped(storm)) {
			storm_fail(storm, rc, "writer: %s", vfiosafe_error_text());
			return;
		}
	}
}
