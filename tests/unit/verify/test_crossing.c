/* A verdict in the cache says that a signature is valid, nothing else: what it must never cross. */
#include "guest.h"
#include "metrics/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker rsa, ec, stranger;

static struct slice good(const struct maker *m)
{
	return maker_token(m, NULL,
	                   "{\"iss\":\"https://i/\",\"aud\":\"api\",\"sub\":\"alice\",\"exp\":1800003600,"
	                   "\"iat\":1799999000,\"scope\":\"read\"}");
}

static int open_house(void **state)
{
	struct maker all[] = { rsa, ec };

	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(all, 2), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	fixture_publish(1, maker_jwks(&stranger, 1), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

static void a_cached_verdict_does_not_cross_to_a_route_of_another_audience(void **state)
{
	struct slice token = good(&rsa);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_NARROW, token), FAULT_TOKEN_AUDIENCE);
	assert_int_equal(fixture_try(ROUTE_WRITE, token), FAULT_TOKEN_SCOPE);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
}

static void a_cached_verdict_does_not_cross_to_another_issuer_of_the_same_name(void **state)
{
	struct slice token = good(&rsa);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_OTHER, token), FAULT_TOKEN_KEY);
	struct maker same_kid = { stranger.pkey, ALG_RS256, "rsa" };
	fixture_publish(1, maker_jwks(&same_kid, 1), WALL_S - 60, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_OTHER, token), FAULT_TOKEN_SIGNATURE);
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
}

/* Generations of keys are never given twice; and even if one were, issuers stay apart. */
static void a_cached_verdict_does_not_cross_issuers_by_a_generation_given_twice(void **state)
{
	struct maker same_kid = { stranger.pkey, ALG_RS256, "rsa" };
	struct slice token = good(&rsa);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	atomic_fetch_sub(&fixture.published->generations, 2);
	fixture_publish(1, maker_jwks(&same_kid, 1), WALL_S - 60, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_OTHER, token), FAULT_TOKEN_SIGNATURE);
	assert_true(fixture.verify->issuer[0].generation == fixture.verify->issuer[1].generation);
	assert_int_equal(fixture_try(ROUTE_PLAIN, token), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_OTHER, token), FAULT_TOKEN_SIGNATURE);
}

static void a_cached_verdict_does_not_cross_to_another_key_generation(void **state)
{
	struct maker swapped[] = { { stranger.pkey, ALG_RS256, "rsa" }, ec };
	struct slice token = good(&rsa), kept = good(&ec);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
	assert_int_equal(fixture_try(ROUTE_READ, kept), FAULT_NONE);
	fixture_publish(0, maker_jwks(swapped, 2), WALL_S - 1, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_TOKEN_SIGNATURE);
	assert_int_equal(fixture_try(ROUTE_READ, kept), FAULT_NONE);
	fixture_publish(0, maker_jwks(&ec, 1), WALL_S - 1, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_TOKEN_KEY); /* removed: revoked */
	assert_int_equal(fixture_try(ROUTE_READ, kept), FAULT_NONE);
}

/* The table is full, and another configuration's issuer is given the place where a worker still looks. */
static void keys_do_not_cross_where_a_place_is_given_to_another_issuer(void **state)
{
	unsigned char kept[ISSUERS_MAX][SHA256_LEN] = { 0 };
	const unsigned char(*all)[SHA256_LEN] = (const unsigned char(*)[SHA256_LEN])kept;
	struct published_keys head = { .generation = 99, .fetched_wall_s = WALL_S, .fetched_ns = NOW_NS };
	struct slice token = good(&rsa), strange = good(&stranger);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
	struct published_slot *mine = fixture_slot(0);
	assert_true(published_who(&fixture.issuers[1], kept[0]));
	for (unsigned char i = 1; i < ISSUERS_MAX; i++) {
		kept[i][0] = i;
		assert_non_null(published_claim(fixture.published, kept[i], all, i));
	}
	assert_ptr_equal(published_find(fixture.published, kept[ISSUERS_MAX - 1]), mine);
	memcpy(head.who, kept[ISSUERS_MAX - 1], SHA256_LEN);
	published_put(fixture.published, mine, &head, maker_jwks(&stranger, 1));
	assert_int_equal(fixture_try(ROUTE_READ, strange), FAULT_TOKEN_KEY);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE); /* with the keys in hand */
}

