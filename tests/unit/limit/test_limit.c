#include "limit_world.h"

static void a_limit_by_address_refuses_the_one_and_not_the_other(void **state)
{
	struct config_limit *login = limit("login", "address", 2);

	(void)state;
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_slice(s.r.rate_limit, "\"login\";r=1;t=1");
	assert_slice(s.r.rate_limit_policy, "\"login\";q=2;w=2");
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_slice(s.r.rate_limit, "\"login\";r=0;t=1");
	assert_int_equal(early_from(1, NOW + NS_PER_MS), ANSWER);
	assert_int_equal(s.r.fault, FAULT_LIMITED);
	assert_ptr_equal(s.r.refusal.limit, login);
	assert_int_equal(s.r.refusal.retry_after_ns, NS_PER_S - NS_PER_MS);
	assert_slice(s.r.rate_limit, "\"login\";r=0;t=1");
	assert_int_equal(early_from(2, NOW), GO_ON);
	assert_int_equal(early_from(1, NOW + NS_PER_S), GO_ON);
}

static void neighbours_share_a_prefix(void **state)
{
	(void)state;
	limit("net", "prefix", 1);
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_int_equal(early_from(2, NOW), ANSWER);
	struct request *r = request_from(1);
	r->address.s6_addr[14] = 9;
	assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
	for (int i = 0; i < 3; i++) { /* IPv6: the last 64 bits do not count */
		r = request_from((uint8_t)i);
		r->address.s6_addr[0] = 0x20;
		r->address.s6_addr[7] = (uint8_t)(i / 2);
		assert_int_equal(limit_early(s.l, r, NOW), i == 1 ? ANSWER : GO_ON);
	}
}

static void a_field_is_counted_by_its_value(void **state)
{
	(void)state;
	limit("key", "header:X-Key", 1);
	open_limits();
	headers_add(&request_from(1)->headers, S("x-key"), S("alpha"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), GO_ON);
	headers_add(&request_from(2)->headers, S("X-KEY"), S("alpha"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), ANSWER);
	headers_add(&request_from(2)->headers, S("X-Key"), S("beta"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), GO_ON);
}

static void leaving_a_field_out_or_sending_it_twice_is_no_way_round(void **state)
{
	(void)state;
	limit("key", "header:X-Key", 1);
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_int_equal(early_from(1, NOW), ANSWER);
	headers_add(&request_from(1)->headers, S("X-Key"), S(""));
	assert_int_equal(limit_early(s.l, &s.r, NOW), ANSWER);
	headers_add(&request_from(1)->headers, S("X-Key"), S("one"));
	headers_add(&s.r.headers, S("X-Key"), S("two"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), ANSWER);
	assert_int_equal(early_from(2, NOW), GO_ON);
	struct request *r = request_from(3); /* the bytes of an address as a value are not that address */
	headers_add(&r->headers, S("X-Key"), (struct slice){ (char *)&r->address, 16 });
	assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
	assert_int_equal(early_from(3, NOW), GO_ON);
}

static void parts_are_joined_without_ambiguity(void **state)
{
	static char longer[300];

	(void)state;
	memset(longer, 'x', sizeof longer);
	limit("pair", "header:A,header:B", 1);
	open_limits();
	headers_add(&request_from(1)->headers, S("A"), S("ab"));
	headers_add(&s.r.headers, S("B"), S("c"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), GO_ON);
	headers_add(&request_from(1)->headers, S("A"), S("a"));
	headers_add(&s.r.headers, S("B"), S("bc"));
	assert_int_equal(limit_early(s.l, &s.r, NOW), GO_ON);
	for (int i = 0; i < 3; i++) { /* long values differ by their end too */
		longer[299] = i < 2 ? 'y' : 'z';
		headers_add(&request_from(1)->headers, S("A"), (struct slice){ longer, sizeof longer });
		assert_int_equal(limit_early(s.l, &s.r, NOW), i == 1 ? ANSWER : GO_ON);
	}
}

static void subjects_are_counted_late_and_per_issuer(void **state)
{
	(void)state;
	limit("user", "subject", 1);
	open_limits();
	for (int i = 0; i < 3; i++) {
		struct request *r = request_from((uint8_t)i);
		r->identity.verdict = VERDICT_VALID;
		r->identity.subject = S("alice");
		r->identity.issuer = i < 2 ? S("auth0") : S("other");
		assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
		assert_int_equal(r->rate_limit.len, 0);
		assert_int_equal(limit_late(s.l, r, NOW), i == 1 ? ANSWER : GO_ON);
	}
	struct request *r = request_from(9); /* what was not verified is nobody: the address counts */
	r->identity.subject = S("alice");
	assert_int_equal(limit_late(s.l, r, NOW), GO_ON);
	assert_int_equal(limit_late(s.l, request_from(9), NOW), ANSWER);
}

static void all_limits_of_a_station_are_taken_or_none(void **state)
{
	(void)state;
	limit("wide", "prefix", 3);
	struct config_limit *narrow = limit("narrow", "address", 1);
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_slice(s.r.rate_limit, "\"wide\";r=2;t=1, \"narrow\";r=0;t=1");
	for (int i = 0; i < 10; i++) {
		assert_int_equal(early_from(1, NOW), ANSWER);
		assert_ptr_equal(s.r.refusal.limit, narrow);
	}
	assert_int_equal(early_from(2, NOW), GO_ON); /* the refused took nothing of the wide one */
	assert_int_equal(early_from(3, NOW), GO_ON);
	assert_int_equal(early_from(4, NOW), ANSWER);
}

