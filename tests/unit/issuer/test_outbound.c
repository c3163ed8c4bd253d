#include "base/log.h"
#include "base/text.h"
#include "issuer/outbound.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SENT_MAX 4096

static struct outbound outbound;
static struct config_issuer issuer;
static struct config_issuer_egress ways[3];
static uint64_t now_ns;

static struct sent { /* what the world was asked, in order */
	char url[16], proxy[32], address[32];
	uint64_t at_ns, timeout_ns;
	bool alone, answered;
	void (*done)(void *, int, struct slice, uint64_t, const char *);
	void *for_whom;
} sent[SENT_MAX];
static size_t sent_len;

static struct issuer_fetch fetches[SENT_MAX];
static int statuses[SENT_MAX];
static char failures[SENT_MAX][160];
static unsigned done_len;

static void fetch(void *with, const struct issuer_request *ask,
                  void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom)
{
	struct sent *s = &sent[sent_len++];

	(void)with;
	*s = (struct sent){ .at_ns = now_ns,
		                .timeout_ns = ask->timeout_ns,
		                .alone = ask->alone,
		                .done = done,
		                .for_whom = for_whom };
	snprintf(s->url, sizeof s->url, "%.*s", SLICE(ask->url));
	snprintf(s->proxy, sizeof s->proxy, "%.*s", SLICE(ask->proxy));
	snprintf(s->address, sizeof s->address, "%.*s", SLICE(ask->address));
}

static uint64_t now_of(void *with)
{
	(void)with;
	return now_ns;
}

static const struct issuer_env world = { .fetch = fetch, .now_ns = now_of };

static void answer(size_t which, int status)
{
	sent[which].answered = true;
	sent[which].done(sent[which].for_whom, status, S("body"), UINT64_MAX, status ? NULL : "refused");
}

static void on_done(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure)
{
	size_t which = (size_t)((struct issuer_fetch *)for_whom - fetches);

	(void)body;
	(void)max_age_s;
	statuses[which] = status;
	snprintf(failures[which], sizeof failures[which], "%s", failure ? failure : "");
	done_len++;
}

static void send_it(size_t which, enum rank rank, const char *url)
{
	struct issuer_fetch *e = &fetches[which];

	statuses[which] = -1;
	*e = (struct issuer_fetch){ .rank = rank, .url = slice_of(url), .done = on_done, .for_whom = e };
	outbound_send(&outbound, e);
}

static void open_with(uint64_t all, uint64_t keys, size_t egress_len)
{
	issuer = (struct config_issuer){
		.id = S("auth0"),
		.egress = ways,
		.egress_len = egress_len,
		.budget = { .all = { all, NS_PER_S }, .keys = { keys, NS_PER_S }, .machines = 1 }
	};
	sent_len = done_len = 0;
	now_ns = 1000 * NS_PER_S;
	outbound_open(&outbound, &issuer, &world);
}

static int close_all(void **state)
{
	(void)state;
	outbound_close(&outbound);
	for (size_t i = 0; i < sent_len; i++)
		if (!sent[i].answered)
			answer(i, 200); /* harmless: nobody waits for it any more */
	return 0;
}

static void open_ways(void)
{
	ways[0] = (struct config_issuer_egress){ .proxy = S("http://p:1") };
	ways[1] = (struct config_issuer_egress){ .address = S("10.0.0.5") };
	ways[2] = (struct config_issuer_egress){ 0 };
	open_with(80, 80, 3);
}

static void pass_to(uint64_t until_ns)
{
	for (;;) {
		uint64_t next_ns = outbound_tick(&outbound);
		if (next_ns > until_ns)
			break;
		now_ns = next_ns > now_ns ? next_ns : now_ns;
	}
	now_ns = until_ns;
	outbound_tick(&outbound);
}

/* ---- the budget ---- */

