#include "jose/jwt.h"
#include "verify/credential.h"
#include "jose/keyset.h"
#include "tokens.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SIZE 16384
static char decoded[SIZE], texts[SIZE];
static const struct jwt_scratch scratch = { decoded, texts, SIZE };
static const struct claims_names names = { { "azp", 3 }, { "org_id", 6 }, { 0 } };
static const struct claims_plan plan = { &names, 1, { 0 }, false };
static struct crypt crypt;
static struct jwt jwt;

/* ---- Authorization ---- */

static void the_token_of_a_bearer_field_is_taken_whatever_the_case_of_its_scheme(void **state)
{
	static const char *const fields[] = { "Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==",
		                                  "BEARER    a.b-c_d~e+f/g==" };
	struct slice token;

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		assert_true(bearer_read(slice_of(fields[i]), &token) && bearer_is_token(token));
		assert_true(slice_same(token, S("a.b-c_d~e+f/g==")));
	}
}

static void another_scheme_is_no_credential(void **state)
{
	static const char *const fields[] = { "", "Basic YTpi", "Bearerx a", "Negotiate", "Bear er" };
	struct slice token;

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		assert_false(bearer_read(slice_of(fields[i]), &token));
}

static void a_bearer_field_without_exactly_one_token_brings_none(void **state)
{
	static const char *const fields[] = { "Bearer",          "Bearer ",           "Bearer a b", "Bearer a,b",
		                                  "Bearer \"a\"",    "Bearer =",          "Bearer a=b", "Bearer a\tb",
		                                  "Bearer \xc3\xa4", "Bearer a, Bearer b" };
	struct slice token;

	(void)state;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		assert_true(bearer_read(slice_of(fields[i]), &token) && !bearer_is_token(token));
}

/* ---- published vectors ---- */

static const char jose_payload[] = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
                                   "bS9pc19yb290Ijp0cnVlfQ";

static void check_vector(const char *jwk, const char *header, const char *payload, const char *signature,
                         enum alg alg)
{
	char set[2048], token[2048], wrong[2048];
	struct text s = TEXT(set), t = TEXT(token);
	const char *why;

	text_printf(&s, "{\"keys\":[%s]}", jwk);
	text_printf(&t, "%s.%s.%s", header, payload, signature);
	struct keyset *keys = keyset_read(text_slice(&s), &why);
	assert_non_null(keys);
	struct slice rest = text_slice(&t);
	size_t len, signed_len = strlen(header) + 1 + strlen(payload);
	struct slice signed_part = slice_head(rest, signed_len);
	assert_true(text_base64url_decode(slice_from(rest, signed_len + 1), wrong, sizeof wrong, &len));
	struct slice given = { wrong, len };
	for (int again = 0; again < 3; again++)
		assert_true(key_verifies(&keys->at[0], &crypt, alg, signed_part, given));
	wrong[len / 2] ^= 1;
	assert_false(key_verifies(&keys->at[0], &crypt, alg, signed_part, given));
	wrong[len / 2] ^= 1;
	assert_false(key_verifies(&keys->at[0], &crypt, alg, slice_head(signed_part, signed_len - 1), given));
	assert_false(key_verifies(&keys->at[0], &crypt, alg, signed_part, slice_head(given, len - 1)));
	assert_true(key_verifies(&keys->at[0], &crypt, alg, signed_part, given)); /* a failure spoils nothing */
	keyset_free(keys);
}

static void the_rs256_example_of_rfc_7515_verifies(void **state)
{
	(void)state;
	check_vector("{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQ"
	             "p-Vaw-"
	             "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7O"
	             "Mg0LOL"
	             "-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Z"
	             "wKh9kG"
	             "4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\","
	             "\"e\":\"AQAB\"}",
	             "eyJhbGciOiJSUzI1NiJ9", jose_payload,
	             "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
	             "2Fp5ju"
	             "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMH"
	             "lb1L07"
	             "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
	             "YEUipU"
	             "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
	             ALG_RS256);
}

static void the_es256_example_of_rfc_7515_verifies(void **state)
{
	(void)state;
	check_vector("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	             "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
	             "eyJhbGciOiJFUzI1NiJ9", jose_payload,
	             "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
	             ALG_ES256);
}

static void the_ed25519_example_of_rfc_8037_verifies(void **state)
{
	(void)state;
	check_vector("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR"
	             "o\"}",
	             "eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
	             "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
	             ALG_EDDSA);
}

