#include "verify/cache.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static char many[2000];

static struct cache_name name_of(unsigned token, uint64_t generation, uint16_t issuer)
{
	struct cache_name n = { .generation = generation, .issuer = issuer, .key = 3 };

	memcpy(n.token, &token, sizeof token);
	memcpy(n.token + 16, &token, sizeof token);
	return n;
}

static struct claims claims_of(uint16_t len)
{
	struct claims c = { .expires_s = 77, .text = many, .len = len };

	c.part[CLAIM_SUBJECT].len = len;
	return c;
}

static void what_was_put_is_found_with_its_claims(void **state)
{
	struct cache *c = cache_open(64);
	struct cache_name name = name_of(1, 1, 0);
	struct claims claims = claims_of(800);
	uint16_t key = 0;

	(void)state;
	assert_null(cache_find(c, &name, &key));
	cache_put(c, &name, &claims);
	const struct claims *found = cache_find(c, &name, &key);
	assert_non_null(found);
	assert_int_equal(key, 3);
	assert_int_equal(found->expires_s, 77);
	assert_ptr_not_equal(found->text, many);
	assert_true(slice_same(claims_get(found, CLAIM_SUBJECT), (struct slice){ many, 800 }));
	cache_close(c);
}

static void a_verdict_never_crosses_token_issuer_or_generation(void **state)
{
	struct cache *c = cache_open(64);
	struct cache_name good = name_of(1, 1, 0), token = name_of(2, 1, 0), generation = name_of(1, 2, 0),
	                  issuer = name_of(1, 1, 1);
	struct claims claims = claims_of(10);
	uint16_t key;

	(void)state;
	cache_put(c, &good, &claims);
	assert_non_null(cache_find(c, &good, &key));
	assert_null(cache_find(c, &token, &key));
	assert_null(cache_find(c, &generation, &key));
	assert_null(cache_find(c, &issuer, &key));
	good.token[31] ^= 1; /* the whole digest counts */
	assert_null(cache_find(c, &good, &key));
	cache_close(c);
}

static void claims_that_do_not_fit_are_not_remembered(void **state)
{
	struct cache *c = cache_open(64);
	struct cache_name name = name_of(1, 1, 0);
	struct claims claims = claims_of(1500);
	uint16_t key;

	(void)state;
	cache_put(c, &name, &claims);
	assert_null(cache_find(c, &name, &key));
	cache_close(c);
}

static void the_one_in_use_outlives_a_flood_of_others(void **state)
{
	struct cache *c = cache_open(256);
	struct cache_name used = name_of(0, 1, 0);
	struct claims claims = claims_of(10);
	uint16_t key;

	(void)state;
	cache_put(c, &used, &claims);
	for (unsigned i = 1; i < 20000; i++) {
		struct cache_name other = name_of(i, 1, 0);
		cache_put(c, &other, &claims);
		assert_non_null(cache_find(c, &used, &key));
	}
	cache_close(c);
}

static void a_bad_signature_is_remembered_for_ten_seconds_under_its_generation(void **state)
{
	struct cache *c = cache_open(64);
	struct cache_name bad = name_of(1, 1, 0), later = name_of(1, 2, 0);
	uint64_t now = 5;

	(void)state;
	assert_false(cache_is_refused(c, &bad, now));
	cache_refuse(c, &bad, now);
	assert_true(cache_is_refused(c, &bad, now + CACHE_REFUSED_NS - 1));
	assert_false(cache_is_refused(c, &bad, now + CACHE_REFUSED_NS));
	assert_false(cache_is_refused(c, &later, now));
	cache_close(c);
}

/* Where they are looked for in the same place, too: it goes by the lowest bits of the generation. */
static void a_bad_signature_never_crosses_token_issuer_or_generation(void **state)
{
	struct cache *c = cache_open(64);
	struct cache_name bad = name_of(1, 1, 0), generation = name_of(1, 1 + (1 << 20), 0);
	struct cache_name issuer = name_of(1, 1, 1), token = bad;

	(void)state;
	token.token[31] ^= 1;
	cache_refuse(c, &bad, 5);
	assert_true(cache_is_refused(c, &bad, 6));
	assert_false(cache_is_refused(c, &generation, 6));
	assert_false(cache_is_refused(c, &issuer, 6));
	assert_false(cache_is_refused(c, &token, 6));
	cache_close(c);
}

/* Two names that are looked for under one tag, whatever the seed. */
static void a_verdict_is_not_found_by_its_tag_alone(void **state)
{
	const uint64_t spread = UINT64_C(0x9E3779B97F4A7C15);
	struct cache *c = cache_open(64);
	struct cache_name good = name_of(1, 1, 0), other = good;
	struct claims claims = claims_of(10);
	uint64_t word;
	uint16_t key;

	(void)state;
	memcpy(&word, good.token, sizeof word);
	word ^= spread ^ 2 * spread;
	memcpy(other.token, &word, sizeof word);
	other.generation = 2;
	cache_put(c, &good, &claims);
	assert_null(cache_find(c, &other, &key));
	other = good;
	other.issuer = 1;
	memcpy(&word, good.token, sizeof word);
	word ^= UINT64_C(1) << 48;
	memcpy(other.token, &word, sizeof word);
	assert_null(cache_find(c, &other, &key));
	assert_non_null(cache_find(c, &good, &key));
	cache_close(c);
}

static void garbage_cannot_drive_out_the_good(void **state)
{
	struct cache *c = cache_open(64);
	struct cache_name good = name_of(1, 1, 0);
	struct claims claims = claims_of(10);
	uint16_t key;

	(void)state;
	cache_put(c, &good, &claims);
	for (unsigned i = 2; i < 50000; i++) {
		struct cache_name bad = name_of(i, 1, 0);
		cache_refuse(c, &bad, i);
	}
	assert_non_null(cache_find(c, &good, &key));
	cache_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_found_with_its_claims),
		cmocka_unit_test(a_verdict_never_crosses_token_issuer_or_generation),
		cmocka_unit_test(claims_that_do_not_fit_are_not_remembered),
		cmocka_unit_test(the_one_in_use_outlives_a_flood_of_others),
		cmocka_unit_test(a_bad_signature_is_remembered_for_ten_seconds_under_its_generation),
		cmocka_unit_test(a_bad_signature_never_crosses_token_issuer_or_generation),
		cmocka_unit_test(a_verdict_is_not_found_by_its_tag_alone),
		cmocka_unit_test(garbage_cannot_drive_out_the_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
