/* What an issuer said of one token is said of no other, and of none of another issuer's; and which answers
 * say anything at all. */
#include "issuer/introspect_reply.h"
#include "published/opaque.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define NOW_NS (UINT64_C(5000) * NS_PER_S)

static struct config config;
static struct config_issuer issuer;
static struct config_opaque opaque;

static int configure(void **state)
{
	(void)state;
	opaque = (struct config_opaque){ .endpoint = S("https://i/ask"), .client_id = S("gate") };
	issuer = (struct config_issuer){ .id = S("i"),
		                             .issuer = S("https://i/"),
		                             .client_claim = S("azp"),
		                             .tenant_claim = S("org_id"),
		                             .opaque = &opaque };
	return 0;
}

/* ---- ids ---- */

static void whom_we_ask_and_how_tells_answers_apart(void **state)
{
	unsigned char who[8][SHA256_LEN];

	(void)state;
	assert_true(opaque_who(&config, &issuer, who[0]));
	issuer.id = S("j");
	assert_true(opaque_who(&config, &issuer, who[1]));
	configure(NULL);
	issuer.issuer = S("https://j/");
	assert_true(opaque_who(&config, &issuer, who[2]));
	configure(NULL);
	opaque.endpoint = S("https://j/ask");
	assert_true(opaque_who(&config, &issuer, who[3]));
	configure(NULL);
	opaque.by = 1;
	assert_true(opaque_who(&config, &issuer, who[4]));
	configure(NULL);
	opaque.client_id = S("other");
	assert_true(opaque_who(&config, &issuer, who[5]));
	configure(NULL);
	issuer.client_claim = S("cid");
	assert_true(opaque_who(&config, &issuer, who[6]));
	configure(NULL);
	issuer.tenant_claim = S("ten");
	assert_true(opaque_who(&config, &issuer, who[7]));
	for (int i = 0; i < 8; i++)
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(who[i], who[j], SHA256_LEN);
}

static void an_id_depends_on_who_is_asked_and_on_the_whole_token(void **state)
{
	unsigned char who[2][SHA256_LEN] = { { 1 }, { 1 } }, token[2][SHA256_LEN] = { { 2 }, { 2 } };
	unsigned char id[3][SHA256_LEN];
	struct crypt crypt;

	(void)state;
	who[1][SHA256_LEN - 1] = 1;
	token[1][SHA256_LEN - 1] = 1;
	assert_true(crypt_open(&crypt));
	assert_true(opaque_id(&crypt, who[0], token[0], id[0]));
	assert_true(opaque_id(&crypt, who[1], token[0], id[1]));
	assert_true(opaque_id(&crypt, who[0], token[1], id[2]));
	assert_memory_not_equal(id[0], id[1], SHA256_LEN);
	assert_memory_not_equal(id[0], id[2], SHA256_LEN);
	crypt_close(&crypt);
}

/* ---- the table ---- */

/* Both are looked for in the same set. */
static void what_is_said_of_one_token_is_not_said_of_its_neighbour(void **state)
{
	struct opaque_table *t = aligned_alloc(64, sizeof *t);
	struct opaque_head head = { .id = { 7 }, .generation = 1, .asked_ns = NOW_NS };
	unsigned char other[SHA256_LEN] = { 7 };
	struct opaque_seen seen;

	(void)state;
	assert_non_null(t);
	memset(t, 0, sizeof *t);
	other[SHA256_LEN - 1] = 1;
	opaque_put(t, &head, S("{}"));
	opaque_publish(t, head.id, OPAQUE_REFUSED, NOW_NS + 10);
	assert_true(opaque_find(t, head.id, &seen));
	assert_false(opaque_find(t, other, &seen));
	assert_int_equal(opaque_heard(t, head.id, NOW_NS), OPAQUE_REFUSED);
	assert_int_equal(opaque_heard(t, other, NOW_NS), OPAQUE_NOTHING);
	assert_int_equal(opaque_heard(t, head.id, NOW_NS + 10), OPAQUE_NOTHING);
	opaque_take_back(t, other);
	assert_true(opaque_find(t, head.id, &seen));
	opaque_take_back(t, head.id);
	assert_false(opaque_find(t, head.id, &seen));
	free(t);
}

/* ---- answers ---- */

static enum reply read(int status, struct slice body)
{
	char text[OPAQUE_TEXT_MAX];
	struct slice room[CLAIMS_WANTED_MAX];
	struct reply_plan plan = reply_plan_of(&config, &issuer, room);
	const char *why;
	size_t len;

	return reply_read(&plan, status, body, text, &len, &why);
}

/* 401 of an introspection endpoint is of our own client, not of the token (RFC 7662 section 2.3). */
static void only_a_200_says_anything_and_at_userinfo_a_401(void **state)
{
	static const int statuses[] = { 100, 201, 204, 301, 400, 401, 403, 404, 429, 500, 503 };

	(void)state;
	for (int userinfo = 0; userinfo < 2; userinfo++)
		for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
			opaque.by = userinfo;
			enum reply want = userinfo && statuses[i] == 401 ? REPLY_REFUSED : REPLY_MALFORMED;
			assert_int_equal(read(statuses[i], S("{\"active\":true,\"sub\":\"a\"}")), want);
			assert_int_equal(read(statuses[i], S("{\"active\":false}")), want);
		}
	opaque.by = 0;
	assert_int_equal(read(200, S("{\"active\":true,\"sub\":\"a\"}")), REPLY_GOOD);
	assert_int_equal(read(200, S("{\"active\":false}")), REPLY_REFUSED);
	opaque.by = 1;
	assert_int_equal(read(200, S("{\"active\":false,\"sub\":\"a\"}")), REPLY_GOOD);
	assert_int_equal(read(200, S("{\"active\":false}")), REPLY_MALFORMED);
	assert_int_equal(read(200, S("{\"sub\":\"\"}")), REPLY_MALFORMED);
}

static void an_answer_beyond_its_bounds_says_nothing(void **state)
{
	static char body[REPLY_BYTES_MAX + 2];
	int len = snprintf(body, sizeof body, "{\"active\":true}");

	(void)state;
	memset(body + len, ' ', sizeof body - (size_t)len);
	assert_int_equal(read(200, (struct slice){ body, REPLY_BYTES_MAX }), REPLY_GOOD);
	assert_int_equal(read(200, (struct slice){ body, REPLY_BYTES_MAX + 1 }), REPLY_MALFORMED);
	for (int most = 1900; most <= 1980; most++) { /* claims that fit, to the byte, and then do not */
		len = snprintf(body, sizeof body, "{\"active\":true,\"sub\":\"%0*d\"}", most, 0);
		bool fits = strlen("{\"iss\":\"https://i/\",\"sub\":\"\"}") + (size_t)most <= OPAQUE_TEXT_MAX;
		assert_int_equal(read(200, (struct slice){ body, (size_t)len }), fits ? REPLY_GOOD : REPLY_UNUSABLE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, configure)
		TEST(whom_we_ask_and_how_tells_answers_apart),
		TEST(an_id_depends_on_who_is_asked_and_on_the_whole_token),
		TEST(what_is_said_of_one_token_is_not_said_of_its_neighbour),
		TEST(only_a_200_says_anything_and_at_userinfo_a_401),
		TEST(an_answer_beyond_its_bounds_says_nothing),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
