#include "../jose/tokens.h"
#include "issuer/jwks.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct maker rsa, ec, ed;
static const char *why;

static int keys_of(const char *json)
{
	struct keyset *s = keyset_read(slice_of(json), &why);
	int len = s ? (int)s->len : -1;

	keyset_free(s);
	return len;
}

/* A set of one key, its JWK built with `more`. */
static int with(const struct maker *m, const char *more)
{
	char room[4096];
	struct text t = TEXT(room);

	text_add(&t, S("{\"keys\":["));
	maker_jwk(m, &t, more);
	text_add(&t, S("]}"));
	assert_true(text_end(&t));
	return keys_of(room);
}

static void keys_of_every_kind_are_read(void **state)
{
	struct maker all[] = { rsa, ec, ed };
	struct keyset *s = keyset_read(maker_jwks(all, 3), &why);

	(void)state;
	assert_non_null(s);
	assert_int_equal(s->len, 3);
	assert_true(key_suits(&s->at[0], ALG_RS256) && key_suits(&s->at[0], ALG_PS512));
	assert_true(key_suits(&s->at[1], ALG_ES256) && !key_suits(&s->at[1], ALG_ES384));
	assert_true(key_suits(&s->at[2], ALG_EDDSA) && !key_suits(&s->at[2], ALG_RS256));
	assert_false(key_suits(&s->at[0], ALG_NONE));
	assert_true(keyset_has_kid(s, S("ec")) && !keyset_has_kid(s, S("none")));
	keyset_free(s);
}

static void a_key_that_says_its_algorithm_verifies_no_other(void **state)
{
	char room[4096];
	struct text t = TEXT(room);

	(void)state;
	text_add(&t, S("{\"keys\":["));
	maker_jwk(&rsa, &t, ",\"alg\":\"PS256\"");
	text_add(&t, S("]}"));
	struct keyset *s = keyset_read(text_slice(&t), &why);
	assert_non_null(s);
	assert_true(key_suits(&s->at[0], ALG_PS256));
	assert_false(key_suits(&s->at[0], ALG_RS256));
	keyset_free(s);
}

/* The same, with one piece of it written otherwise. */
static int altered(const struct maker *m, const char *from, const char *to)
{
	char whole[4096], room[4096];
	struct text t = TEXT(whole), u = TEXT(room);

	text_add(&t, S("{\"keys\":["));
	maker_jwk(m, &t, "");
	text_add(&t, S("]}"));
	assert_true(text_end(&t));
	const char *at = strstr(whole, from);
	assert_non_null(at);
	text_printf(&u, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
	assert_true(text_end(&u));
	return keys_of(room);
}

static void keys_for_other_uses_are_skipped(void **state)
{
	(void)state;
	assert_int_equal(altered(&rsa, "\"use\":\"sig\"", "\"use\":\"enc\""), -1);
	assert_int_equal(altered(&rsa, "\"use\":\"sig\"", "\"use\":7"), -1);
	assert_int_equal(altered(&rsa, "\"use\":\"sig\"", "\"key_ops\":[\"sign\",\"verify\"]"), 1);
	assert_int_equal(with(&rsa, ",\"key_ops\":[\"verify\"]"), 1);
	assert_int_equal(with(&rsa, ",\"key_ops\":[\"encrypt\"]"), -1);
	assert_int_equal(with(&rsa, ",\"alg\":\"RSA-OAEP\""), -1);
	assert_int_equal(with(&rsa, ",\"alg\":\"HS256\""), -1);
	assert_int_equal(with(&rsa, ",\"alg\":\"ES256\""), -1);
	assert_int_equal(with(&rsa, ",\"alg\":7"), -1);
	assert_int_equal(with(&rsa, ",\"d\":\"AQAB\""), -1);
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"), -1);
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":"
	                         "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"),
	                 -1);
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AQ\",\"y\":\"AQ\"}]}"),
	                 -1);
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"AQ\",\"e\":\"AQAB\"}]}"),
	                 -1);
}

