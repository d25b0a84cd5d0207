/* SPDX-License-Identifier: MIT */
/* The driver of examples/nic, one frame at a time, on simulated cards. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include <vfiosafe/sim.h>
#include "../../examples/nic/nic.h"

#define PATIENCE_MS 20000
#define LEN 64u

struct pair {
	struct vfiosafe_sim *sim[2];
	struct nic nic[2];
};

static struct nic_frame got[NIC_BURST];

static struct vfiosafe_sim *card(uint32_t wire)
{
	const struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .wire = wire };
	struct vfiosafe_sim *sim = NULL;

	assert_int_equal(vfiosafe_sim_open(&sim, "sim:nic", &opts), 0);
	return sim;
}

static void drive(struct nic *nic, struct vfiosafe_sim *sim)
{
	const struct vfiosafe_device_opts opts = { .size = sizeof(opts),
						   .sys = vfiosafe_sim_sys(sim) };

	*nic = (struct nic){ 0 };
	assert_int_equal(nic_open(nic, vfiosafe_sim_address(sim), &opts), 0);
	assert_int_equal(nic_survive_resets(nic), 0);
}

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	for (int i = 0; i < 2; i++) {
		pair->sim[i] = card(7);
		drive(&pair->nic[i], pair->sim[i]);
	}
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	for (int i = 0; i < 2; i++) {
		nic_close(&pair->nic[i]);
		vfiosafe_sim_close(pair->sim[i]);
	}
	free(pair);
	return 0;
}

static uint32_t fill(void *ctx, const struct nic *nic, uint8_t *frame)
{
	(void)nic;
	memset(frame, *(const int *)ctx, LEN);
	return LEN;
}

/* When the link is up. */
static void send_one(struct nic *nic, int mark)
{
	int64_t end = vfiosafe_deadline_in_ms(PATIENCE_MS);
	int rc;

	do {
		rc = nic_send(nic, 1, fill, &mark);
		assert_true(rc >= 0 && vfiosafe_deadline_in_ms(0) < end);
	} while (rc == 0);
}

