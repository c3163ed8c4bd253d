#include "base/text.h"
#include "jose/jwt.h"
#include "jose/keyset.h"
#include "dev/signer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct signer *signer;
static struct crypt digests;
static char directory[] = "/tmp/sallyport-signer-XXXXXX", path[64];

static void what_it_signs_verifies_under_its_key_set(void **state)
{
	static char decoded[4096], texts[4096];
	static struct jwt jwt;
	const struct jwt_scratch scratch = { decoded, texts, sizeof decoded };
	const struct claims_names names = { .client = S("azp"), .tenant = S("org_id") };
	const struct claims_plan plan = { &names, 1, { 0 }, false };
	char *jwks = signer_jwks(signer), *token = signer_sign(signer, "{\"sub\":\"a\",\"exp\":9}");
	const char *why;

	(void)state;
	struct keyset *keys = keyset_read(slice_of(jwks), &why);
	assert_non_null(keys);
	assert_int_equal(keys->len, 1);
	assert_int_equal(keys->at[0].only, ALG_RS256);
	assert_int_equal(jwt_read(slice_of(token), &plan, &scratch, &jwt), FAULT_NONE);
	assert_true(slice_same(jwt.kid, keys->at[0].kid));
	assert_int_equal(jwt.kid.len, 43);
	assert_true(key_verifies(&keys->at[0], &digests, ALG_RS256, jwt.signed_part, jwt.signature));
	assert_true(slice_same(claims_get(&jwt.claims, CLAIM_SUBJECT), S("a")));
	keyset_free(keys);
	free(jwks);
	free(token);
}

static void what_is_written_is_read_again_as_the_same_key(void **state)
{
	struct stat st;

	(void)state;
	assert_true(signer_write(signer, path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct signer *again = signer_read(path);
	assert_non_null(again);
	char *a = signer_jwks(signer), *b = signer_jwks(again);
	assert_string_equal(a, b);
	free(a);
	free(b);
	signer_free(again);
	assert_true(signer_write(signer, path)); /* over the old one */
	assert_false(signer_write(signer, "/nonexistent/key.pem"));
}

static void what_is_no_rsa_key_is_not_read(void **state)
{
	(void)state;
	assert_null(signer_read("/nonexistent/key.pem"));
	assert_null(signer_read("/dev/null"));
}

/* RFC 7638 section 3: computed here once more from what the key set says. */
static void the_kid_is_the_thumbprint(void **state)
{
	char *jwks = signer_jwks(signer), canonical[1000], kid[64];
	struct text t = TEXT(kid);
	unsigned char digest[SHA256_LEN];
	json_t *root = json_loads(jwks, 0, NULL), *key = json_array_get(json_object_get(root, "keys"), 0);
	size_t len;

	(void)state;
	snprintf(canonical, sizeof canonical, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}",
	         json_string_value(json_object_get(key, "e")), json_string_value(json_object_get(key, "n")));
	assert_true(crypt_digest(&digests, HASH_SHA256, slice_of(canonical), digest, &len));
	text_base64url(&t, digest, len);
	assert_true(text_end(&t));
	assert_string_equal(json_string_value(json_object_get(key, "kid")), kid);
	json_decref(root);
	free(jwks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_signs_verifies_under_its_key_set),
		cmocka_unit_test(what_is_written_is_read_again_as_the_same_key),
		cmocka_unit_test(what_is_no_rsa_key_is_not_read),
		cmocka_unit_test(the_kid_is_the_thumbprint),
	};

	if (!crypt_open(&digests) || !mkdtemp(directory) || !(signer = signer_make()))
		return 1;
	snprintf(path, sizeof path, "%s/key.pem", directory);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	signer_free(signer);
	crypt_close(&digests);
	unlink(path);
	rmdir(directory);
	return failed;
}