static void a_skipped_key_does_not_spoil_the_others(void **state)
{
	char room[4096];
	struct text t = TEXT(room);

	(void)state;
	text_add(&t, S("{\"keys\":[7,{\"kty\":\"oct\",\"k\":\"AAAA\"},null,"));
	maker_jwk(&ec, &t, "");
	text_add(&t, S("]}"));
	assert_true(text_end(&t));
	assert_int_equal(keys_of(room), 1);
}

/* An RSA key of a made-up modulus, first and last byte and length as given. */
static int modulus(unsigned char first, size_t len, unsigned char last)
{
	unsigned char n[1100];
	char room[4096];
	struct text t = TEXT(room);

	memset(n, 0x55, sizeof n);
	n[0] = first;
	n[len - 1] = last;
	text_add(&t, S("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\""));
	text_base64url(&t, n, len);
	text_add(&t, S("\"}]}"));
	assert_true(text_end(&t));
	return keys_of(room);
}

static void an_rsa_modulus_is_odd_and_of_2048_to_8192_bits(void **state)
{
	(void)state;
	assert_int_equal(modulus(0x80, 256, 1), 1);
	assert_int_equal(modulus(0x7f, 256, 1), -1);
	assert_int_equal(modulus(0x80, 256, 2), -1);
	assert_int_equal(modulus(0xff, 1024, 1), 1);
	assert_int_equal(modulus(0x01, 1025, 1), -1);
	assert_int_equal(modulus(0x01, 1026, 1), -1);
}

static void a_kid_is_a_string_of_at_most_255_bytes(void **state)
{
	struct maker nameless = { ec.pkey, ec.alg, NULL };
	char more[300];

	(void)state;
	assert_int_equal(with(&nameless, ""), 1);
	assert_int_equal(with(&nameless, ",\"kid\":7"), -1);
	assert_int_equal(with(&nameless, ",\"kid\":null"), 1);
	for (int len = KID_MAX; len <= KID_MAX + 1; len++) {
		snprintf(more, sizeof more, ",\"kid\":\"%0*d\"", len, 0);
		assert_int_equal(with(&nameless, more), len > KID_MAX ? -1 : 1);
	}
}

static void weak_and_broken_keys_are_skipped(void **state)
{
	struct maker small = { EVP_RSA_gen(1024), ALG_RS256, "small" };
	struct maker es384 = maker_make(ALG_ES384, "es384");

	(void)state;
	assert_int_equal(with(&small, ""), -1);
	maker_free(&small);
	assert_int_equal(altered(&es384, "\"P-384\"", "\"P-385\""), -1);
	assert_int_equal(altered(&es384, "\"P-384\"", "\"P-256\""), -1);
	maker_free(&es384);
	assert_int_equal(altered(&rsa, "\"AQAB\"", "\"AQ\""), -1); /* an exponent of 1 */
	/* a point that is not on the curve, coordinates of the wrong length, an even exponent */
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
	                         "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	                         "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}"),
	                 -1);
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}"),
	                 -1);
	assert_int_equal(keys_of("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}]}"), -1);
	char room[4096];
	struct text t = TEXT(room);
	text_add(&t, S("{\"keys\":["));
	maker_jwk(&rsa, &t, "");
	text_add(&t, S("]}"));
	assert_true(text_end(&t));
	char *e = strstr(room, "AQAB");
	assert_non_null(e);
	memcpy(e, "AQAA", 4);
	assert_int_equal(keys_of(room), -1);
	memcpy(e, "AQ==", 4);
	assert_int_equal(keys_of(room), -1);
}

