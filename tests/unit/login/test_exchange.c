#include "login/login.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW_NS (1000 * NS_PER_S)
#define CODE "grant_type=authorization_code&client_id=ui&code=%61bc&redirect_uri=x"

static struct exchanges *open_table(void)
{
	void *memory = aligned_alloc(64, (exchanges_memory() + 63) / 64 * 64);

	assert_non_null(memory);
	memset(memory, 0, exchanges_memory());
	return exchanges_attach(memory);
}

static enum step_result come(struct exchanges *t, struct request *r, struct slice body, uint64_t now_ns)
{
	*r = (struct request){ .stash = body, .stash_ended = true, .status = 400 };
	return exchange_enter(t, r, now_ns);
}

static void one_at_a_time_has_a_code_however_it_is_written(void **state)
{
	struct exchanges *t = open_table();
	struct request first, second;

	(void)state;
	assert_int_equal(come(t, &first, S(CODE), NOW_NS), GO_ON);
	assert_int_equal(come(t, &second, S("code=abc&grant_type=authorization_code"), NOW_NS), ANSWER);
	assert_int_equal(second.fault, FAULT_EXCHANGE_BUSY);
	exchange_settle(t, &second, NOW_NS);
	assert_int_equal(come(t, &second, S(CODE), NOW_NS), ANSWER); /* a twin's end gives nothing back */
	exchange_settle(t, &first, NOW_NS);
	assert_int_equal(come(t, &second, S(CODE), NOW_NS), GO_ON);
	free(t);
}

static void other_credentials_and_grants_without_one_are_not_held_up(void **state)
{
	static const char *const bodies[] = {
		"grant_type=authorization_code&code=abd",
		"grant_type=refresh_token&refresh_token=abc2",
		"{\"grant_type\":\"refresh_token\",\"refresh_token\":\"abc3\"}",
	};
	static const char *const shared[] = {
		"grant_type=client_credentials&client_id=a&client_secret=b",
		"{\"grant_type\":\"client_credentials\",\"client_secret\":\"b\"}",
		"",
	};
	struct exchanges *t = open_table();
	struct request r;

	(void)state;
	assert_int_equal(come(t, &r, S(CODE), NOW_NS), GO_ON);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(come(t, &r, slice_of(bodies[i]), NOW_NS), GO_ON);
		assert_int_not_equal(r.exchange, 0);
		assert_int_equal(come(t, &r, slice_of(bodies[i]), NOW_NS), ANSWER);
	}
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(come(t, &r, slice_of(shared[i / 2]), NOW_NS), GO_ON);
		assert_int_equal(r.exchange, 0);
	}
	assert_int_equal(come(t, &r, (struct slice){ NULL, 0 }, NOW_NS), GO_ON); /* no body was announced */
	free(t);
}

static void one_that_succeeded_is_remembered_for_half_a_minute(void **state)
{
	struct exchanges *t = open_table();
	struct request first, twin;

	(void)state;
	assert_int_equal(come(t, &first, S(CODE), NOW_NS), GO_ON);
	first.status = 200;
	exchange_settle(t, &first, NOW_NS + 5 * NS_PER_S);
	for (uint64_t s = 5; s < 35; s++) {
		assert_int_equal(come(t, &twin, S(CODE), NOW_NS + s * NS_PER_S), ANSWER);
		assert_int_equal(twin.fault, FAULT_EXCHANGE_USED);
		exchange_settle(t, &twin, NOW_NS + s * NS_PER_S);
	}
	assert_int_equal(come(t, &twin, S(CODE), NOW_NS + 36 * NS_PER_S), GO_ON);
	twin.status = 502; /* nobody knows: the issuer's word counts */
	exchange_settle(t, &twin, NOW_NS + 36 * NS_PER_S);
	assert_int_equal(come(t, &twin, S(CODE), NOW_NS + 36 * NS_PER_S), GO_ON);
	free(t);
}

