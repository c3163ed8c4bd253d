#include "dev/servers.h"
#include "../miniserver/talk.h"
#include "base/text.h"
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

static struct signer *key;
static struct dev_issuer *issuer;
static char name[64];

static int begin_all(void **state)
{
	(void)state;
	key = signer_make();
	return key ? 0 : -1;
}

static int end_all(void **state)
{
	(void)state;
	signer_free(key);
	return 0;
}

static int begin(void **state)
{
	const char *why;

	(void)state;
	open_loop();
	snprintf(name, sizeof name, "http://127.0.0.1:%u/", port);
	issuer = issuer_open(loop, listening, key, slice_of(name), S("dev"), &why);
	return issuer ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	issuer_close(issuer);
	close_loop();
	return 0;
}

/* The JSON of an answer, whose status must be this one. The caller drops it. */
static json_t *call(const char *method, const char *path, const char *fields, const char *body, int status)
{
	char request[8192], want[32];
	int fd = dial();

	snprintf(request, sizeof request,
	         "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n%s"
	         "Content-Length: %zu\r\n\r\n%s",
	         method, path, port, fields, strlen(body), body);
	ask_for(fd, request, NULL);
	close(fd);
	snprintf(want, sizeof want, "HTTP/1.1 %d ", status);
	assert_int_equal(strncmp(heard, want, strlen(want)), 0);
	json_t *o = json_loads(strstr(heard, "\r\n\r\n") + 4, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	return o;
}

#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define JSON "Content-Type: application/json; charset=utf-8\r\n"

static const char *text_of(const json_t *o, const char *member)
{
	const char *s = json_string_value(json_object_get(o, member));

	return s ? s : "(absent)";
}

/* ---- a judge that shares nothing with verify/: jansson and OpenSSL ---- */

static size_t decode(const char *from, size_t len, unsigned char *to, size_t cap)
{
	size_t got = 0;

	assert_true(text_base64url_decode((struct slice){ from, len }, to, cap, &got));
	return got;
}

static EVP_PKEY *public_key(const char *kid)
{
	json_t *set = call("GET", "/.well-known/jwks.json", "", "", 200), *jwk = NULL;
	unsigned char n[512], e[8];
	EVP_PKEY *made = NULL;

	for (size_t i = 0; i < json_array_size(json_object_get(set, "keys")); i++)
		if (strcmp(text_of(json_array_get(json_object_get(set, "keys"), i), "kid"), kid) == 0)
			jwk = json_array_get(json_object_get(set, "keys"), i);
	assert_non_null(jwk);
	assert_string_equal(text_of(jwk, "kty"), "RSA");
	size_t n_len = decode(text_of(jwk, "n"), strlen(text_of(jwk, "n")), n, sizeof n);
	size_t e_len = decode(text_of(jwk, "e"), strlen(text_of(jwk, "e")), e, sizeof e);
	assert_true(n_len >= 256);
	json_decref(set);

	BIGNUM *bn = BN_bin2bn(n, (int)n_len, NULL), *be = BN_bin2bn(e, (int)e_len, NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	assert_true(EVP_PKEY_fromdata_init(ctx) > 0);
	assert_true(EVP_PKEY_fromdata(ctx, &made, EVP_PKEY_PUBLIC_KEY, params) > 0);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	return made;
}

/* The claims of a token whose signature is right. */
static json_t *claims_of(const char *token)
{
	const char *dot = strchr(token, '.'), *last = strrchr(token, '.');
	unsigned char part[4096], signature[512];

	assert_non_null(dot);
	json_t *head = json_loadb((char *)part, decode(token, (size_t)(dot - token), part, sizeof part), 0, NULL);
	assert_string_equal(text_of(head, "alg"), "RS256");
	EVP_PKEY *public = public_key(text_of(head, "kid"));
	json_decref(head);
	size_t signature_len = decode(last + 1, strlen(last + 1), signature, sizeof signature);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_true(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, public) > 0);
	assert_int_equal(
	    EVP_DigestVerify(md, signature, signature_len, (const unsigned char *)token, (size_t)(last - token)),
	    1);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(public);
	return json_loadb((char *)part, decode(dot + 1, (size_t)(last - dot - 1), part, sizeof part),
	                  JSON_REJECT_DUPLICATES, NULL);
}

/* ---- */

static void discovery_names_this_issuer_and_its_doors(void **state)
{
	json_t *o = call("GET", "/.well-known/openid-configuration", "", "", 200);
	char want[128];

	(void)state;
	assert_string_equal(text_of(o, "issuer"), name);
	snprintf(want, sizeof want, "%s.well-known/jwks.json", name);
	assert_string_equal(text_of(o, "jwks_uri"), want);
	snprintf(want, sizeof want, "%soauth/token", name);
	assert_string_equal(text_of(o, "token_endpoint"), want);
	json_decref(o);
}

static void a_form_gets_a_token_that_verifies(void **state)
{
	json_t *o = call("POST", "/oauth/token", FORM,
	                 "grant_type=client_credentials&client_id=ro%62ot&client_secret=x"
	                 "&audience=https%3A%2F%2Fother.example.com&scope=read+write",
	                 200);
	char token[4096];

	(void)state;
	assert_non_null(strstr(heard, "Cache-Control: no-store\r\n"));
	assert_string_equal(text_of(o, "token_type"), "Bearer");
	assert_string_equal(text_of(o, "scope"), "read write");
	assert_int_equal(json_integer_value(json_object_get(o, "expires_in")), 3600);
	snprintf(token, sizeof token, "%s", text_of(o, "access_token"));
	json_decref(o);
	json_t *c = claims_of(token);
	json_int_t now = (json_int_t)(clock_wall_ns() / NS_PER_S);
	json_int_t iat = json_integer_value(json_object_get(c, "iat"));
	assert_string_equal(text_of(c, "iss"), name);
	assert_string_equal(text_of(c, "sub"), "robot@clients");
	assert_string_equal(text_of(c, "azp"), "robot");
	assert_string_equal(text_of(c, "aud"), "https://other.example.com");
	assert_string_equal(text_of(c, "scope"), "read write");
	assert_in_range(iat, now - 5, now + 1);
	assert_int_equal(json_integer_value(json_object_get(c, "exp")), iat + 3600);
	assert_int_equal(strlen(text_of(c, "jti")), 32);
	json_decref(c);
}

static void json_and_basic_credentials_do_as_well(void **state)
{
	char token[4096];
	json_t *o = call("POST", "/oauth/token", JSON,
	                 "{\"grant_type\":\"client_credentials\",\"client_id\":\"ro\\u0062ot\"}", 200);

	(void)state;
	snprintf(token, sizeof token, "%s", text_of(o, "access_token"));
	json_decref(o);
	json_t *c = claims_of(token);
	assert_string_equal(text_of(c, "sub"), "robot@clients");
	assert_string_equal(text_of(c, "aud"), "https://api.example.com");
	json_decref(c);
	/* a%40b:secret */
	o = call("POST", "/oauth/token", FORM "Authorization: Basic YSU0MGI6c2VjcmV0\r\n",
	         "grant_type=client_credentials", 200);
	snprintf(token, sizeof token, "%s", text_of(o, "access_token"));
	json_decref(o);
	c = claims_of(token);
	assert_string_equal(text_of(c, "azp"), "a@b");
	json_decref(c);
}

static void what_it_does_not_grant_is_refused_by_name(void **state)
{
	static const struct {
		const char *fields, *body, *error;
	} bad[] = {
		{ FORM, "grant_type=password&client_id=a&username=b&password=c", "unsupported_grant_type" },
		{ FORM, "grant_type=authorization_code&client_id=a", "unsupported_grant_type" },
		{ FORM, "client_id=a", "invalid_request" },
		{ FORM, "grant_type=client_credentials", "invalid_request" },
		{ FORM, "grant_type=client_credentials&client_id=a&client_id=b", "invalid_request" },
		{ FORM, "grant_type=client_credentials&client_id=%zz", "invalid_request" },
		{ FORM, "grant_type=client_credentials&client_id=%4", "invalid_request" },
		{ FORM, "grant_type=client_credentials&client_id=a%ff", "invalid_request" },
		{ JSON, "{\"grant_type\":\"client_credentials\",\"client_id\":[]}", "invalid_request" },
		{ JSON, "{\"grant_type\":", "invalid_request" },
		{ JSON, "[]", "invalid_request" },
		{ "Content-Type: text/plain\r\n", "grant_type=client_credentials&client_id=a", "invalid_request" },
		{ "", "", "invalid_request" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		json_t *o = call("POST", "/oauth/token", bad[i].fields, bad[i].body, 400);
		assert_string_equal(text_of(o, "error"), bad[i].error);
		assert_true(json_string_length(json_object_get(o, "error_description")) > 0);
		json_decref(o);
	}
}

static void other_methods_and_pages_are_refused(void **state)
{
	(void)state;
	json_decref(call("GET", "/oauth/token", "", "", 405));
	assert_non_null(strstr(heard, "Allow: POST\r\n"));
	json_decref(call("POST", "/.well-known/jwks.json", "", "", 405));
	json_decref(call("GET", "/elsewhere", "", "", 404));
}

static void it_speaks_under_its_own_name_only(void **state)
{
	char request[256];
	int fd = dial();

	(void)state;
	assert_true(
	    ask_for(fd, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: evil.example:8444\r\n\r\n", "\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 421 ", 13), 0);
	snprintf(request, sizeof request, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost:%u\r\n\r\n",
	         port);
	assert_true(ask_for(fd, request, "\r\n\r\n"));
	assert_int_equal(strncmp(heard, "HTTP/1.1 200 ", 13), 0);
	close(fd);
}

static void it_refuses_to_be_more_than_a_toy(void **state)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int open_to_all = socket(AF_INET, SOCK_STREAM, 0);
	const char *why = NULL;

	(void)state;
	assert_int_equal(bind(open_to_all, (struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(listen(open_to_all, 1), 0);
	assert_null(issuer_open(loop, open_to_all, key, slice_of(name), S("dev"), &why));
	assert_non_null(strstr(why, "loopback"));
	close(open_to_all);
	assert_null(issuer_open(loop, listening, key, slice_of(name), S("production"), &why));
	assert_non_null(strstr(why, "production"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(discovery_names_this_issuer_and_its_doors, begin, end),
		cmocka_unit_test_setup_teardown(a_form_gets_a_token_that_verifies, begin, end),
		cmocka_unit_test_setup_teardown(json_and_basic_credentials_do_as_well, begin, end),
		cmocka_unit_test_setup_teardown(what_it_does_not_grant_is_refused_by_name, begin, end),
		cmocka_unit_test_setup_teardown(other_methods_and_pages_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(it_speaks_under_its_own_name_only, begin, end),
		cmocka_unit_test_setup_teardown(it_refuses_to_be_more_than_a_toy, begin, end),
	};

	return cmocka_run_group_tests_name("the dev issuer", tests, begin_all, end_all);
}