static void an_empty_or_unreadable_set_is_an_error(void **state)
{
	static const char *const sets[] = { "",
		                                "{}",
		                                "[]",
		                                "null",
		                                "{\"keys\":[]}",
		                                "{\"keys\":{}}",
		                                "{\"keys\":null}",
		                                "<html>",
		                                "{\"keys\":[",
		                                "{\"keys\":[{}]}",
		                                "{\"keys\":[],\"keys\":[{}]}" };

	(void)state;
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		why = NULL;
		assert_int_equal(keys_of(sets[i]), -1);
		assert_non_null(why);
	}
}

static void a_set_beyond_its_bounds_is_an_error(void **state)
{
	static char room[80000];
	struct text t = TEXT(room);

	(void)state;
	text_add(&t, S("{\"keys\":["));
	for (int i = 0; i < KEYSET_KEYS_MAX + 1; i++) {
		if (i)
			text_char(&t, ',');
		maker_jwk(&ed, &t, "");
	}
	text_add(&t, S("]}"));
	assert_true(text_end(&t));
	assert_int_equal(keys_of(room), -1);
	t.len = 0;
	text_add(&t, S("{\"keys\":["));
	maker_jwk(&ed, &t, "");
	text_add(&t, S("],\"more\":\""));
	while (t.len < KEYSET_BYTES_MAX)
		text_char(&t, 'x');
	text_add(&t, S("\"}"));
	assert_true(text_end(&t));
	assert_int_equal(keys_of(room), -1);
}

/* ---- gather: what the keeper makes of documents ---- */

static void only_safe_urls_are_fetched(void **state)
{
	static const char *const safe[] = { "https://tenant.eu.auth0.com/",
		                                "https://h:8443/x?y",
		                                "http://127.0.0.1:1/",
		                                "http://127.3.2.1",
		                                "http://[::1]:80/",
		                                "http://localhost/x",
		                                "http://[::ffff:127.0.0.1]/",
		                                "http://[0:0:0:0:0:0:0:1]/" };
	static const char *const unsafe[] = { "",
		                                  "http://",
		                                  "https://",
		                                  "http://example.com/",
		                                  "ftp://127.0.0.1/",
		                                  "http://127.0.0.1.evil.com/",
		                                  "http://127.0.0.1@evil.com/",
		                                  "https://user@evil/",
		                                  "file:///etc/passwd",
		                                  "http://localhost.evil/",
		                                  "http://[::2]/",
		                                  "http://[::ffff:128.0.0.1]/",
		                                  "https://a b/",
		                                  "https://a\r\nb/",
		                                  "HTTPS://a/",
		                                  "http://128.0.0.1/",
		                                  "https:///x",
		                                  "https://a\\b/" };

	(void)state;
	for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
		if (!jwks_is_safe_url(slice_of(safe[i])))
			fail_msg("%s is safe", safe[i]);
	for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
		if (jwks_is_safe_url(slice_of(unsafe[i])))
			fail_msg("%s is not safe", unsafe[i]);
}

