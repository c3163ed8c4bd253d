#include "pki.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Our client on one end, a plain OpenSSL server on the other. */
static struct {
	struct bundle *b;
	struct pki ca, server;
	struct config_upstream upstream;
	struct config_errors errors;
	struct tls_client *client;
	SSL_CTX *ctx;
	struct loop *loop;
	struct wire *wire;
	SSL *ssl;
	int fd, done;
	enum tls_step step;
} w;

static int select_first(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                        unsigned in_len, void *with)
{
	(void)ssl;
	(void)in_len;
	(void)with;
	*out = in + 1;
	*out_len = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static int set_up(void **state)
{
	(void)state;
	memset(&w, 0, sizeof w);
	w.b = bundle_record();
	w.loop = loop_open();
	w.ca = pki_make((struct pki_wish){ .cn = "CA", .authority = true });
	w.server = pki_make(
	    (struct pki_wish){ .cn = "up.example",
	                       .by = &w.ca,
	                       .names = "DNS:up.example,DNS:*.wild.example,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1" });
	pki_put(w.b, "ca", &w.ca, NULL);
	w.upstream.tls.ca = S("/ca.pem");
	w.client = tls_client_open(&w.upstream, w.b, &w.errors);
	assert_non_null(w.client);
	w.ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(w.ctx, w.server.cert);
	SSL_CTX_use_PrivateKey(w.ctx, w.server.key);
	SSL_CTX_set_alpn_select_cb(w.ctx, select_first, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_client_close(w.client);
	SSL_CTX_free(w.ctx);
	loop_close(w.loop);
	pki_free(&w.ca);
	pki_free(&w.server);
	bundle_close(w.b);
	config_errors_free(&w.errors);
	return 0;
}

static void hang_up(void)
{
	SSL_free(w.ssl);
	wire_close(w.wire);
	close(w.fd);
	loop_turn(w.loop, 0);
	ERR_clear_error();
}

static void on_ready(struct wire *wire)
{
	(void)wire;
}

static enum tls_step dial(const char *name)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	w.fd = fds[1];
	w.wire = wire_open(w.loop, fds[0], false);
	w.wire->on_ready = on_ready;
	w.ssl = SSL_new(w.ctx);
	SSL_set_fd(w.ssl, w.fd);
	SSL_set_accept_state(w.ssl);
	w.done = 0;
	assert_true(tls_connect(w.wire, w.client, slice_of(name)));
	w.step = TLS_WAIT;
	for (int i = 0; i < 20 && (w.step == TLS_WAIT || (w.step == TLS_READY && w.done != 1)); i++) {
		if (w.step == TLS_WAIT)
			w.step = tls_handshake(w.wire);
		ERR_clear_error();
		w.done = w.done == 1 ? 1 : SSL_do_handshake(w.ssl);
		ERR_clear_error();
		loop_turn(w.loop, 0);
	}
	return w.step;
}

static void expect_refusal(const char *name, const char *why)
{
	struct slice sentence;

	assert_int_equal(dial(name), TLS_FAILED);
	assert_string_equal(tls_failure(w.wire, &sentence), "certificate");
	if (!slice_same(sentence, slice_of(why)))
		print_error("%.*s\n", SLICE(sentence));
	assert_true(slice_same(sentence, slice_of(why)));
	hang_up();
}

static void a_verified_server_is_spoken_to_in_http_1_1(void **state)
{
	const unsigned char *protocol;
	unsigned len;
	char got[16];

	(void)state;
	assert_int_equal(dial("up.example"), TLS_READY);
	assert_string_equal(SSL_get_servername(w.ssl, TLSEXT_NAMETYPE_host_name), "up.example");
	SSL_get0_alpn_selected(w.ssl, &protocol, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(protocol, "http/1.1", 8);
	assert_true(wire_write(w.wire, S("ask")));
	assert_int_equal(SSL_read(w.ssl, got, sizeof got), 3);
	assert_int_equal(SSL_write(w.ssl, "told", 4), 4);
	loop_turn(w.loop, 0);
	assert_int_equal(wire_read(w.wire, got, sizeof got), 4);
	hang_up();
}

static void names_and_addresses_are_verified_and_only_names_are_sent(void **state)
{
	static const char *const good[] = { "a.wild.example", "127.0.0.1", "[::1]", "::1", "UP.example." };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_int_equal(dial(good[i]), TLS_READY);
		const char *sent = SSL_get_servername(w.ssl, TLSEXT_NAMETYPE_host_name);
		assert_int_equal(sent != NULL, i == 0 || i == 4);
		if (i == 4)
			assert_string_equal(sent, "UP.example");
		hang_up();
	}
	expect_refusal("other.example", "the server's certificate is not trusted: hostname mismatch");
	expect_refusal("a.b.wild.example", "the server's certificate is not trusted: hostname mismatch");
	expect_refusal("127.0.0.2", "the server's certificate is not trusted: IP address mismatch");
}

static void an_unknown_authority_or_an_expired_certificate_is_refused(void **state)
{
	struct pki old =
	    pki_make((struct pki_wish){ .cn = "up", .names = "DNS:up.example", .by = &w.ca, .ends_s = -10 });
	struct pki alone = pki_make((struct pki_wish){ .cn = "up", .names = "DNS:up.example" });

	(void)state;
	SSL_CTX_use_cert_and_key(w.ctx, old.cert, old.key, NULL, 1);
	expect_refusal("up.example", "the server's certificate is not trusted: certificate has expired");
	SSL_CTX_use_cert_and_key(w.ctx, alone.cert, alone.key, NULL, 1);
	expect_refusal("up.example", "the server's certificate is not trusted: self-signed certificate");
	pki_free(&old);
	pki_free(&alone);
}

static void the_configured_name_goes_before_the_endpoints(void **state)
{
	(void)state;
	tls_client_close(w.client);
	w.upstream.tls.server_name = S("up.example");
	w.client = tls_client_open(&w.upstream, w.b, &w.errors);
	assert_int_equal(dial("10.0.0.1"), TLS_READY);
	assert_string_equal(SSL_get_servername(w.ssl, TLSEXT_NAMETYPE_host_name), "up.example");
	hang_up();
}

static bool dials_resumed(const char *name)
{
	struct tls_facts facts;
	char got[8];

	assert_int_equal(dial(name), TLS_READY);
	tls_facts(w.wire, &facts);
	assert_int_equal(SSL_write(w.ssl, "!", 1), 1); /* the tickets come with it */
	loop_turn(w.loop, 0);
	assert_int_equal(wire_read(w.wire, got, sizeof got), 1);
	hang_up();
	return facts.resumed;
}

static void a_session_is_used_again_for_the_same_name_only(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	SSL_CTX_set_session_id_context(w.ctx, (const unsigned char *)"t", 1);
	for (int i = 0; i < 2; i++) {
		SSL_CTX_set_max_proto_version(w.ctx, versions[i]);
		tls_client_close(w.client);
		w.client = tls_client_open(&w.upstream, w.b, &w.errors);
		assert_false(dials_resumed("up.example"));
		assert_true(dials_resumed("up.example"));
		assert_true(dials_resumed("up.example"));
		assert_false(dials_resumed("127.0.0.1"));
		expect_refusal("other.example", "the server's certificate is not trusted: hostname mismatch");
	}
}

static void a_name_that_cannot_be_is_refused_at_once(void **state)
{
	static const struct slice wrong[] = { { "", 0 }, { ".", 1 }, { "[]", 2 }, { "a\0b", 3 } };
	int fds[2];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		struct wire *wire = wire_open(w.loop, fds[0], false);
		assert_false(tls_connect(wire, w.client, wrong[i]));
		wire_close(wire);
		close(fds[1]);
		loop_turn(w.loop, 0);
	}
}