static void the_longest_wait_is_told(void **state)
{
	(void)state;
	limit("short", "address", 1);
	struct config_limit *slow = limit("slow", "prefix", 1);
	slow->rate = (struct rate){ 1, 60 * NS_PER_S };
	limit("other", "address,route", 1);
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_int_equal(early_from(1, NOW), ANSWER);
	assert_ptr_equal(s.r.refusal.limit, slow);
	assert_int_equal(s.r.refusal.retry_after_ns, 60 * NS_PER_S);
}

static void a_shadow_refuses_nobody_and_is_counted(void **state)
{
	struct config_limit *l = limit("shy", "address", 1);
	void *memory = calloc(1, metrics_memory(1));

	(void)state;
	l->shadow = 100;
	metrics_attach(memory, 1);
	metrics_sit(0);
	open_limits();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(early_from(1, NOW), GO_ON);
		assert_int_equal(s.r.rate_limit.len, 0);
		assert_null(s.r.refusal.limit);
	}
	assert_int_equal(metrics_value(s.l->plans[0].series[ADMITTED]), 1);
	assert_int_equal(metrics_value(s.l->plans[0].series[SHADOWED]), 4);
	assert_int_equal(metrics_value(s.l->plans[0].series[REFUSED_BY_LIMIT]), 0);
	void *none = calloc(1, metrics_memory(2));
	metrics_attach(none, 2);
	free(memory);
	memset(none, 1, 8);
	metrics_attach(none, 1); /* refused: nothing is attached any more */
	free(none);
}

static void a_limit_may_be_for_one_class(void **state)
{
	struct config_limit *l = limit("robots", "address", 1);

	(void)state;
	s.classes[0] = S("declared");
	l->classes = (struct config_texts){ s.classes, 1 };
	open_limits();
	for (int i = 0; i < 3; i++)
		assert_int_equal(early_from(1, NOW), GO_ON);
	for (int i = 0; i < 2; i++) {
		struct request *r = request_from(1);
		r->class = CLASS_DECLARED;
		assert_int_equal(limit_early(s.l, r, NOW), i ? ANSWER : GO_ON);
	}
}

static void a_cost_takes_several_tokens_and_is_told_in_requests(void **state)
{
	struct config_limit *l = limit("dear", "address", 12);

	(void)state;
	l->cost = 5;
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_slice(s.r.rate_limit, "\"dear\";r=1;t=5");
	assert_slice(s.r.rate_limit_policy, "\"dear\";q=2;w=12");
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_int_equal(early_from(1, NOW), ANSWER);
	assert_int_equal(s.r.refusal.retry_after_ns, 3 * NS_PER_S);
}

static void both_stations_are_told_in_one_field(void **state)
{
	(void)state;
	limit("one", "address", 3);
	limit("two", "subject", 4);
	open_limits();
	struct request *r = request_from(1);
	assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
	assert_int_equal(limit_late(s.l, r, NOW), GO_ON);
	assert_slice(r->rate_limit, "\"one\";r=2;t=1, \"two\";r=3;t=1");
	assert_slice(r->rate_limit_policy, "\"one\";q=3;w=3, \"two\";q=4;w=4");
}

static void fields_are_left_out_where_the_arena_is_nearly_full(void **state)
{
	(void)state;
	limit("one", "address", 3);
	open_limits();
	struct request *r = request_from(1);
	arena_take(&r->arena, STORE - 1024);
	assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
	assert_false(r->arena.overflowed);
	assert_int_equal(r->rate_limit.len, 0);
}

static void without_headers_nothing_is_told(void **state)
{
	(void)state;
	limit("one", "address", 3);
	s.config.root.limiting.headers = false;
	open_limits();
	assert_int_equal(early_from(1, NOW), GO_ON);
	assert_int_equal(s.r.rate_limit.len, 0);
}

static void a_request_without_a_route_goes_on(void **state)
{
	(void)state;
	limit("one", "address", 1);
	open_limits();
	struct request *r = request_from(1);
	r->route = NULL;
	assert_int_equal(limit_early(s.l, r, NOW), GO_ON);
	assert_int_equal(limit_late(s.l, r, NOW), GO_ON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_limit_by_address_refuses_the_one_and_not_the_other),
		TEST(neighbours_share_a_prefix),
		TEST(a_field_is_counted_by_its_value),
		TEST(leaving_a_field_out_or_sending_it_twice_is_no_way_round),
		TEST(parts_are_joined_without_ambiguity),
		TEST(subjects_are_counted_late_and_per_issuer),
		TEST(all_limits_of_a_station_are_taken_or_none),
		TEST(the_longest_wait_is_told),
		TEST(a_shadow_refuses_nobody_and_is_counted),
		TEST(a_limit_may_be_for_one_class),
		TEST(a_cost_takes_several_tokens_and_is_told_in_requests),
		TEST(both_stations_are_told_in_one_field),
		TEST(fields_are_left_out_where_the_arena_is_nearly_full),
		TEST(without_headers_nothing_is_told),
		TEST(a_request_without_a_route_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