static void the_ps384_example_of_rfc_7520_verifies(void **state)
{
	(void)state;
	check_vector("{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"n\":\""
	             "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_"
	             "AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpP"
	             "e7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg"
	             "_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\","
	             "\"e\":\"AQAB\"}",
	             "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
	             "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAg"
	             "b250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dp"
	             "bmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4",
	             "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6"
	             "O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqi"
	             "VJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_"
	             "jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
	             ALG_PS384);
}

static void every_algorithm_verifies_its_own_signature_and_no_other(void **state)
{
	(void)state;
	for (enum alg a = ALG_RS256; a < ALGS; a++) {
		struct maker m = maker_make(a, "k");
		const char *why;
		struct keyset *keys = keyset_read(maker_jwks(&m, 1), &why);
		assert_non_null(keys);
		struct slice token = maker_token(&m, NULL, "{\"iss\":\"i\",\"exp\":4000000000}");
		assert_int_equal(jwt_read(token, &plan, &scratch, &jwt), FAULT_NONE);
		assert_int_equal(jwt.alg, a);
		assert_true(slice_same(jwt.kid, S("k")));
		for (enum alg b = ALG_RS256; b < ALGS; b++)
			if (key_suits(&keys->at[0], b))
				assert_int_equal(key_verifies(&keys->at[0], &crypt, b, jwt.signed_part, jwt.signature),
				                 a == b);
		keyset_free(keys);
		maker_free(&m);
	}
}

static void an_ecdsa_signature_of_zeros_verifies_nothing(void **state)
{
	struct maker m = maker_make(ALG_ES256, "k");
	char zeros[64] = { 0 };
	const char *why;
	struct keyset *keys = keyset_read(maker_jwks(&m, 1), &why);

	(void)state;
	assert_false(key_verifies(&keys->at[0], &crypt, ALG_ES256, S("a.b"), (struct slice){ zeros, 64 }));
	memset(zeros, 0xff, sizeof zeros);
	assert_false(key_verifies(&keys->at[0], &crypt, ALG_ES256, S("a.b"), (struct slice){ zeros, 64 }));
	keyset_free(keys);
	maker_free(&m);
}

/* ---- reading ---- */

static void claims_are_read_in_all_their_spellings(void **state)
{
	struct maker m = maker_make(ALG_EDDSA, "k");
	struct slice token = maker_token(
	    &m, NULL,
	    "{\"iss\":\"https://i/\",\"sub\":\"auth0|1\",\"aud\":[\"a\",\"b\"],\"azp\":\"app\",\"org_id\":\"t1\","
	    "\"scope\":\"read write\",\"permissions\":[\"p:q\"],\"exp\":1700000000.7,\"iat\":1600000000,\"nb"
	    "f\":5,"
	    "\"jti\":\"j\",\"sid\":\"s\",\"http://x/y\":{\"deep\":[1,2]}}");

	(void)state;
	assert_int_equal(jwt_read(token, &plan, &scratch, &jwt), FAULT_NONE);
	const struct claims *c = &jwt.claims;
	assert_true(slice_same(claims_get(c, CLAIM_ISSUER), S("https://i/")));
	assert_true(slice_same(claims_get(c, CLAIM_SUBJECT), S("auth0|1")));
	assert_true(slice_same(claims_get(c, CLAIM_CLIENT), S("app")));
	assert_true(slice_same(claims_get(c, CLAIM_PARTY), S("app")));
	assert_true(slice_same(claims_get(c, CLAIM_TENANT), S("t1")));
	assert_true(slice_same(claims_get(c, CLAIM_SCOPE), S("read write")));
	assert_true(slice_same(claims_get(c, CLAIM_ID), S("j")));
	assert_true(slice_same(claims_get(c, CLAIM_SESSION), S("s")));
	assert_true(claims_have(c, CLAIM_AUDIENCE, S("a")) && claims_have(c, CLAIM_AUDIENCE, S("b")));
	assert_false(claims_have(c, CLAIM_AUDIENCE, S("")) || claims_have(c, CLAIM_AUDIENCE, S("ab")));
	assert_true(claims_have(c, CLAIM_SCOPE, S("write")) && !claims_have(c, CLAIM_SCOPE, S("writ")));
	assert_true(claims_have(c, CLAIM_PERMISSIONS, S("p:q")) && !claims_have(c, CLAIM_PERMISSIONS, S("p")));
	assert_true(c->expires_s == 1700000000 && c->issued_s == 1600000000 && c->not_before_s == 5);

	token = maker_token(&m, NULL, "{\"azp\":\"app\",\"client_id\":\"c\",\"aud\":[\"a\",\"\"],\"exp\":9}");
	assert_int_equal(jwt_read(token, &plan, &scratch, &jwt), FAULT_NONE);
	assert_int_equal(jwt.whose, 0);
	assert_true(slice_same(claims_get(c, CLAIM_CLIENT), S("app"))); /* what the issuer's client_claim says */
	assert_true(claims_have(c, CLAIM_AUDIENCE, S("a")) && !claims_have(c, CLAIM_AUDIENCE, S("")));
	token = maker_token(&m, NULL, "{\"aud\":\"a\",\"client_id\":\"c\",\"scp\":[\"r\",\"w\"],\"exp\":9}");
	assert_int_equal(jwt_read(token, &plan, &scratch, &jwt), FAULT_NONE);
	assert_true(claims_have(c, CLAIM_AUDIENCE, S("a")));
	assert_true(slice_same(claims_get(c, CLAIM_CLIENT), S("c")));
	assert_true(slice_same(claims_get(c, CLAIM_SCOPE), S("r w")));
	maker_free(&m);
}

