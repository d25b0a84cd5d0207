/* SPDX-License-Identifier: MIT */
/* The device word: which state may follow which, and what that counts. */
#include "generation.h"
#include "unit.h"

#define STATES 6

/*
 * Written from the table of states in the design, not from the code: row = from,
 * column = to; '+' allowed, 'g' allowed and the generation moves.
 */
static const char *const expected[STATES] = {
	/*                  G L Q R I F */
	[VFIOSAFE_GONE] = "......",    [VFIOSAFE_LIVE] = "+.+..+",
	[VFIOSAFE_QUIESCE] = "++.+.+", [VFIOSAFE_RESETTING] = "++..g+",
	[VFIOSAFE_REINIT] = "++...+",  [VFIOSAFE_FAULT] = "+..+..",
};

static void every_pair_of_states_is_as_designed(void **state)
{
	(void)state;
	for (int from = 0; from < STATES; from++)
		for (int to = 0; to < STATES; to++)
			assert_int_equal(vsf_transition_allowed((enum vfiosafe_state)from,
								(enum vfiosafe_state)to),
					 expected[from][to] != '.');
}

static void what_is_no_state_is_never_reached_or_left(void **state)
{
	(void)state;
	for (unsigned int s = 0; s < 300; s++) {
		assert_false(vsf_transition_allowed((enum vfiosafe_state)(STATES + s),
						    VFIOSAFE_GONE));
		assert_false(vsf_transition_allowed(VFIOSAFE_LIVE,
						    (enum vfiosafe_state)(STATES + s)));
	}
}

static void moves_do_what_the_table_says(void **state)
{
	struct vsf_words words;

	(void)state;
	for (int from = 0; from < STATES; from++) {
		for (int to = 0; to < STATES; to++) {
			char way = expected[from][to];
			uint64_t old = vsf_word(41, (enum vfiosafe_state)from);
			int rc;

			words = (struct vsf_words){ .device = old };
			rc = vsf_words_move(&words, &bench.k.sys,
					    (enum vfiosafe_state)from,
					    (enum vfiosafe_state)to);
			assert_int_equal(rc, way == '.' ? -EAGAIN : 0);
			assert_int_equal(words.bell, way == '.' ? 0 : 1);
			assert_int_equal(words.device,
					 way == '.' ? old
						    : vsf_word(way == 'g' ? 42 : 41,
							       (enum vfiosafe_state)to));
			words = (struct vsf_words){ .device = old };
			rc = vsf_words_move_any(&words, &bench.k.sys,
						(enum vfiosafe_state)to);
			assert_int_equal(rc, way == '.' ? -EAGAIN : 0);
		}
	}
}

static void a_move_from_another_state_changes_nothing(void **state)
{
	struct vsf_words words = { .device = vsf_word(3, VFIOSAFE_FAULT) };

	(void)state;
	assert_int_equal(
		vsf_words_move(&words, &bench.k.sys, VFIOSAFE_LIVE, VFIOSAFE_QUIESCE),
		-EAGAIN);
	assert_int_equal(words.device, vsf_word(3, VFIOSAFE_FAULT));
	assert_int_equal(words.bell, 0);
}

static void the_word_holds_generation_and_state(void **state)
{
	const uint64_t most = UINT64_MAX >> 8;
	uint64_t word = vsf_word(most, VFIOSAFE_FAULT);

	(void)state;
	assert_int_equal(vsf_word_generation(word), most);
	assert_int_equal(vsf_word_state(word), VFIOSAFE_FAULT);
	assert_int_equal(vsf_word(1, VFIOSAFE_LIVE), 0x101);
	assert_int_equal(vsf_word_after(0x103, VFIOSAFE_REINIT), 0x204);
	assert_int_equal(vsf_word_after(0x103, VFIOSAFE_LIVE), 0x101);
}

static void wiped_memory_reads_as_gone(void **state)
{
	const struct vsf_words wiped = { 0 };

	(void)state;
	assert_int_equal(vsf_word_state(wiped.device), VFIOSAFE_GONE);
	assert_true(vsf_words_forked(&wiped));
}

static void fresh_words_are_live_in_the_generation_asked_for(void **state)
{
	struct vsf_words *words;

	(void)state;
	assert_ok(vsf_words_new(&words, &bench.k.sys, 9));
	assert_int_equal(words->device, vsf_word(9, VFIOSAFE_LIVE));
	assert_false(vsf_words_forked(words));
	vsf_words_free(words, &bench.k.sys);
}

static void names_are_never_null(void **state)
{
	(void)state;
	assert_string_equal(vfiosafe_state_name(VFIOSAFE_GONE), "GONE");
	assert_string_equal(vfiosafe_state_name(VFIOSAFE_REINIT), "REINIT");
	assert_string_equal(vfiosafe_state_name((enum vfiosafe_state)77), "unknown");
	for (unsigned int i = 0; i < 300; i++) {
		assert_non_null(vfiosafe_state_name((enum vfiosafe_state)i));
		assert_non_null(vfiosafe_cause_name((enum vfiosafe_cause)i));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_pair_of_states_is_as_designed),
		TEST(what_is_no_state_is_never_reached_or_left),
		TEST(moves_do_what_the_table_says),
		TEST(a_move_from_another_state_changes_nothing),
		TEST(the_word_holds_generation_and_state),
		TEST(wiped_memory_reads_as_gone),
		TEST(fresh_words_are_live_in_the_generation_asked_for),
		TEST(names_are_never_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