static void no_second_sees_much_more_than_the_rate(void **state)
{
	(void)state;
	open_with(80, 1000, 0);
	for (size_t i = 0; i < 400; i++)
		send_it(i, RANK_TOKENS, "t");
	pass_to(now_ns + 4 * NS_PER_S);
	assert_in_range(sent_len, 4 * 80, 4 * 80 + 8);
	for (size_t i = 0; i < sent_len; i++) {
		size_t within = 0;
		for (size_t j = i; j < sent_len && sent[j].at_ns < sent[i].at_ns + NS_PER_S; j++)
			within++;
		assert_in_range(within, 1, 88);
	}
}

static void keys_go_before_refreshes_and_these_before_tokens(void **state)
{
	static const enum rank order[] = { RANK_TOKENS, RANK_REFRESH, RANK_KEYS };
	static const char *const names[] = { "token", "refresh", "keys" };

	(void)state;
	open_with(10, 1000, 0);
	for (size_t i = 40; i < 44; i++)
		send_it(i, RANK_TOKENS, "first"); /* all that may go at once */
	for (size_t i = 0; i < 30; i++)
		send_it(1 + i, order[i / 10], names[i / 10]);
	pass_to(now_ns + 4 * NS_PER_S);
	assert_int_equal(sent_len, 34);
	for (size_t i = 0; i < 30; i++)
		assert_string_equal(sent[4 + i].url, names[2 - i / 10]);
}

static void an_endpoint_has_a_budget_of_its_own(void **state)
{
	(void)state;
	open_with(100, 10, 0);
	for (size_t i = 0; i < 20; i++)
		send_it(i, RANK_KEYS, "keys");
	for (size_t i = 20; i < 60; i++)
		send_it(i, RANK_TOKENS, "token");
	pass_to(now_ns + NS_PER_S);
	size_t keys = 0;
	for (size_t i = 0; i < sent_len; i++)
		keys += sent[i].url[0] == 'k';
	assert_in_range(keys, 10, 14);
	assert_int_equal(sent_len - keys, 40); /* the rest is not held up by them */
}

static void questions_about_tokens_have_one_too(void **state)
{
	size_t keys = 0;

	(void)state;
	open_with(100, 50, 0);
	outbound_close(&outbound);
	issuer.budget.tokens = (struct rate){ 20, NS_PER_S };
	outbound_open(&outbound, &issuer, &world);
	for (size_t i = 0; i < 60; i++)
		send_it(i, i < 20 ? RANK_KEYS : RANK_TOKENS, i < 20 ? "keys" : "token");
	pass_to(now_ns + NS_PER_S);
	for (size_t i = 0; i < sent_len; i++)
		keys += sent[i].url[0] == 'k';
	assert_int_equal(keys, 20);
	assert_in_range(sent_len - keys, 20, 24);
}

static void what_is_sent_is_counted_for_those_who_yield(void **state)
{
	_Atomic uint64_t count = 5;

	(void)state;
	open_ways();
	outbound.sent = &count;
	send_it(0, RANK_KEYS, "k");
	answer(0, 0); /* on the next way: the issuer sees it again */
	answer(1, 200);
	send_it(1, RANK_TOKENS, "t");
	answer(2, 200);
	assert_int_equal(atomic_load(&count), 8);
}

static void machines_share_what_the_issuer_allows(void **state)
{
	(void)state;
	open_with(80, 80, 0);
	issuer.budget.machines = 4;
	outbound_close(&outbound);
	outbound_open(&outbound, &issuer, &world);
	for (size_t i = 0; i < 100; i++)
		send_it(i, RANK_TOKENS, "t");
	pass_to(now_ns + NS_PER_S);
	assert_in_range(sent_len, 20, 24);
}

static void what_waits_too_long_or_finds_no_room_is_refused_the_lowest_first(void **state)
{
	(void)state;
	open_with(1, 1000, 0);
	for (size_t i = FETCHES_MAX + 2; i < FETCHES_MAX + 6; i++)
		send_it(i, RANK_KEYS, "k"); /* all that may go at once */
	for (size_t i = 1; i <= FETCHES_MAX; i++)
		send_it(i, RANK_TOKENS, "t");
	assert_int_equal(done_len, 0);
	assert_int_equal(sent_len, 4);
	send_it(FETCHES_MAX + 1, RANK_KEYS, "k");
	assert_int_equal(done_len, 1);
	assert_int_equal(statuses[FETCHES_MAX], 0); /* the token that came last */
	assert_int_equal(statuses[FETCHES_MAX + 1], -1);
	assert_string_equal(failures[FETCHES_MAX], "too much is asked of this issuer");
	pass_to(now_ns + FETCH_WAIT_NS);
	assert_string_equal(sent[4].url, "k");
	assert_string_equal(failures[1000], "its budget is spent");
	for (size_t i = 5; i < sent_len; i++)
		assert_string_equal(sent[i].url, "t");
}