static void a_credential_is_the_same_however_it_is_spelt(void **state)
{
	static const char *const spellings[] = {
		"refresh_token=a%2Bb",
		"%72efresh_token=%61%2bb",
		"x=1&refresh%5Ftoken=a%2Bb&",
		"{\"refresh_token\":\"a+b\"}",
		" {\"\\u0072efresh_token\" : \"\\u0061+b\", \"scope\":\"code\"}",
		"{\"x\":{\"code\":\"z\"},\"refresh_token\":\"a+b\"}",
	};
	static const char *const others[] = {
		"refresh_token=a%2Bc",
		"xrefresh_token=a%2Bb",
		"{\"client_secret\":\"code\",\"scope\":\"refresh_token\"}",
		"scope=refresh_token&client_secret=code",
	};
	struct exchanges *t = open_table();
	struct request first, r;

	(void)state;
	assert_int_equal(come(t, &first, slice_of(spellings[0]), NOW_NS), GO_ON);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(come(t, &r, slice_of(spellings[i]), NOW_NS), ANSWER);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(come(t, &r, slice_of(others[i]), NOW_NS), GO_ON);
	for (size_t i = 2; i < 4; i++)
		assert_int_equal(come(t, &r, slice_of(others[i]), NOW_NS), GO_ON);
	free(t);
}

static void a_claim_whose_worker_died_ends_by_itself(void **state)
{
	struct exchanges *t = open_table();
	struct request dead, r;

	(void)state;
	for (uint64_t round = 0; round < 3; round++) { /* the seconds are a circle of twelve days */
		uint64_t now_ns = NOW_NS + round * 9 * 86400 * NS_PER_S;
		assert_int_equal(come(t, &dead, S(CODE), now_ns), GO_ON);
		assert_int_equal(come(t, &r, S(CODE), now_ns + 119 * NS_PER_S), ANSWER);
		assert_int_equal(come(t, &r, S(CODE), now_ns + 122 * NS_PER_S), GO_ON);
		exchange_settle(t, &dead, now_ns); /* late: the claim is another's by now */
		assert_int_equal(come(t, &dead, S(CODE), now_ns + 122 * NS_PER_S), ANSWER);
		exchange_settle(t, &r, now_ns);
	}
	free(t);
}

static void a_full_table_refuses_nobody(void **state)
{
	struct exchanges *t = open_table();
	unsigned unclaimed = 0;
	struct request r;
	char body[64];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(body, sizeof body, "grant_type=refresh_token&refresh_token=%u", i);
		assert_int_equal(come(t, &r, slice_of(body), NOW_NS), GO_ON);
		unclaimed += r.exchange == 0;
	}
	assert_in_range(unclaimed, 20000 - 8192, 20000 - 7000);
	free(t);
}

static void a_fleet_has_one_name_for_a_credential_however_it_is_spelt(void **state)
{
	struct request r = { .stash = S("refresh_token=a%2Bb") };
	char name[EXCHANGE_NAME], again[EXCHANGE_NAME];
	struct exchange_key ours, theirs;

	(void)state;
	memcpy(&ours, "the key of one fleet's machines.", sizeof ours);
	memcpy(&theirs, "another, of some other machines.", sizeof theirs);
	assert_true(exchange_name(&ours, &r, name));
	r.stash = S("{\"refresh_token\":\"\\u0061+b\"}");
	assert_true(exchange_name(&ours, &r, again));
	assert_memory_equal(name, again, EXCHANGE_NAME);
	assert_true(exchange_name(&theirs, &r, again));
	assert_memory_not_equal(name, again, EXCHANGE_NAME);
	assert_memory_not_equal(name, name + EXCHANGE_NAME / 2, EXCHANGE_NAME / 2);
	r.stash = S("refresh_token=a%2Bc");
	assert_true(exchange_name(&ours, &r, again));
	assert_memory_not_equal(name, again, EXCHANGE_NAME);
	r.stash = S("grant_type=client_credentials&client_secret=b");
	assert_false(exchange_name(&ours, &r, again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fleet_has_one_name_for_a_credential_however_it_is_spelt),
		cmocka_unit_test(one_at_a_time_has_a_code_however_it_is_written),
		cmocka_unit_test(other_credentials_and_grants_without_one_are_not_held_up),
		cmocka_unit_test(one_that_succeeded_is_remembered_for_half_a_minute),
		cmocka_unit_test(a_credential_is_the_same_however_it_is_spelt),
		cmocka_unit_test(a_claim_whose_worker_died_ends_by_itself),
		cmocka_unit_test(a_full_table_refuses_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
