#include "limit/hot.h"
#include "limit_world.h"
#include <jansson.h>
#include <stdio.h>

static struct limit_hot *hot;
static struct hot_key keys[HOT_SETS * HOT_WAYS];
static uint64_t seed;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int open_hot(void **state)
{
	hot = aligned_alloc(64, (limit_hot_memory() + 63) / 64 * 64);
	memset(hot, 0, limit_hot_memory());
	seed = 88172645463325252;
	return setup(state);
}

static int close_hot(void **state)
{
	free(hot);
	return teardown(state);
}

static const struct hot_key *found(uint64_t tag, uint64_t now_ns)
{
	size_t len = hot_read(hot, now_ns, keys);

	for (size_t i = 0; i < len; i++)
		if (keys[i].tag == tag)
			return &keys[i];
	return NULL;
}

static void a_busy_key_stays_however_many_keys_are_made_up(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		hot_note(hot, i % 50 ? draw() : 4711, 1, i % 100 == 0, BY_MEMORY, NOW);
	}
	const struct hot_key *k = found(4711, NOW);
	assert_non_null(k);
	/* 4000 of 200000, of which what its set gave to others before it came may be missing */
	assert_in_range(k->seen, 3000, 4000);
	assert_in_range(k->refused, 1500, 2000);
}

static void a_count_is_never_too_high(void **state)
{
	static uint64_t truth[2048];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t key = draw() % 2048;
		key = key * key / 2048; /* low ones more often */
		truth[key]++;
		hot_note(hot, (key + 1) * UINT64_C(0x9e3779b97f4a7c15), 1, false, BY_MEMORY, NOW);
	}
	size_t len = hot_read(hot, NOW, keys), real = 0;
	for (size_t i = 0; i < len; i++)
		for (size_t key = 0; key < 2048; key++)
			if (keys[i].tag == (key + 1) * UINT64_C(0x9e3779b97f4a7c15)) {
				real++;
				assert_true(keys[i].seen <= truth[key]);
			}
	assert_int_equal(real, len);
}

static void what_was_busy_long_ago_is_forgotten(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		hot_note(hot, 4711, 1, true, BY_MEMORY, NOW);
	assert_int_equal(found(4711, NOW)->seen, 1000);
	assert_int_equal(found(4711, NOW + HOT_HALF_NS)->seen, 500);
	assert_int_equal(found(4711, NOW + 3 * HOT_HALF_NS)->refused, 125);
	hot_note(hot, 4711, 1, false, BY_MEMORY, NOW + 3 * HOT_HALF_NS);
	assert_int_equal(found(4711, NOW + 3 * HOT_HALF_NS)->seen, 126);
	assert_null(found(4711, NOW + 100 * HOT_HALF_NS));
}

static void a_key_is_printed_once_and_made_up_ones_are_not_worth_it(void **state)
{
	unsigned printed = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct hot_fact *f = hot_note(hot, draw(), 1, false, BY_MEMORY, NOW);
		printed += f != NULL;
		if (f)
			hot_print(f, S("x"), 0);
	}
	assert_in_range(printed, 1, HOT_SETS * HOT_WAYS); /* those that found a free place */
	printed = 0;
	for (int i = 0; i < 10; i++) {
		struct hot_fact *f = hot_note(hot, 4711, 1, false, BY_MEMORY, NOW);
		printed += f != NULL;
		if (f)
			hot_print(f, S("203.0.113.9"), 0);
	}
	assert_int_equal(printed, 1);
	assert_int_equal(found(4711, NOW)->text_len, 11);
}

/* ---- through the stations ---- */

static json_t *ask(bool show, uint64_t now_ns)
{
	static char line[8192];
	const struct limit_hot *one[] = { hot };
	struct text t = TEXT(line);

	assert_true(limits_print(s.l, one, 1, show, now_ns, &t));
	json_t *told = json_loadb(t.at, t.len, 0, NULL);
	assert_non_null(told);
	return told;
}

static json_t *reset(const char *words, uint64_t now_ns)
{
	static char line[512], in[512];
	struct text t = TEXT(line);

	snprintf(in, sizeof in, "%s", words);
	struct limit_reset what;
	limits_reset(s.l, (const struct limit_hot *const[]){ hot }, 1, slice_of(in), now_ns, &what, &t);
	json_t *told = json_loadb(t.at, t.len, 0, NULL);
	assert_non_null(told);
	return told;
}

static const char *word_of(const json_t *told, size_t i, const char *name)
{
	const json_t *key = json_array_get(json_object_get(told, "keys"), i);
	const char *text = json_string_value(json_object_get(key, name));

	return text ? text : "";
}

static long long number_of(const json_t *told, size_t i, const char *name)
{
	return json_integer_value(json_object_get(json_array_get(json_object_get(told, "keys"), i), name));
}

