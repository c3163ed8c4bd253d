/* Forged tokens, each refused before it costs a signature; and proof that nothing is fetched per request. */
#include "guest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

static struct maker rsa, ec, ed;

static int open_house(void **state)
{
	struct maker all[] = { rsa, ec, ed };

	(void)state;
	fixture_open();
	fixture_publish(0, maker_jwks(all, 3), WALL_S - 60, NOW_NS - 60 * NS_PER_S);
	return 0;
}

enum hand { HONEST, ZEROS, HMAC_OF_PEM, HMAC_OF_JWK, EMPTY, DER, PADDED, SALTLESS, HANDS };

#define GOOD "{\"iss\":\"https://i/\",\"aud\":\"api\",\"sub\":\"mallory\",\"exp\":1800003600}"
#define OLD CLAIM("\"iat\":1799999000") /* issued before the keys were fetched */
#define RS "{\"alg\":\"RS256\",\"kid\":\"rsa\"}"
#define DEEP "[[[[[[[[[[[[[[[[[[[["
#define DEEP_END "]]]]]]]]]]]]]]]]]]]]"
#define CLAIM(more) "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":1800003600," more "}"
#define EXP(value) "{\"iss\":\"https://i/\",\"aud\":\"api\",\"exp\":" value "}"
#define AUD(value) "{\"iss\":\"https://i/\",\"exp\":1800003600,\"aud\":" value "}"