static void a_cached_verdict_does_not_outlive_its_token(void **state)
{
	struct slice token = good(&rsa);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
	assert_int_equal(fixture_try_at(ROUTE_READ, token, NOW_NS, 1800003659), FAULT_NONE);
	assert_int_equal(fixture_try_at(ROUTE_READ, token, NOW_NS, 1800003660), FAULT_TOKEN_EXPIRED);
}

static uint64_t counted(const char *what)
{
	return metrics_value(metrics_series(METRIC_verify_cache_total, slice_of(what), S(""), S(""), S("")));
}

static void a_signature_is_checked_once_and_a_bad_one_once_in_ten_seconds(void **state)
{
	struct maker forged = { stranger.pkey, ALG_RS256, "rsa" };
	struct slice token = good(&rsa), bad = good(&forged);
	uint64_t hits = counted("hit"), misses = counted("miss"), negatives = counted("negative");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
	assert_true(counted("miss") == misses + 1 && counted("hit") == hits + 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture_try(ROUTE_READ, bad), FAULT_TOKEN_SIGNATURE);
	assert_true(counted("miss") == misses + 2 && counted("negative") == negatives + 2);
	uint64_t later_ns = NOW_NS + 10 * NS_PER_S;
	assert_int_equal(fixture_try_at(ROUTE_READ, bad, later_ns, WALL_S + 10), FAULT_TOKEN_SIGNATURE);
	assert_true(counted("miss") == misses + 3 && counted("negative") == negatives + 2);
	assert_int_equal(fixture_try_at(ROUTE_READ, token, later_ns, WALL_S + 10), FAULT_NONE);
	assert_true(counted("hit") == hits + 3);
}

static void a_bad_signature_is_forgotten_when_the_keys_change(void **state)
{
	struct maker new_rsa = { stranger.pkey, ALG_RS256, "rsa" };
	struct slice token = good(&new_rsa);

	(void)state;
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_TOKEN_SIGNATURE);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_TOKEN_SIGNATURE);
	fixture_publish(0, maker_jwks(&new_rsa, 1), WALL_S, NOW_NS);
	assert_int_equal(fixture_try(ROUTE_READ, token), FAULT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, fixture_end)
		TEST(a_cached_verdict_does_not_cross_to_a_route_of_another_audience),
		TEST(a_cached_verdict_does_not_cross_to_another_issuer_of_the_same_name),
		TEST(a_cached_verdict_does_not_cross_issuers_by_a_generation_given_twice),
		TEST(a_cached_verdict_does_not_cross_to_another_key_generation),
		TEST(keys_do_not_cross_where_a_place_is_given_to_another_issuer),
		TEST(a_cached_verdict_does_not_outlive_its_token),
		TEST(a_signature_is_checked_once_and_a_bad_one_once_in_ten_seconds),
		TEST(a_bad_signature_is_forgotten_when_the_keys_change),
#undef TEST
	};
	void *counters = calloc(1, metrics_memory(1));

	if (!counters || !metrics_attach(counters, 1))
		return 1;
	metrics_sit(0);
	rsa = maker_make(ALG_RS256, "rsa");
	ec = maker_make(ALG_ES256, "ec");
	stranger = (struct maker){ maker_rsa(true), ALG_RS256, "stranger" };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&ec);
	maker_free(&rsa);
	maker_free(&stranger);
	maker_forget();
	free(counters);
	return failed;
}