static void nap(void)
{
	const struct timespec time = { .tv_nsec = 100000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void expect(struct nic *nic, int mark)
{
	int64_t end = vfiosafe_deadline_in_ms(PATIENCE_MS);
	struct nic_since since;
	int rc;

	while ((rc = nic_receive(nic, NIC_BURST, got, &since)) == 0) {
		assert_true(vfiosafe_deadline_in_ms(0) < end);
		nap();
	}
	assert_int_equal(rc, 1);
	assert_int_equal(got[0].len, LEN);
	assert_int_equal(got[0].data[0], mark);
	assert_int_equal(got[0].data[LEN - 1], mark);
}

static struct vfiosafe_sim_counts counts(struct vfiosafe_sim *sim)
{
	struct vfiosafe_sim_counts counts;

	vfiosafe_sim_counts(sim, &counts);
	return counts;
}

static void await_frames(struct vfiosafe_sim *sim, uint64_t frames)
{
	int64_t end = vfiosafe_deadline_in_ms(PATIENCE_MS);

	while (counts(sim).frames < frames) {
		assert_true(vfiosafe_deadline_in_ms(0) < end);
		nap();
	}
}

/* Both links are up, and both have seen a frame. */
static void greet(struct pair *pair)
{
	struct vfiosafe_view *view = &pair->nic[1].regs;

	assert_int_equal(vfiosafe_poll32(view, NIC_STATUS, NIC_STATUS_LINK,
					 NIC_STATUS_LINK,
					 vfiosafe_deadline_in_ms(PATIENCE_MS), NULL),
			 0);
	send_one(&pair->nic[0], 1);
	expect(&pair->nic[1], 1);
	send_one(&pair->nic[1], 2);
	expect(&pair->nic[0], 2);
}

static void frames_go_both_ways_many_times_around_the_rings(void **state)
{
	struct pair *pair = *state;

	greet(pair);
	for (int i = 0; i < 3 * (int)NIC_RING; i++) {
		send_one(&pair->nic[i % 2], i & 0xff);
		expect(&pair->nic[!(i % 2)], i & 0xff);
	}
	assert_int_equal(counts(pair->sim[0]).dma_faults, 0);
}

static void after_a_reset_of_either_they_go_on_in_new_rings(void **state)
{
	struct pair *pair = *state;

	greet(pair);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(vfiosafe_reset(pair->nic[i % 2].dev, NULL), 0);
		greet(pair);
	}
	assert_int_equal(counts(pair->sim[0]).resets, 5);
	assert_int_equal(counts(pair->sim[0]).mastering_resets, 0);
	assert_int_equal(counts(pair->sim[1]).dma_faults, 0);
}

static void what_was_received_and_not_fetched_is_dropped_by_a_reset(void **state)
{
	struct pair *pair = *state;
	struct nic_since since;

	greet(pair);
	send_one(&pair->nic[0], 3);
	await_frames(pair->sim[0], 2);
	(void)counts(pair->sim[1]); /* which lets it look at the wire */
	assert_int_equal(pair->nic[1].rx.next, 1);
	assert_int_equal(vfiosafe_reset(pair->nic[1].dev, NULL), 0);
	assert_int_equal(nic_receive(&pair->nic[1], 1, got, &since), 0);
	greet(pair);
}

/* Refused by the kernel, nothing lost: quiesce has run, and resume. */
static void a_window_that_is_called_off_keeps_the_rings(void **state)
{
	struct pair *pair = *state;
	uint32_t next;

	greet(pair);
	next = pair->nic[1].rx.next;
	vfiosafe_sim_fail(pair->sim[1], VFIOSAFE_SIM_CALL_RESET, EINVAL, 1);
	assert_true(vfiosafe_reset(pair->nic[1].dev, NULL) < 0);
	assert_int_equal(vfiosafe_device_state(pair->nic[1].dev), VFIOSAFE_LIVE);
	assert_int_equal(vfiosafe_device_generation(pair->nic[1].dev), 1);
	greet(pair);
	assert_int_equal(pair->nic[1].rx.next, next + 1);
}

static void a_lost_card_refuses_bursts_until_somebody_recovers_it(void **state)
{
	struct pair *pair = *state;
	struct nic *nic = &pair->nic[0];
	struct nic_since since;
	int mark = 4;

	greet(pair);
	assert_int_equal(vfiosafe_mark_lost(nic->dev, "for the test"), 0);
	assert_int_equal(nic->lost, 1);
	assert_int_equal(nic_send(nic, 1, fill, &mark), -EIO);
	assert_int_equal(nic_receive(nic, 1, got, &since), -EIO);
	assert_int_equal(vfiosafe_recover(nic->dev, NULL), 0);
	greet(pair);
}

/* The model, not the driver. */
static void memory_out_of_reach_stops_a_card_until_it_is_reset(void **state)
{
	struct pair *pair = *state;
	struct nic *nic = &pair->nic[0];
	int64_t end = vfiosafe_deadline_in_ms(PATIENCE_MS);
	uint64_t iova = nic->tx.frames.iova;

	greet(pair);
	nic->tx.frames.iova = 0x10;
	send_one(nic, 5);
	while (counts(pair->sim[0]).dma_faults == 0) {
		assert_true(vfiosafe_deadline_in_ms(0) < end);
		nap();
	}
	nic->tx.frames.iova = iova;
	send_one(nic, 6);
	assert_int_equal(counts(pair->sim[0]).frames, 1);
	assert_int_equal(counts(pair->sim[0]).dma_faults, 1);
	assert_int_equal(vfiosafe_reset(nic->dev, NULL), 0);
	greet(pair);
}

static void a_reset_card_is_silent_until_it_is_programmed(void **state)
{
	struct pair *pair = *state;
	struct nic *nic = &pair->nic[0];
	struct nic_since since;
	uint32_t value = 1;

	greet(pair);
	assert_int_equal(vfiosafe_device_set_driver(nic->dev, NULL, NULL), 0);
	assert_int_equal(vfiosafe_reset(nic->dev, NULL), 0);
	assert_int_equal(vfiosafe_bar_view(nic->bar, &nic->regs), 0);
	for (uint32_t reg = 0; reg < NIC_TX + 0x100; reg += 4) {
		assert_int_equal(nic_read(nic, reg, &value), 0);
		assert_int_equal(value, 0);
	}
	send_one(&pair->nic[1], 3);
	await_frames(pair->sim[1], 2);
	(void)counts(pair->sim[0]);
	assert_int_equal(nic_receive(nic, 1, got, &since), 0);
	assert_int_equal(counts(pair->sim[0]).lost_frames, 1);
}

static void a_wire_has_two_ends_and_without_a_number_one(void **state)
{
	const struct vfiosafe_sim_opts opts = { .size = sizeof(opts), .wire = 7 };
	struct vfiosafe_sim *sim;
	struct nic nic;

	(void)state;
	assert_int_equal(vfiosafe_sim_open(&sim, "sim:nic", &opts), -EBUSY);
	sim = card(0);
	drive(&nic, sim);
	send_one(&nic, 8);
	expect(&nic, 8);
	nic_close(&nic);
	vfiosafe_sim_close(sim);
}

static void frames_for_nobody_are_counted(void **state)
{
	struct vfiosafe_sim *sim = card(8);
	struct nic nic;

	(void)state;
	drive(&nic, sim);
	send_one(&nic, 9);
	await_frames(sim, 1);
	assert_int_equal(counts(sim).lost_frames, 1);
	nic_close(&nic);
	vfiosafe_sim_close(sim);
}

#define ON_A_PAIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_PAIR(frames_go_both_ways_many_times_around_the_rings),
		ON_A_PAIR(after_a_reset_of_either_they_go_on_in_new_rings),
		ON_A_PAIR(what_was_received_and_not_fetched_is_dropped_by_a_reset),
		ON_A_PAIR(a_window_that_is_called_off_keeps_the_rings),
		ON_A_PAIR(a_lost_card_refuses_bursts_until_somebody_recovers_it),
		ON_A_PAIR(memory_out_of_reach_stops_a_card_until_it_is_reset),
		ON_A_PAIR(a_reset_card_is_silent_until_it_is_programmed),
		ON_A_PAIR(a_wire_has_two_ends_and_without_a_number_one),
		cmocka_unit_test(frames_for_nobody_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