static void payloads_that_cannot_be_judged_are_malformed(void **state)
{
	static const char *const payloads[] = {
		"[]",
		"1",
		"\"x\"",
		"{",
		"{}",
		"{\"exp\":\"1700000000\"}",
		"{\"exp\":-1}",
		"{\"exp\":null}",
		"{\"exp\":1e999}",
		"{\"exp\":99999999999999999999999}",
		"{\"exp\":1,\"exp\":2}",
		"{\"exp\":1,\"a\":{\"b\":1,\"b\":2}}",
		"{\"exp\":1,\"\\u0065xp\":2}",
		"{\"exp\":1} ,",
		"{\"exp\":1}{}",
		"{\"exp\":1,\"iss\":7}",
		"{\"exp\":1,\"aud\":{\"a\":1}}",
		"{\"exp\":1,\"aud\":[\"a\",1]}",
		"{\"exp\":1,\"sub\":\"a\\u0000b\"}",
		"{\"exp\":1,\"sub\":\"a\\r\\nHost: x\"}",
		"{\"exp\":1,\"sub\":\" a\"}",
		"{\"exp\":1,\"org_id\":\"a\\u007f\"}",
		"{\"exp\":1,\"azp\":\"a\\n\"}",
		"{\"exp\":1,\"scope\":\"a\\tb\"}",
		"{\"exp\":1,\"scp\":[\"a\\nb\"]}",
		"{\"exp\":1,\"sub\":\"a \"}",
		"{\"exp\":1,\"sub\":\"\xff\"}",
		"{\"exp\":1,\"nbf\":true}",
		"{\"exp\":1,\"iat\":[1]}",
		"\xef\xbb\xbf{\"exp\":1}",
		"{'exp':1}",
		"{\"exp\":NaN}",
		"{\"exp\":1,\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
	};
	struct maker m = maker_make(ALG_EDDSA, "k");

	(void)state;
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
		enum fault fault = jwt_read(maker_token(&m, NULL, payloads[i]), &plan, &scratch, &jwt);
		if (fault != FAULT_TOKEN_MALFORMED)
			fail_msg("%s was taken for a payload", payloads[i]);
		assert_non_null(jwt.why);
	}
	maker_free(&m);
}

static void claims_that_nothing_asks_for_may_have_any_shape(void **state)
{
	static const struct {
		const char *payload;
		enum claim which;
		const char *text;
	} table[] = {
		{ "{\"exp\":1,\"permissions\":[{\"rsid\":\"1\"},\"read\",7]}", CLAIM_PERMISSIONS, "read" },
		{ "{\"exp\":1,\"permissions\":{\"a\":1}}", CLAIM_PERMISSIONS, "" },
		{ "{\"exp\":1,\"permissions\":null}", CLAIM_PERMISSIONS, "" },
		{ "{\"exp\":1,\"scope\":null,\"scp\":\"a\"}", CLAIM_SCOPE, "a" },
		{ "{\"exp\":1,\"scope\":[\"a b\",\"\",null,\"c\"]}", CLAIM_SCOPE, "a b c" },
		{ "{\"exp\":1,\"scope\":\" a  b \"}", CLAIM_SCOPE, "a b" },
		{ "{\"exp\":1,\"scope\":7}", CLAIM_SCOPE, "" },
		{ "{\"exp\":1,\"sub\":7}", CLAIM_SUBJECT, "7" },
		{ "{\"exp\":1,\"sub\":null}", CLAIM_SUBJECT, "" },
		{ "{\"exp\":1,\"sub\":{\"a\":1}}", CLAIM_SUBJECT, "" },
		{ "{\"exp\":1,\"sub\":18446744073709551616}", CLAIM_SUBJECT, "18446744073709551616" },
		{ "{\"exp\":1,\"sub\":-9223372036854775809}", CLAIM_SUBJECT, "-9223372036854775809" },
		{ "{\"exp\":1,\"sub\":9223372036854775807}", CLAIM_SUBJECT, "9223372036854775807" },
		{ "{\"exp\":1,\"x\":1e400,\"y\":[-1E+999,{\"z\":9223372036854775808}],\"sub\":\"1e400\"}",
		  CLAIM_SUBJECT, "1e400" },
		{ "{\"exp\":1,\"x\":\"\\\"99999999999999999999\",\"sub\":\"a\"}", CLAIM_SUBJECT, "a" },
		{ "{\"exp\":1,\"jti\":5}", CLAIM_ID, "5" },
	};
	struct maker m = maker_make(ALG_EDDSA, "k");

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		if (jwt_read(maker_token(&m, NULL, table[i].payload), &plan, &scratch, &jwt) != FAULT_NONE)
			fail_msg("%s: %s", table[i].payload, jwt.why);
		struct slice got = claims_get(&jwt.claims, table[i].which);
		if (got.len && !got.at[got.len - 1])
			got.len--;
		if (!slice_same(got, slice_of(table[i].text)))
			fail_msg("%s: %.*s", table[i].payload, SLICE(got));
	}
	maker_free(&m);
}

