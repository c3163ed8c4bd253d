#include "pki.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static const char *const files[] = { "ca.pem", "ca.key", "server.pem", "server.key" };

static char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static int set_up(void **state)
{
	const char *why;

	(void)state;
	memcpy(directory, "/tmp/test_local_ca.XXXXXX", 26);
	assert_non_null(mkdtemp(directory));
	assert_true(tls_local_ca(directory, &why));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		unlink(path_of(files[i]));
	return rmdir(directory);
}

static X509 *cert_of(const char *name)
{
	FILE *in = fopen(path_of(name), "re");
	X509 *cert = PEM_read_X509(in, NULL, NULL, NULL);

	fclose(in);
	assert_non_null(cert);
	return cert;
}

static EVP_PKEY *key_of(const char *name)
{
	FILE *in = fopen(path_of(name), "re");
	EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);

	fclose(in);
	assert_non_null(key);
	return key;
}

/* As a strict client would; X509_V_OK or what is wrong. */
static int judge(X509 *cert)
{
	X509 *ca = cert_of("ca.pem");
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, cert, NULL);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	X509_verify_cert(ctx);
	int result = X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(ca);
	return result;
}

static void the_certificate_is_good_for_this_machines_names_for_ninety_days(void **state)
{
	X509 *cert = cert_of("server.pem");
	time_t later = time(NULL) + 90 * DAY_S + 60, sooner = time(NULL) + 89 * DAY_S;

	(void)state;
	assert_int_equal(judge(cert), X509_V_OK);
	assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
	assert_int_equal(X509_check_host(cert, "example.com", 0, 0, NULL), 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(cert), &sooner) > 0);
	assert_true(X509_cmp_time(X509_get0_notAfter(cert), &later) < 0);
	X509_free(cert);
}

static void the_authority_is_believed_for_no_other_name(void **state)
{
	struct pki ca = { cert_of("ca.pem"), key_of("ca.key") };
	struct pki evil = pki_make((struct pki_wish){ .cn = "bank", .names = "DNS:bank.example", .by = &ca });
	struct pki fine = pki_make((struct pki_wish){ .cn = "local", .names = "DNS:x.localhost", .by = &ca });
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	(void)state;
	X509_STORE_add_cert(store, ca.cert);
	X509_STORE_CTX_init(ctx, store, evil.cert, NULL);
	assert_int_equal(X509_verify_cert(ctx), 0);
	assert_int_equal(X509_STORE_CTX_get_error(ctx), X509_V_ERR_PERMITTED_VIOLATION);
	X509_STORE_CTX_cleanup(ctx);
	X509_STORE_CTX_init(ctx, store, fine.cert, NULL);
	assert_int_equal(X509_verify_cert(ctx), 1);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	pki_free(&evil);
	pki_free(&fine);
	pki_free(&ca);
}

static void keys_are_readable_by_their_owner_alone(void **state)
{
	struct stat st;

	(void)state;
	for (size_t i = 1; i < 4; i += 2) {
		assert_int_equal(stat(path_of(files[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void what_is_good_is_kept_and_what_is_not_is_made_again(void **state)
{
	const char *why;
	X509 *ca = cert_of("ca.pem"), *server = cert_of("server.pem"), *now;

	(void)state;
	assert_true(tls_local_ca(directory, &why));
	now = cert_of("server.pem");
	assert_int_equal(X509_cmp(now, server), 0);
	X509_free(now);
	int other = open(path_of("ca.key"), O_RDONLY | O_CLOEXEC);
	char bytes[1024];
	ssize_t len = read(other, bytes, sizeof bytes);
	close(other);
	other = open(path_of("server.key"), O_WRONLY | O_TRUNC | O_CLOEXEC); /* a key of another pair */
	assert_int_equal(write(other, bytes, (size_t)len), len);
	close(other);
	assert_true(tls_local_ca(directory, &why));
	now = cert_of("server.pem");
	assert_int_not_equal(X509_cmp(now, server), 0);
	assert_int_equal(judge(now), X509_V_OK);
	X509_free(now);
	now = cert_of("ca.pem");
	assert_int_equal(X509_cmp(now, ca), 0);
	X509_free(now);
	unlink(path_of("ca.key"));
	assert_true(tls_local_ca(directory, &why)); /* a new authority, and all that it signs */
	now = cert_of("ca.pem");
	assert_int_not_equal(X509_cmp(now, ca), 0);
	X509_free(now);
	now = cert_of("server.pem");
	assert_int_equal(judge(now), X509_V_OK);
	X509_free(now);
	X509_free(ca);
	X509_free(server);
}

static void a_directory_that_is_not_there_is_said(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_false(tls_local_ca("/nonexistent/of/tests", &why));
	assert_string_equal(why, "the certificate files could not be written");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_certificate_is_good_for_this_machines_names_for_ninety_days),
		TEST(the_authority_is_believed_for_no_other_name),
		TEST(keys_are_readable_by_their_owner_alone),
		TEST(what_is_good_is_kept_and_what_is_not_is_made_again),
		cmocka_unit_test(a_directory_that_is_not_there_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