static void discovery_is_believed_only_of_the_issuer_itself(void **state)
{
	char uri[64];

	(void)state;
	assert_true(jwks_discovery_url(S("https://i/"), uri, sizeof uri));
	assert_string_equal(uri, "https://i/.well-known/openid-configuration");
	assert_true(jwks_discovery_url(S("https://i/t"), uri, sizeof uri));
	assert_string_equal(uri, "https://i/t/.well-known/openid-configuration");
	assert_false(jwks_discovery_url(S("http://i/"), uri, sizeof uri));
	assert_null(jwks_discovery(S("{\"issuer\":\"https://i/\",\"jwks_uri\":\"https://k/j\"}"), S("https://i/"),
	                           uri, sizeof uri));
	assert_string_equal(uri, "https://k/j");
	static const char *const wrong[] = {
		"",
		"{}",
		"{\"issuer\":\"https://i\",\"jwks_uri\":\"https://k/j\"}",
		"{\"issuer\":\"https://I/\",\"jwks_uri\":\"https://k/j\"}",
		"{\"issuer\":\"https://i/\"}",
		"{\"issuer\":\"https://i/\",\"jwks_uri\":\"http://k/j\"}",
		"{\"issuer\":\"https://i/\",\"jwks_uri\":7}",
		("{\"issuer\":\"https://i/\",\"jwks_uri\":\"https://k/"
		 "0123456789012345678901234567890123456789012345678901234567890123456789\"}")
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_non_null(jwks_discovery(slice_of(wrong[i]), S("https://i/"), uri, sizeof uri));
}

static void discovery_says_whether_introspection_is_signed(void **state)
{
	static const struct {
		const char *algs;
		bool signs;
	} of[] = { { "[\"RS256\"]", true }, { "[\"none\",\"ES256\"]", true },
		       { "[]", false },         { "[\"none\",\"HS256\"]", false },
		       { "\"RS256\"", false },  { "[7,null]", false },
		       { "null", false } };
	char document[120];

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		snprintf(document, sizeof document, "{\"introspection_signing_alg_values_supported\":%s}",
		         of[i].algs);
		assert_int_equal(jwks_signs_introspection(slice_of(document)), of[i].signs);
	}
	assert_false(jwks_signs_introspection(S("{}")));
	assert_false(jwks_signs_introspection(S("nonsense")));
}

static void a_missing_key_is_dropped_only_when_it_is_missing_again(void **state)
{
	struct maker two[] = { ec, ed };
	json_t *both = jwks_keys(maker_jwks(two, 2), &why), *one = jwks_keys(maker_jwks(two, 1), &why);
	json_t *doubtful = NULL;

	(void)state;
	json_t *first = jwks_merge(one, both, &doubtful);
	assert_int_equal(json_array_size(first), 2);
	assert_int_equal(json_array_size(doubtful), 1);
	json_t *second = jwks_merge(one, first, &doubtful);
	assert_int_equal(json_array_size(second), 1);
	assert_false(jwks_has_kid(second, S("ed")));
	assert_int_equal(json_array_size(doubtful), 0);
	/* one that comes back in between is in doubt no more */
	json_decref(first);
	json_decref(second);
	first = jwks_merge(one, both, &doubtful);
	second = jwks_merge(both, first, &doubtful);
	assert_int_equal(json_array_size(doubtful), 0);
	json_t *third = jwks_merge(one, second, &doubtful);
	assert_int_equal(json_array_size(third), 2);
	json_decref(first);
	json_decref(second);
	json_decref(third);
	json_decref(doubtful);
	json_decref(both);
	json_decref(one);
}

/* The JWK of a maker with members before its own. */
static struct slice with_members(char room[8192], const char *first, const struct maker *m, const char *last)
{
	struct slice one = maker_jwks(m, 1);
	size_t open = slice_find(one, '[') + 2;

	snprintf(room, 8192, "{\"keys\":[%s{%s%.*s]}", last, first, (int)(one.len - open - 2), one.at + open);
	return slice_of(room);
}

static void null_members_say_nothing(void **state)
{
	static const char *const nulls[] = { "\"alg\":null,", "\"key_ops\":null,", "\"d\":null,",
		                                 "\"x5c\":null,\"x5t\":null," };
	char room[8192];

	(void)state;
	for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
		json_t *keys = jwks_keys(with_members(room, nulls[i], &ed, ""), &why);
		if (json_array_size(keys) != 1)
			fail_msg("%s: %s", room, why);
		json_decref(keys);
	}
}