static void names_with_dots_lead_down_unless_a_member_has_them(void **state)
{
	static const struct {
		const char *payload, *name, *text;
	} table[] = {
		{ "{\"realm_access\":{\"roles\":\"admin\"}}", "realm_access.roles", "admin" },
		{ "{\"realm_access.roles\":\"own\",\"realm_access\":{\"roles\":\"admin\"}}", "realm_access.roles",
		  "own" },
		{ "{\"https://x.example.com/roles\":\"url\"}", "https://x.example.com/roles", "url" },
		{ "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":\"deep\"}}}}}", "a.b.c.d.e", "deep" },
		{ "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":\"too deep\"}}}}}}", "a.b.c.d.e.f", NULL },
		{ "{\"a\":{\"b.c\":\"rest\"}}", "a.b.c", "rest" },
		{ "{\"a\":\"b\"}", "a.b", NULL },
		{ "{\"a\":[{\"b\":1}]}", "a.b", NULL },
		{ "{\"a\":{}}", "a.b", NULL },
		{ "{}", ".", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		json_t *root = json_loads(table[i].payload, 0, NULL);
		const char *got = json_string_value(claims_member(root, slice_of(table[i].name)));
		if (!got != !table[i].text || (got && strcmp(got, table[i].text) != 0))
			fail_msg("%s of %s: %s", table[i].name, table[i].payload, got ? got : "nothing");
		json_decref(root);
	}
}

static void headers_of_attackers_are_refused(void **state)
{
	static const struct {
		const char *header;
		enum fault fault;
	} table[] = {
		{ "{\"alg\":\"none\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"None\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"HS512\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"eddsa\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"ES256K\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"RS256 \"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"\"}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":null}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":[\"EdDSA\"]}", FAULT_TOKEN_ALGORITHM },
		{ "{}", FAULT_TOKEN_ALGORITHM },
		{ "{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\"}}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"jku\":\"https://evil/\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"x5u\":\"https://evil/\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"x5c\":[\"MII\"]}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"crit\":[\"exp\"]}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"crit\":[]}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"b64\":false}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"zip\":\"DEF\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"enc\":\"A128GCM\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"alg\":\"none\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"typ\":\"dpop+jwt\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"typ\":\"logout+jwt\"}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"typ\":7}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"kid\":7}", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"kid\":\"\"}", FAULT_TOKEN_MALFORMED },
		{ "[\"alg\"]", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\"}x", FAULT_TOKEN_MALFORMED },
		{ "{\"alg\":\"EdDSA\",\"typ\":\"at+JWT\"}", FAULT_NONE },
		{ "{\"alg\":\"EdDSA\",\"typ\":\"application/at+jwt\",\"x5t\":\"hint\",\"other\":1}", FAULT_NONE },
	};
	struct maker m = maker_make(ALG_EDDSA, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct slice token = maker_token(&m, table[i].header, "{\"exp\":4000000000}");
		if (jwt_read(token, &plan, &scratch, &jwt) != table[i].fault)
			fail_msg("%s is not read as it must be", table[i].header);
	}
	maker_free(&m);
}