/* hand: who signed it, where that matters; else it fails the same signed honestly and signed not at all. */
static const struct attack {
	const char *header, *payload;
	enum hand hand;
	enum fault fault;
} attacks[] = {
	/* algorithms that the token would like */
	{ "{\"alg\":\"none\"}", GOOD, EMPTY, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"none\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":\"nOnE\",\"kid\":\"rsa\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", GOOD, HMAC_OF_PEM, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", GOOD, HMAC_OF_JWK, FAULT_TOKEN_ALGORITHM },
	{ RS, GOOD, HMAC_OF_PEM, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"ES512\",\"kid\":\"ec\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":\"ES384\",\"kid\":\"ec\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":\"EdDSA\",\"kid\":\"ec\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	{ "{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", GOOD, HANDS, FAULT_TOKEN_ALGORITHM },
	/* keys that the token brings, and pointers to them */
	{ "{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\"}}", GOOD, HANDS,
	  FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"https://evil/\"}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x5u\":\"https://evil/\"}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x5c\":[]}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	/* extensions that are not understood, and other kinds of token */
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"b64\"],\"b64\":true}", GOOD, HANDS,
	  FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":null}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"secevent+jwt\"}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"application/x/jwt\"}", GOOD, HANDS,
	  FAULT_TOKEN_MALFORMED },
	/* JSON that two readers could read in two ways */
	{ "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"x\",\"k\\u0069d\":\"rsa\"}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"o\":{\"a\":1,\"a\":1}}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"exp\":1"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"o\":[{\"a\":1,\"a\":2}]"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"o\":{\"p\":{\"a\":1,\"\\u0061\":2}}"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, GOOD "{}", HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, "\xef\xbb\xbf" GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"o\":" DEEP DEEP_END), HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"o\":" DEEP DEEP_END "}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, DEEP DEEP DEEP DEEP DEEP, HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"sub\":\"a\\u0000b\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"s\\u0000ub\":\"a\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"sub\":\"\xc3\x28\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"sub\":\"\xed\xa0\x80\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"sub\":\"\xc0\x80\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"sub\":\"\\ud800\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, CLAIM("\"sub\":\"a\\r\\nSallyport-Subject: root\""), HANDS, FAULT_TOKEN_MALFORMED },
	/* times that are none */
	{ RS, EXP("\"1800003600\""), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("-1"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("-0.5"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("0"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("null"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("true"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("1e999"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("18446744073709551616"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, EXP("1799999939.9"), HANDS, FAULT_TOKEN_EXPIRED },
	{ RS, CLAIM("\"nbf\":1e300"), HANDS, FAULT_TOKEN_EARLY },
	{ RS, CLAIM("\"iat\":9223372036854775807"), HANDS, FAULT_TOKEN_EARLY },
	{ RS, CLAIM("\"nbf\":\"0\""), HANDS, FAULT_TOKEN_MALFORMED },
	/* audiences */
	{ RS, AUD("[]"), HANDS, FAULT_TOKEN_AUDIENCE },
	{ RS, AUD("null"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, AUD("[[\"api\"]]"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, AUD("{\"api\":\"api\"}"), HANDS, FAULT_TOKEN_MALFORMED },
	{ RS, AUD("\"API\""), HANDS, FAULT_TOKEN_AUDIENCE },
	{ RS, AUD("\"api admin\""), HANDS, FAULT_TOKEN_AUDIENCE },
	{ RS, AUD("[\"ap\",\"i\"]"), HANDS, FAULT_TOKEN_AUDIENCE },
	{ RS, CLAIM("\"iss\":\"https://evil/\""), HANDS, FAULT_TOKEN_MALFORMED },
	/* names of keys */
	{ "{\"alg\":\"RS256\",\"kid\":\"../../../dev/null\"}", OLD, HANDS, FAULT_TOKEN_KEY },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa' OR '1'='1\"}", OLD, HANDS, FAULT_TOKEN_KEY },
	{ "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	{ "{\"alg\":\"RS256\",\"kid\":[\"rsa\"]}", GOOD, HANDS, FAULT_TOKEN_MALFORMED },
	/* signatures */
	{ RS, GOOD, ZEROS, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", GOOD, HONEST, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD, ZEROS, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD, DER, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"ES256\",\"kid\":\"ec\"}", GOOD, PADDED, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", GOOD, SALTLESS, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", GOOD, ZEROS, FAULT_TOKEN_SIGNATURE },
	{ "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", GOOD, HONEST, FAULT_TOKEN_SIGNATURE }, /* signed with RSA */
};

static size_t hmac_of_pem(struct slice of, unsigned char *to)
{
	unsigned len = 0;
	char *pem;
	BIO *bio = BIO_new(BIO_s_mem());

	PEM_write_bio_PUBKEY(bio, rsa.pkey);
	long pem_len = BIO_get_mem_data(bio, &pem);
	HMAC(EVP_sha256(), pem, (int)pem_len, (const unsigned char *)of.at, of.len, to, &len);
	BIO_free(bio);
	return len;
}

static size_t hmac_of_jwk(struct slice of, unsigned char *to)
{
	struct slice jwks = maker_jwks(&rsa, 1);
	unsigned len = 0;

	HMAC(EVP_sha256(), jwks.at, (int)jwks.len, (const unsigned char *)of.at, of.len, to, &len);
	return len;
}

static size_t sign_der(struct slice of, unsigned char *to)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 128;

	EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, ec.pkey, NULL);
	EVP_DigestSign(ctx, to, &len, (const unsigned char *)of.at, of.len);
	EVP_MD_CTX_free(ctx);
	return len;
}

/* An honest signature, its halves longer than the curve's by a zero each. */
static size_t sign_padded(struct slice of, unsigned char *to)
{
	unsigned char honest[128];
	size_t len = maker_jose(honest, sign_der(of, honest), 32) / 2;

	to[0] = to[1 + len] = 0;
	memcpy(to + 1, honest, len);
	memcpy(to + 2 + len, honest + len, len);
	return 2 + 2 * len;
}

/* RFC 7518 section 3.5 wants a salt as long as the hash. */
static size_t sign_saltless(struct slice of, unsigned char *to)
{
	EVP_PKEY_CTX *pctx = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 256;

	EVP_DigestSignInit_ex(ctx, &pctx, "SHA256", NULL, NULL, rsa.pkey, NULL);
	EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 0);
	EVP_DigestSign(ctx, to, &len, (const unsigned char *)of.at, of.len);
	EVP_MD_CTX_free(ctx);
	return len;
}

static struct slice forge(const struct attack *a, enum hand hand)
{
	static char room[40000];
	struct text t = TEXT(room);
	unsigned char signature[512] = { 0 };
	size_t len = slice_find(slice_of(a->header), 'E') < strlen(a->header) ? 64 : 256;

	text_base64url(&t, a->header, strlen(a->header));
	text_char(&t, '.');
	text_base64url(&t, a->payload, strlen(a->payload));
	if (hand == HONEST) {
		maker_sign(&rsa, &t);
		return text_slice(&t);
	}
	if (hand == HMAC_OF_PEM)
		len = hmac_of_pem(text_slice(&t), signature);
	else if (hand == HMAC_OF_JWK)
		len = hmac_of_jwk(text_slice(&t), signature);
	else if (hand == DER)
		len = sign_der(text_slice(&t), signature);
	else if (hand == PADDED)
		len = sign_padded(text_slice(&t), signature);
	else if (hand == SALTLESS)
		len = sign_saltless(text_slice(&t), signature);
	text_char(&t, '.');
	text_base64url(&t, signature, hand == EMPTY ? 0 : len);
	return text_slice(&t);
}

static void check_attack(const struct attack *a, enum hand hand)
{
	for (int again = 0; again < 2; again++) {
		int fault = fixture_try(ROUTE_PLAIN, forge(a, hand));
		if (fault != (int)a->fault)
			fail_msg("%s %s, hand %d, was judged %d", a->header, a->payload, hand, fault);
		assert_int_equal(fault_info[fault].status, 401);
		assert_int_equal(guests[0].r.identity.verdict, VERDICT_INVALID);
		assert_int_equal(guests[0].r.identity.subject.len, 0);
	}
}

static void every_forged_token_is_401_whoever_signed_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		const struct attack *a = &attacks[i];
		if (a->hand != HANDS) {
			check_attack(a, a->hand);
			continue;
		}
		check_attack(a, HONEST); /* the very form is refused ... */
		check_attack(a, ZEROS);  /* ... before anything is spent on a signature */
	}
	assert_int_equal(fixture.asked, 0);
	assert_int_equal(ERR_peek_error(), 0);
}

static void the_honest_form_of_these_tokens_passes(void **state)
{
	const struct attack honest = { RS, GOOD, HONEST, FAULT_NONE };

	(void)state;
	assert_int_equal(fixture_try(ROUTE_PLAIN, forge(&honest, HONEST)), FAULT_NONE);
}

static void another_spelling_of_a_good_token_is_refused(void **state)
{
	static const char *const spoilers[] = { "=", "==", "A", ".", ".A", "%3D", "+", "/" };
	char token[4000];

	(void)state;
	for (size_t i = 0; i < sizeof spoilers / sizeof *spoilers; i++) {
		struct text t = TEXT(token);
		text_add(&t, maker_token(&rsa, NULL, GOOD));
		text_add(&t, slice_of(spoilers[i]));
		assert_int_equal(fault_info[fixture_try(ROUTE_PLAIN, text_slice(&t))].status, 401);
	}
}

static void unused_bits_of_the_last_character_make_no_second_spelling(void **state)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct slice good = maker_token(&rsa, NULL, GOOD);
	char token[4000];
	int passed = 0;

	(void)state;
	for (int i = 0; i < 64; i++) {
		memcpy(token, good.at, good.len);
		token[good.len - 1] = alphabet[i];
		passed += fixture_try(ROUTE_PLAIN, (struct slice){ token, good.len }) == FAULT_NONE;
	}
	assert_int_equal(passed, 1);
}

/* ---- key sets that would make a forgery pass ---- */

static void check_key(const struct maker *m, const char *more)
{
	char set[8192];
	struct text t = TEXT(set);

	text_add(&t, S("{\"keys\":["));
	maker_jwk(m, &t, more);
	text_char(&t, ',');
	maker_jwk(&ed, &t, "");
	text_add(&t, S("]}"));
	fixture_publish(0, text_slice(&t), WALL_S, NOW_NS);
	int fault = fixture_try(ROUTE_PLAIN, maker_token(m, NULL, GOOD));
	if (fault != FAULT_TOKEN_KEY && fault != FAULT_TOKEN_ALGORITHM)
		fail_msg("a key with %s was used, or judged %d", more, fault);
	assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&ed, NULL, GOOD)), FAULT_NONE);
}

static void a_key_not_meant_for_signatures_verifies_none(void **state)
{
	struct maker weak = { EVP_RSA_gen(1024), ALG_RS256, "weak" };

	(void)state;
	check_key(&rsa, ",\"key_ops\":[\"sign\"]");
	check_key(&rsa, ",\"key_ops\":[\"encrypt\",\"wrapKey\"]");
	check_key(&rsa, ",\"key_ops\":\"verify\"");
	check_key(&rsa, ",\"alg\":\"RSA-OAEP-256\"");
	check_key(&rsa, ",\"alg\":\"PS256\"");
	check_key(&rsa, ",\"alg\":\"HS256\"");
	check_key(&rsa, ",\"d\":\"AQAB\"");
	check_key(&ec, ",\"alg\":\"ES384\"");
	check_key(&weak, "");
	maker_free(&weak);
}

/* ---- what a request costs ---- */

/* Whatever OpenSSL fetches implicitly is fetched by the default properties; with such as nobody has, every
 * fetch fails. (Inside Ed25519 OpenSSL 3.0 looks up its own SHA-512 at each use, which no caller can spare
 * it; so that is left out.) */
static void once_a_key_was_used_nothing_is_fetched_from_providers(void **state)
{
	struct maker es384 = maker_make(ALG_ES384, "es384"), all[] = { rsa, ec, es384 };
	struct slice token[ALGS];
	int fault[ALGS] = { FAULT_NONE };

	(void)state;
	fixture_publish(0, maker_jwks(all, 3), WALL_S, NOW_NS);
	for (enum alg a = ALG_RS256; a < ALG_EDDSA; a++) {
		struct maker m = { rsa.pkey, a, "rsa" };
		m = a == ALG_ES256 ? ec : a == ALG_ES384 ? es384 : m;
		assert_int_equal(fixture_try(ROUTE_PLAIN, maker_token(&m, NULL, GOOD)), FAULT_NONE);
		token[a] = maker_token(&m, NULL, CLAIM("\"sub\":\"another\""));
	}
	assert_int_equal(EVP_set_default_properties(NULL, "provider=nobody"), 1);
	assert_null(EVP_MD_fetch(NULL, "SHA256", NULL));
	ERR_clear_error();
	for (enum alg a = ALG_RS256; a < ALG_EDDSA; a++)
		fault[a] = fixture_try(ROUTE_PLAIN, token[a]);
	assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
	for (enum alg a = ALG_RS256; a < ALG_EDDSA; a++)
		assert_int_equal(fault[a], FAULT_NONE);
	maker_free(&es384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, fixture_end)
		TEST(every_forged_token_is_401_whoever_signed_it),
		TEST(the_honest_form_of_these_tokens_passes),
		TEST(another_spelling_of_a_good_token_is_refused),
		TEST(unused_bits_of_the_last_character_make_no_second_spelling),
		TEST(a_key_not_meant_for_signatures_verifies_none),
		TEST(once_a_key_was_used_nothing_is_fetched_from_providers),
#undef TEST
	};

	rsa = maker_make(ALG_RS256, "rsa");
	ec = maker_make(ALG_ES256, "ec");
	ed = maker_make(ALG_EDDSA, "ed");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	maker_free(&ec);
	maker_free(&ed);
	maker_free(&rsa);
	maker_forget();
	return failed;
}