static void a_ca_file_that_holds_none_is_said(void **state)
{
	(void)state;
	bundle_put(w.b, "/none.pem", S("nothing\n"));
	w.upstream.tls.ca = S("/none.pem");
	assert_null(tls_client_open(&w.upstream, w.b, &w.errors));
	assert_non_null(strstr(w.errors.text, "/none.pem holds no certificate in PEM form"));
}

static void the_systems_authorities_come_through_the_bundle(void **state)
{
	char *at;
	BIO *pem = BIO_new(BIO_s_mem());

	(void)state;
	PEM_write_bio_X509(pem, w.ca.cert);
	long len = BIO_get_mem_data(pem, &at);
	bundle_put(w.b, "/etc/ssl/certs/ca-certificates.crt", (struct slice){ at, (size_t)len });
	BIO_free(pem);
	w.upstream.tls.ca = (struct slice){ NULL, 0 };
	tls_client_close(w.client);
	w.client = tls_client_open(&w.upstream, w.b, &w.errors);
	assert_non_null(w.client);
	assert_int_equal(dial("up.example"), TLS_READY);
	hang_up();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_verified_server_is_spoken_to_in_http_1_1),
		TEST(names_and_addresses_are_verified_and_only_names_are_sent),
		TEST(an_unknown_authority_or_an_expired_certificate_is_refused),
		TEST(the_configured_name_goes_before_the_endpoints),
		TEST(a_session_is_used_again_for_the_same_name_only),
		TEST(a_name_that_cannot_be_is_refused_at_once),
		TEST(a_ca_file_that_holds_none_is_said),
		TEST(the_systems_authorities_come_through_the_bundle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