static void the_busiest_come_first_with_what_is_left_to_them(void **state)
{
	(void)state;
	limit("login", "address", 4);
	open_limits();
	limits_watch(s.l, hot);
	early_from(7, NOW);
	for (int i = 0; i < 6; i++)
		early_from(8, NOW);
	json_t *told = ask(true, NOW);
	assert_int_equal(json_array_size(json_object_get(told, "keys")), 2);
	assert_string_equal(word_of(told, 0, "limit"), "login");
	assert_string_equal(word_of(told, 0, "value"), "192.0.0.8");
	assert_string_equal(word_of(told, 0, "by"), "memory");
	assert_int_equal(number_of(told, 0, "remaining"), 0);
	assert_int_equal(number_of(told, 0, "burst"), 4);
	assert_int_equal(number_of(told, 0, "retry_after_s"), 1);
	assert_int_equal(number_of(told, 0, "decisions"), 6);
	assert_int_equal(number_of(told, 0, "refused"), 2);
	assert_string_equal(word_of(told, 1, "value"), "192.0.0.7");
	assert_int_equal(number_of(told, 1, "remaining"), 3);
	json_decref(told);
	told = ask(false, NOW);
	assert_string_equal(word_of(told, 0, "value"), ""); /* by its hash alone */
	assert_int_equal(strlen(word_of(told, 0, "key")), 17);
	json_decref(told);
}

static void a_key_begins_anew_by_its_hash_or_by_what_it_stands_for(void **state)
{
	char words[64];

	(void)state;
	limit("login", "address", 2);
	open_limits();
	limits_watch(s.l, hot);
	for (int by_hash = 0; by_hash < 2; by_hash++) {
		early_from(8, NOW);
		early_from(8, NOW);
		assert_int_equal(early_from(8, NOW), ANSWER);
		early_from(9, NOW);
		early_from(9, NOW);
		json_t *told = ask(false, NOW);
		snprintf(words, sizeof words, "login %s", by_hash ? word_of(told, 0, "key") : "192.0.0.8");
		json_decref(told);
		told = reset(words, NOW);
		assert_true(json_is_true(json_object_get(told, "reset")));
		assert_int_equal(json_integer_value(json_object_get(told, "remaining")), 0);
		json_decref(told);
		told = reset(words, NOW);
		assert_true(json_is_false(json_object_get(told, "reset")));
		json_decref(told);
		assert_int_equal(early_from(8, NOW), GO_ON);
		assert_int_equal(early_from(9, NOW), ANSWER);
		json_decref(reset("login 192.0.0.9", NOW));
		json_decref(reset("login 192.0.0.8", NOW));
	}
}

static void what_is_shown_can_be_reset_whatever_the_key(void **state)
{
	static const char *const parts[] = { "prefix:20,subject",     "tenant,client",  "class,route,ja4",
		                                 "form:username,address", "json:user.name", "certificate" };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		teardown(state);
		setup(state);
		limit("one", parts[i], 1);
		open_limits();
		limits_watch(s.l, hot);
		struct request *r = request_from(1);
		r->identity = (struct identity){ .verdict = VERDICT_VALID,
			                             .issuer = S("auth0"),
			                             .subject = S("auth0|j\xc3\xbcrgen +%@"),
			                             .client = S("?c"),
			                             .tenant = S("t:1") };
		r->stash = i == 3 ? S("username=%40b%20c") : S("{\"user\":{\"name\":\"A B\"}}");
		r->stash_ended = i != 4;
		if (limit_early(s.l, r, NOW) == GO_ON)
			limit_late(s.l, r, NOW);
		json_t *told = ask(true, NOW);
		char words[256];
		snprintf(words, sizeof words, "one %s", word_of(told, 0, "value"));
		json_t *done = reset(words, NOW);
		if (!json_is_true(json_object_get(done, "reset")))
			fail_msg("%s: %s is not the key that it was", parts[i], words);
		json_decref(done);
		json_decref(told);
	}
}

static void secrets_are_never_shown(void **state)
{
	static const char *const parts[] = { "header:X-Key", "cookie:sid", "form:Password", "json:api_token" };

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		teardown(state);
		setup(state);
		limit("one", parts[i], 1);
		open_limits();
		limits_watch(s.l, hot);
		struct request *r = request_from(1);
		headers_add(&r->headers, S("X-Key"), S("hush-hush"));
		headers_add(&r->headers, S("Cookie"), S("sid=hush-hush"));
		r->stash = i == 2 ? S("password=hush-hush") : S("{\"api_token\":\"hush-hush\"}");
		r->stash_ended = true;
		limit_early(s.l, r, NOW);
		json_t *told = ask(true, NOW);
		assert_string_equal(word_of(told, 0, "value"), "?");
		assert_null(memmem(hot, limit_hot_memory(), "hush", 4));
		json_decref(told);
	}
}

static void what_is_no_key_is_said(void **state)
{
	static const char *const bad[] = {
		"none 192.0.0.1",          "login", "login nobody", "login 192.0.0.1 more", "login #123",
		"login #zzzzzzzzzzzzzzzz", ""
	};

	(void)state;
	limit("login", "address", 2);
	open_limits();
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_t *told = reset(bad[i], NOW);
		assert_non_null(json_object_get(told, "error"));
		json_decref(told);
	}
}

#define HOT_TEST(name) cmocka_unit_test_setup_teardown(name, open_hot, close_hot)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOT_TEST(a_busy_key_stays_however_many_keys_are_made_up),
		HOT_TEST(a_count_is_never_too_high),
		HOT_TEST(what_was_busy_long_ago_is_forgotten),
		HOT_TEST(a_key_is_printed_once_and_made_up_ones_are_not_worth_it),
		HOT_TEST(the_busiest_come_first_with_what_is_left_to_them),
		HOT_TEST(a_key_begins_anew_by_its_hash_or_by_what_it_stands_for),
		HOT_TEST(what_is_shown_can_be_reset_whatever_the_key),
		HOT_TEST(secrets_are_never_shown),
		HOT_TEST(what_is_no_key_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