static void a_forgotten_errand_is_not_called_back(void **state)
{
	(void)state;
	open_with(1, 1000, 0);
	for (size_t i = 0; i < 5; i++)
		send_it(i, RANK_KEYS, "k");
	assert_int_equal(sent_len, 4);
	for (size_t i = 0; i < 5; i++) /* the last one waits */
		outbound_forget(&fetches[i]);
	answer(0, 200);
	pass_to(now_ns + 60 * NS_PER_S);
	assert_int_equal(done_len, 0);
	assert_int_equal(sent_len, 4);
	assert_false(issuer_fetch_is_under_way(&fetches[0]) || issuer_fetch_is_under_way(&fetches[4]));
}

/* ---- ways out ---- */

static void a_way_that_fails_is_left_for_the_next_within_the_errand(void **state)
{
	(void)state;
	open_ways();
	send_it(0, RANK_KEYS, "k");
	assert_string_equal(sent[0].proxy, "http://p:1");
	assert_true(sent[0].alone && sent[0].timeout_ns == TRY_ONE_OF_NS);
	answer(0, 0);
	assert_int_equal(sent_len, 2);
	assert_string_equal(sent[1].address, "10.0.0.5");
	answer(1, 0);
	assert_int_equal(sent[2].proxy[0] || sent[2].address[0], 0);
	answer(2, 200);
	assert_int_equal(statuses[0], 200);
	send_it(1, RANK_KEYS, "k"); /* the next one goes at once where it worked */
	assert_int_equal(sent_len, 4);
	assert_int_equal(sent[3].proxy[0] || sent[3].address[0], 0);
}

static void a_way_that_hangs_is_given_up_after_4_s_and_its_late_answer_ignored(void **state)
{
	(void)state;
	open_ways();
	send_it(0, RANK_KEYS, "k");
	pass_to(now_ns + TRY_ONE_OF_NS - 1);
	assert_int_equal(sent_len, 1);
	pass_to(now_ns + 1);
	assert_int_equal(sent_len, 2);
	answer(0, 200);
	assert_int_equal(statuses[0], -1);
	answer(1, 200);
	assert_int_equal(statuses[0], 200);
}

static void an_errand_fails_once_every_way_has(void **state)
{
	(void)state;
	open_ways();
	send_it(0, RANK_KEYS, "k");
	for (size_t i = 0; i < 3; i++)
		answer(i, 0);
	assert_int_equal(sent_len, 3);
	assert_int_equal(statuses[0], 0);
	assert_string_equal(failures[0], "refused");
}

static void what_the_issuer_says_is_no_fault_of_the_way_but_a_proxys_word_is(void **state)
{
	(void)state;
	open_ways();
	send_it(0, RANK_KEYS, "k");
	answer(0, 500);
	assert_int_equal(statuses[0], 500);
	send_it(1, RANK_KEYS, "k");
	assert_string_equal(sent[1].proxy, "http://p:1");
	answer(1, 502);
	assert_int_equal(statuses[1], -1);
	assert_string_equal(sent[2].address, "10.0.0.5");
	answer(2, 502); /* no proxy there: it is the issuer's */
	assert_int_equal(statuses[1], 502);
}

