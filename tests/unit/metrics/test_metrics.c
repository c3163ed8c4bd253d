#include "metrics/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEATS 4

static const struct slice none;
static char said[1 << 20];
static size_t said_len;

static void hear(void *with, struct slice piece)
{
	(void)with;
	assert_true(said_len + piece.len < sizeof said);
	memcpy(said + said_len, piece.at, piece.len);
	said_len += piece.len;
	said[said_len] = 0;
}

static const char *exposition(void)
{
	said_len = 0;
	metrics_expose(hear, NULL);
	return said;
}

static int setup(void **state)
{
	int writable = PROT_READ | PROT_WRITE;
	void *memory = mmap(NULL, metrics_memory(SEATS), writable, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	assert_true(metrics_attach(memory, SEATS));
	metrics_sit(0);
	*state = memory;
	return 0;
}

static int teardown(void **state)
{
	return munmap(*state, metrics_memory(SEATS));
}

static void an_unattached_process_may_count(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		metrics_table = NULL;
		metrics_count(METRIC_series_lost_total);
		metrics_add(metrics_series(METRIC_verify_total, S("a"), S("b"), none, none), 1);
		metrics_observe(METRICS_LOST, 5);
		metrics_set(METRICS_LOST, 5);
		_exit(metrics_value(METRICS_LOST) == 0 ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void the_same_labels_find_the_same_series(void **state)
{
	(void)state;
	uint32_t a = metrics_series(METRIC_verify_total, S("auth0"), S("valid"), none, none);
	uint32_t b = metrics_series(METRIC_verify_total, S("auth0"), S("valid"), none, none);
	uint32_t c = metrics_series(METRIC_verify_total, S("auth0v"), S("alid"), none, none);

	assert_int_equal(a, b);
	assert_int_not_equal(a, c);
	assert_int_not_equal(a, METRICS_LOST);
}

static void counts_of_all_seats_are_summed(void **state)
{
	uint32_t s = metrics_series(METRIC_faults_total, S("limited"), none, none, none);

	(void)state;
	for (unsigned seat = 0; seat < SEATS; seat++) {
		metrics_sit(seat);
		metrics_add(s, 10 + seat);
	}
	assert_int_equal(metrics_value(s), 46);
	assert_non_null(strstr(exposition(), "sallyport_faults_total{reason=\"limited\"} 46\n"));
}

static void who_has_left_counts_nowhere(void **state)
{
	uint32_t s = metrics_series(METRIC_faults_total, S("left"), none, none, none);

	(void)state;
	metrics_sit(1);
	metrics_leave();
	metrics_add(s, 10);
	metrics_set(s, 10);
	assert_int_equal(metrics_value(s), 0);
	metrics_sit(1);
	metrics_add(s, 2);
	assert_int_equal(metrics_value(s), 2);
}

static void a_lone_family_is_shown_before_it_counts(void **state)
{
	(void)state;
	assert_non_null(strstr(exposition(), "# HELP sallyport_log_dropped_total access log lines dropped"));
	assert_non_null(strstr(said, "# TYPE sallyport_log_dropped_total counter\n"
	                             "sallyport_log_dropped_total 0\n"));
	metrics_count_n(METRIC_log_dropped_total, 3);
	assert_non_null(strstr(exposition(), "\nsallyport_log_dropped_total 3\n"));
}

static void label_values_are_escaped(void **state)
{
	(void)state;
	metrics_add(metrics_series(METRIC_faults_total, S("a\"b\\c\nd"), none, none, none), 1);
	assert_non_null(strstr(exposition(), "{reason=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

static void long_label_values_stay_apart(void **state)
{
	char a[200], b[200];
	const char *line;

	(void)state;
	memset(a, 'x', sizeof a);
	memset(b, 'x', sizeof b);
	b[199] = 'y';
	uint32_t one = metrics_series(METRIC_faults_total, (struct slice){ a, 200 }, none, none, none);
	uint32_t two = metrics_series(METRIC_faults_total, (struct slice){ b, 200 }, none, none, none);
	assert_int_not_equal(one, two);
	line = strstr(exposition(), "reason=\"xxxx");
	assert_non_null(line);
	assert_int_equal(strcspn(line + 8, "\""), METRICS_LABEL);
	assert_int_equal(line[8 + METRICS_LABEL - 9], '~');
}

static void gauges_may_fall_below_zero_and_are_cleared_by_the_next_sitter(void **state)
{
	uint32_t open = metrics_lone(METRIC_connections_open), faults;

	(void)state;
	faults = metrics_series(METRIC_faults_total, S("x"), none, none, none);
	metrics_set(open, -7);
	metrics_add(faults, 2);
	assert_non_null(strstr(exposition(), "\nsallyport_connections_open -7\n"));
	metrics_sit(0);
	assert_int_equal(metrics_value(open), 0);
	assert_int_equal(metrics_value(faults), 2);
}

static void a_histogram_is_cumulative_and_in_seconds(void **state)
{
	uint32_t s = metrics_series(METRIC_request_seconds, S("api"), none, none, none);

	(void)state;
	metrics_observe(s, 0);
	metrics_observe(s, 100000); /* exactly at the first bound: within it */
	metrics_observe(s, 100001);
	metrics_observe(s, 1500000000);
	metrics_observe(s, 3276800000); /* exactly at the last bound */
	metrics_observe(s, 3276800001);
	assert_int_equal(metrics_value(s), 6);
	exposition();
	assert_non_null(strstr(said, "# TYPE sallyport_request_seconds histogram\n"
	                             "sallyport_request_seconds_bucket{route=\"api\",le=\"0.0001\"} 2\n"
	                             "sallyport_request_seconds_bucket{route=\"api\",le=\"0.0002\"} 3\n"
	                             "sallyport_request_seconds_bucket{route=\"api\",le=\"0.0004\"} 3\n"));
	assert_non_null(strstr(said, "le=\"0.8192\"} 3\n"));
	assert_non_null(strstr(said, "le=\"1.6384\"} 4\n"));
	assert_non_null(strstr(said, "le=\"3.2768\"} 5\n"
	                             "sallyport_request_seconds_bucket{route=\"api\",le=\"+Inf\"} 6\n"
	                             "sallyport_request_seconds_sum{route=\"api\"} 8.053800002\n"
	                             "sallyport_request_seconds_count{route=\"api\"} 6\n"));
}

static void a_full_table_loses_series_and_says_so(void **state)
{
	uint32_t last = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < SERIES_MAX; i++) {
		int len = snprintf(name, sizeof name, "r%d", i);
		last = metrics_series(METRIC_faults_total, (struct slice){ name, (size_t)len }, none, none, none);
	}
	assert_int_equal(last, METRICS_LOST);
	metrics_add(last, 1);
	assert_true(metrics_value(metrics_lone(METRIC_series_lost_total)) > 0);
}

static void used_up_cells_lose_a_histogram_and_keep_the_rest(void **state)
{
	uint32_t s = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < CELLS_MAX / HISTOGRAM_CELLS + 1; i++) {
		int len = snprintf(name, sizeof name, "r%d", i);
		s = metrics_series(METRIC_request_seconds, (struct slice){ name, (size_t)len }, none, none, none);
	}
	assert_int_equal(s, METRICS_LOST);
	metrics_observe(s, 1);
	metrics_count(METRIC_log_dropped_total);
	assert_int_equal(metrics_value(metrics_lone(METRIC_log_dropped_total)), 1);
	assert_null(strstr(exposition(), name));
}

static void processes_that_register_at_once_agree(void **state)
{
	pid_t child[SEATS];
	int status;

	(void)state;
	for (unsigned p = 0; p < SEATS; p++) {
		child[p] = fork();
		if (child[p])
			continue;
		metrics_sit(p);
		for (int i = 0; i < 20000; i++) {
			char name[32];
			int len = snprintf(name, sizeof name, "route%d", i % 200);
			struct slice label = { name, (size_t)len };
			metrics_add(metrics_series(METRIC_upstream_reused_total, label, none, none, none), 1);
		}
		_exit(0);
	}
	for (unsigned p = 0; p < SEATS; p++) {
		waitpid(child[p], &status, 0);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < 200; i++) {
		char line[96];
		snprintf(line, sizeof line, "sallyport_upstream_reused_total{upstream=\"route%d\"} 400\n", i);
		assert_non_null(strstr(i ? said : exposition(), line));
	}
}

static void a_registration_cut_by_death_is_completed_by_the_next(void **state)
{
	uint32_t s = metrics_series(METRIC_faults_total, S("half"), none, none, none);

	(void)state;
	for (size_t i = 0; i < SERIES_MAX; i++) {
		struct series *entry = &metrics_table->series[i];
		if (entry->cell != s)
			continue;
		uint64_t identity = entry->identity;
		memset(entry, 0, sizeof *entry); /* as if its claimer had died right after the swap */
		entry->identity = identity;
	}
	assert_null(strstr(exposition(), "half"));
	metrics_add(metrics_series(METRIC_faults_total, S("half"), none, none, none), 1);
	assert_non_null(strstr(exposition(), "{reason=\"half\"} 1\n"));
}

static void whatever_lies_in_the_memory_only_what_was_registered_is_shown(void **state)
{
	char *rest = (char *)*state + METRICS_HEAD;
	uint64_t word = 42;

	metrics_add(metrics_series(METRIC_faults_total, S("known"), none, none, none), 7);
	struct series *known = NULL;
	for (size_t i = 0; i < SERIES_MAX; i++)
		if (metrics_table->series[i].ready && memmem((char *)metrics_table->series[i].values, 8, "known", 5))
			known = &metrics_table->series[i];
	assert_non_null(known);
	static const uint32_t cells[] = { CELLS_MAX - 1, CELLS_MAX, METRICS_LOST - 1, 0 };
	for (size_t i = 0; i < 4; i++) { /* the last one is there, the next is not */
		known->cell = cells[i];
		metrics_clear(0);
		assert_int_equal(strstr(exposition(), "\"known\"") != NULL, cells[i] == CELLS_MAX - 1);
	}
	for (unsigned round = 0; round < 8; round++) {
		for (char *at = rest; at + sizeof word <= (char *)*state + metrics_memory(SEATS); at += sizeof word) {
			word = word * 6364136223846793005u + 1442695040888963407u;
			uint64_t put = round % 2 ? word : word >> 40 | (uint64_t)1 << 32;
			memcpy(at, &put, sizeof put);
		}
		uint32_t s = metrics_series(METRIC_upstream_seconds, S("app"), none, none, none);
		metrics_observe(s, 1000);
		metrics_add(metrics_series(METRIC_faults_total, S("more"), none, none, none), 1);
		metrics_clear(0);
		const char *at = exposition();
		for (; *at; at++)
			assert_true(*at == '\n' || (*at >= 0x20 && *at < 0x7f));
	}
}

static void memory_of_another_layout_is_not_attached(void **state)
{
	struct table *t = *state;

	assert_false(metrics_attach(t, SEATS + 1));
	assert_true(metrics_attach(t, SEATS));
	t->layout ^= 1;
	assert_false(metrics_attach(t, SEATS));
	metrics_count(METRIC_log_dropped_total);
}

static void the_document_has_a_row_for_each_family(void **state)
{
	unsigned rows = 0;

	(void)state;
	said_len = 0;
	metrics_document(hear, NULL);
	for (const char *p = said; (p = strstr(p, "\n| `sallyport_")); p++)
		rows++;
	assert_int_equal(rows, METRIC_FAMILIES);
	assert_non_null(strstr(said, "| `sallyport_requests_total` | counter | `route`, `status`, `class` | "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void what_no_count_can_be_is_none(void **state)
{
	uint32_t s = metrics_series(METRIC_redis_up, S("a"), none, none, none);

	(void)state;
	metrics_set(s, -16); /* as one who has taken over a worker may write */
	assert_true(metrics_value(s) == 0);
	metrics_set(s, INT64_MAX);
	assert_true(metrics_value(s) == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unattached_process_may_count),
		TEST(what_no_count_can_be_is_none),
		TEST(the_same_labels_find_the_same_series),
		TEST(counts_of_all_seats_are_summed),
		TEST(who_has_left_counts_nowhere),
		TEST(a_lone_family_is_shown_before_it_counts),
		TEST(label_values_are_escaped),
		TEST(long_label_values_stay_apart),
		TEST(gauges_may_fall_below_zero_and_are_cleared_by_the_next_sitter),
		TEST(a_histogram_is_cumulative_and_in_seconds),
		TEST(a_full_table_loses_series_and_says_so),
		TEST(used_up_cells_lose_a_histogram_and_keep_the_rest),
		TEST(processes_that_register_at_once_agree),
		TEST(a_registration_cut_by_death_is_completed_by_the_next),
		TEST(whatever_lies_in_the_memory_only_what_was_registered_is_shown),
		TEST(memory_of_another_layout_is_not_attached),
		TEST(the_document_has_a_row_for_each_family),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