static void a_member_twice_costs_the_entry_it_stands_in(void **state)
{
	static const char *const twice[] = {
		"{\"kty\":\"OKP\",\"kid\":\"t\",\"kty\":\"RSA\"},",
		" { \"kid\" : \"t\" , \"x\":{\"a\":[1,2],\"a\":\"},{\"} } , ",
		"{\"kid\":\"t\",\"a\":\"\\\\\",\"a\":\"\\\"]\"},",
	};
	char room[8192];

	(void)state;
	for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
		struct slice jwks = with_members(room, "", &ed, twice[i]);
		json_t *keys = jwks_keys(jwks, &why), *unreadable = jwks_unreadable(jwks);
		if (json_array_size(keys) != 1 || !jwks_has_kid(keys, S("ed")))
			fail_msg("%s: %s", room, why ? why : "");
		assert_int_equal(json_object_size(unreadable), 1);
		assert_string_equal(json_string_value(json_object_get(unreadable, "t")), "it has a member twice");
		json_decref(keys);
		json_decref(unreadable);
	}
	assert_null(jwks_keys(S("{\"keys\":[],\"keys\":[{\"kty\":\"OKP\"}]}"), &why));
	assert_null(jwks_keys(S("{\"keys\":[{\"a\":1,\"a\":2}"), &why));
}

static void an_entry_that_cannot_be_read_is_told_unless_it_is_for_something_else(void **state)
{
	static const struct {
		const char *entry, *why;
	} table[] = {
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"x\",\"x\":\"short\"},",
		  "x is not 32 bytes of base64url" },
		{ "{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"kid\":\"x\"},", "its alg is not spoken here" },
		{ "{\"kty\":\"RSA\",\"kid\":\"x\",\"use\":\"enc\"},", NULL },
		{ "{\"kty\":\"RSA\",\"kid\":\"x\",\"key_ops\":[\"sign\"]},", NULL },
		{ "{\"kty\":\"RSA\",\"kid\":\"x\",\"d\":\"AQ\"},", NULL },
		{ "{\"kty\":\"AKP\",\"kid\":\"ed\"},", NULL },
		{ "{\"kty\":\"AKP\"},", NULL },
		{ "7,", NULL },
	};
	char room[8192];

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		json_t *found = jwks_unreadable(with_members(room, "", &ed, table[i].entry));
		const char *told = json_string_value(json_object_get(found, "x"));
		if (!told != !table[i].why || (told && strcmp(told, table[i].why) != 0))
			fail_msg("%s: %s", table[i].entry, told ? told : "nothing");
		assert_int_equal(json_object_size(found), told != NULL);
		json_decref(found);
	}
}

static int open_keys(void **state)
{
	(void)state;
	rsa = maker_make(ALG_RS256, "rsa");
	ec = maker_make(ALG_ES256, "ec");
	ed = maker_make(ALG_EDDSA, "ed");
	return 0;
}

static int close_keys(void **state)
{
	(void)state;
	maker_free(&rsa);
	maker_forget();
	maker_free(&ec);
	maker_free(&ed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_members_say_nothing),
		cmocka_unit_test(a_member_twice_costs_the_entry_it_stands_in),
		cmocka_unit_test(an_entry_that_cannot_be_read_is_told_unless_it_is_for_something_else),
		cmocka_unit_test(keys_of_every_kind_are_read),
		cmocka_unit_test(a_key_that_says_its_algorithm_verifies_no_other),
		cmocka_unit_test(keys_for_other_uses_are_skipped),
		cmocka_unit_test(a_skipped_key_does_not_spoil_the_others),
		cmocka_unit_test(an_rsa_modulus_is_odd_and_of_2048_to_8192_bits),
		cmocka_unit_test(a_kid_is_a_string_of_at_most_255_bytes),
		cmocka_unit_test(weak_and_broken_keys_are_skipped),
		cmocka_unit_test(an_empty_or_unreadable_set_is_an_error),
		cmocka_unit_test(a_set_beyond_its_bounds_is_an_error),
		cmocka_unit_test(only_safe_urls_are_fetched),
		cmocka_unit_test(discovery_is_believed_only_of_the_issuer_itself),
		cmocka_unit_test(discovery_says_whether_introspection_is_signed),
		cmocka_unit_test(a_missing_key_is_dropped_only_when_it_is_missing_again),
	};

	return cmocka_run_group_tests(tests, open_keys, close_keys);
}