static void a_way_proves_itself_again_where_nobody_waits(void **state)
{
	(void)state;
	open_ways();
	send_it(0, RANK_KEYS, "k");
	answer(0, 0);
	answer(1, 200);
	send_it(1, RANK_REFRESH, "r");
	assert_string_equal(sent[2].address, "10.0.0.5"); /* too soon */
	answer(2, 200);
	now_ns += 3 * NS_PER_S;
	send_it(2, RANK_KEYS, "k");
	assert_string_equal(sent[3].address, "10.0.0.5"); /* somebody waits */
	answer(3, 200);
	send_it(3, RANK_REFRESH, "r");
	assert_string_equal(sent[4].proxy, "http://p:1");
	answer(4, 200);
	send_it(4, RANK_KEYS, "k");
	assert_string_equal(sent[5].proxy, "http://p:1"); /* it is preferred again */
}

static void a_way_that_goes_on_failing_is_left_alone_for_a_minute_at_most(void **state)
{
	(void)state;
	open_ways();
	size_t failed = 0;
	for (size_t i = 0; i < 600; i++) {
		send_it(i, RANK_REFRESH, "r");
		while (statuses[i] == -1) {
			bool proxied = sent[sent_len - 1].proxy[0];
			failed += proxied;
			answer(sent_len - 1, proxied ? 0 : 200);
		}
		pass_to(now_ns + NS_PER_S);
	}
	assert_in_range(failed, 600 / 72 + 4, 600 / 48 + 8);
}

static void take_line(void *with, enum log_level level, struct slice line)
{
	(void)level;
	text_add(with, line);
}

static void the_log_says_whose_way_fails_and_works_again_where_there_is_another(void **state)
{
	char lines[1024];
	struct text t = TEXT(lines);

	(void)state;
	log_threshold(LOG_LEVEL_INFO);
	log_sink(take_line, &t);
	open_ways();
	send_it(0, RANK_KEYS, "k");
	answer(0, 0);
	answer(1, 200);
	now_ns += 3 * NS_PER_S;
	send_it(1, RANK_REFRESH, "r");
	answer(2, 200);
	outbound_close(&outbound);
	open_with(80, 1000, 1); /* where there is but one, whoever asked says that it failed */
	send_it(0, RANK_KEYS, "k");
	answer(0, 0);
	send_it(1, RANK_KEYS, "k");
	answer(1, 200);
	log_sink(NULL, NULL);
	log_threshold(LOG_LEVEL_ERROR + 1);
	text_end(&t);
	assert_string_equal(lines,
	                    "sallyport: warning: issuer auth0: its way out proxy http://p:1 fails: refused\n"
	                    "sallyport: issuer auth0: its way out proxy http://p:1 works again\n");
}

static void the_ways_are_told_of_as_json(void **state)
{
	char room[1024];
	struct text t = TEXT(room);

	(void)state;
	open_ways();
	send_it(0, RANK_KEYS, "k");
	answer(0, 0);
	outbound_print(&outbound, &t);
	assert_true(
	    slice_starts(text_slice(&t), S(",\"egress\":[{\"way\":\"proxy http://p:1\",\"failures\":1,"
	                                   "\"last_failure\":\"refused\"},{\"way\":\"address 10.0.0.5\"")));
	answer(1, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, close_all)
		TEST(no_second_sees_much_more_than_the_rate),
		TEST(keys_go_before_refreshes_and_these_before_tokens),
		TEST(an_endpoint_has_a_budget_of_its_own),
		TEST(questions_about_tokens_have_one_too),
		TEST(what_is_sent_is_counted_for_those_who_yield),
		TEST(machines_share_what_the_issuer_allows),
		TEST(what_waits_too_long_or_finds_no_room_is_refused_the_lowest_first),
		TEST(a_forgotten_errand_is_not_called_back),
		TEST(a_way_that_fails_is_left_for_the_next_within_the_errand),
		TEST(a_way_that_hangs_is_given_up_after_4_s_and_its_late_answer_ignored),
		TEST(an_errand_fails_once_every_way_has),
		TEST(what_the_issuer_says_is_no_fault_of_the_way_but_a_proxys_word_is),
		TEST(a_way_proves_itself_again_where_nobody_waits),
		TEST(a_way_that_goes_on_failing_is_left_alone_for_a_minute_at_most),
		TEST(the_log_says_whose_way_fails_and_works_again_where_there_is_another),
		TEST(the_ways_are_told_of_as_json),
#undef TEST
	};

	log_threshold(LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