/* The tenant is copied once as that, and once for each condition on it. */
static void claims_that_do_not_fit_the_scratch_are_refused_not_cut(void **state)
{
	static char payload[8000];
	struct slice org[] = { S("org_id"), S("org_id"), S("org_id") };
	struct claims_plan greedy = { &names, 1, { org, 3 }, false };
	struct maker m = maker_make(ALG_EDDSA, NULL);

	(void)state;
	for (int len = 4000; len <= 4200; len += 200) {
		snprintf(payload, sizeof payload, "{\"exp\":9,\"org_id\":\"%0*d\"}", len, 7);
		enum fault fault = jwt_read(maker_token(&m, NULL, payload), &greedy, &scratch, &jwt);
		assert_int_equal(fault, len * 4 > SIZE ? FAULT_TOKEN_MALFORMED : FAULT_NONE);
	}
	maker_free(&m);
}

static void a_token_longer_than_the_scratch_is_refused(void **state)
{
	struct maker m = maker_make(ALG_EDDSA, NULL);
	struct slice token = maker_token(&m, NULL, "{\"exp\":9}");
	struct jwt_scratch exact = { decoded, texts, token.len }, less = { decoded, texts, token.len - 1 };

	(void)state;
	assert_int_equal(jwt_read(token, &plan, &exact, &jwt), FAULT_NONE);
	assert_int_equal(jwt_read(token, &plan, &less, &jwt), FAULT_TOKEN_MALFORMED);
	maker_free(&m);
}

static void a_kid_longer_than_its_bound_is_refused(void **state)
{
	char kid[300], header[400];
	struct maker m = maker_make(ALG_EDDSA, NULL);

	(void)state;
	memset(kid, 'k', sizeof kid);
	for (int len = KID_MAX; len <= KID_MAX + 1; len++) {
		snprintf(header, sizeof header, "{\"alg\":\"EdDSA\",\"kid\":\"%.*s\"}", len, kid);
		assert_int_equal(jwt_read(maker_token(&m, header, "{\"exp\":9}"), &plan, &scratch, &jwt),
		                 len > KID_MAX ? FAULT_TOKEN_MALFORMED : FAULT_NONE);
	}
	maker_free(&m);
}

static void other_than_three_canonical_parts_is_malformed(void **state)
{
	static const char *const tokens[] = {
		"",
		".",
		"..",
		"...",
		"a",
		"a.b",
		"a.b.c.d",
		"eyJhbGciOiJFZERTQSJ9..AA",
		".e30.AA",
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.", /* no signature */
		"eyJhbGciOiJFZERTQSJ9=.eyJleHAiOjl9.AAAA",
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.AA==",
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.AB", /* bits behind the end */
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.A",
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.+/+/",
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl.AAAA",
		"eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.AA AA",
	};

	(void)state;
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		if (jwt_read(slice_of(tokens[i]), &plan, &scratch, &jwt) != FAULT_TOKEN_MALFORMED)
			fail_msg("%s was taken for a token", tokens[i]);
	assert_int_equal(jwt_read(S("eyJhbGciOiJFZERTQSJ9.eyJleHAiOjl9.AAAA"), &plan, &scratch, &jwt),
	                 FAULT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_token_of_a_bearer_field_is_taken_whatever_the_case_of_its_scheme),
		cmocka_unit_test(another_scheme_is_no_credential),
		cmocka_unit_test(a_bearer_field_without_exactly_one_token_brings_none),
		cmocka_unit_test(the_rs256_example_of_rfc_7515_verifies),
		cmocka_unit_test(the_es256_example_of_rfc_7515_verifies),
		cmocka_unit_test(the_ed25519_example_of_rfc_8037_verifies),
		cmocka_unit_test(the_ps384_example_of_rfc_7520_verifies),
		cmocka_unit_test(every_algorithm_verifies_its_own_signature_and_no_other),
		cmocka_unit_test(an_ecdsa_signature_of_zeros_verifies_nothing),
		cmocka_unit_test(claims_are_read_in_all_their_spellings),
		cmocka_unit_test(payloads_that_cannot_be_judged_are_malformed),
		cmocka_unit_test(claims_that_nothing_asks_for_may_have_any_shape),
		cmocka_unit_test(names_with_dots_lead_down_unless_a_member_has_them),
		cmocka_unit_test(headers_of_attackers_are_refused),
		cmocka_unit_test(claims_that_do_not_fit_the_scratch_are_refused_not_cut),
		cmocka_unit_test(a_token_longer_than_the_scratch_is_refused),
		cmocka_unit_test(a_kid_longer_than_its_bound_is_refused),
		cmocka_unit_test(other_than_three_canonical_parts_is_malformed),
	};

	if (!crypt_open(&crypt))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	crypt_close(&crypt);
	maker_forget();
	return failed;
}
