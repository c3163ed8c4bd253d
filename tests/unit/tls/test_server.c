#include "world.h"

static const char *subject_seen(struct talk *t)
{
	static char cn[64];

	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(t->ssl)), NID_commonName, cn,
	                          sizeof cn);
	return cn;
}

static void both_versions_shake_hands_and_carry_bytes(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct talk t;
	char got[16];

	(void)state;
	open_server();
	for (int i = 0; i < 2; i++) {
		SSL_CTX_set_max_proto_version(w.client_ctx, versions[i]);
		talk_open(&t, 0);
		talk_client(&t, w.client_ctx, "one.example", NULL);
		talk_shake(&t, w.server);
		struct tls_facts f = facts_of(&t);
		assert_true(slice_same(f.version, i ? S("1.3") : S("1.2")));
		assert_false(f.resumed || f.h2 || f.certificate.len);
		assert_int_equal(SSL_write(t.ssl, "question", 8), 8);
		loop_turn(t.loop, 0);
		assert_int_equal(wire_read(t.wire, got, sizeof got), 8);
		assert_memory_equal(got, "question", 8);
		assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_LATER);
		assert_true(wire_write(t.wire, S("answer")));
		assert_int_equal(SSL_read(t.ssl, got, sizeof got), 6);
		assert_memory_equal(got, "answer", 6);
		talk_close(&t);
	}
}

static void check_certificate(const char *name, const char *cn)
{
	struct talk t;

	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, name, NULL);
	talk_shake(&t, w.server);
	facts_of(&t);
	assert_string_equal(subject_seen(&t), cn);
	talk_close(&t);
}

static void the_certificate_is_chosen_by_exact_name_then_wildcard_then_the_first(void **state)
{
	(void)state;
	open_server();
	check_certificate("www.one.example", "1");
	check_certificate("Two.Example", "2"); /* of the two that name it, the one configured first */
	check_certificate("a.wild.example", "3");
	check_certificate("a.b.wild.example", "1");
	check_certificate("wild.example", "1");
	check_certificate("unknown.example", "1");
	check_certificate(NULL, "1");
}

static void an_rsa_key_beside_an_ec_key_serves_clients_that_know_only_rsa(void **state)
{
	struct pki rsa = pki_make((struct pki_wish){
	    .cn = "1r", .names = "DNS:www.one.example,DNS:one.example", .by = &w.ca, .rsa = true });

	(void)state;
	pki_put(w.b, "rsa", &rsa, NULL);
	w.certs[1] = (struct config_certificate){ .chain = S("/rsa.pem"), .key = S("/rsa.key") };
	w.tls.certificates_len = 2;
	open_server();
	check_certificate("one.example", "1");
	SSL_CTX_set1_sigalgs_list(w.client_ctx, "RSA-PSS+SHA256:RSA+SHA256");
	check_certificate("one.example", "1r");
	pki_free(&rsa);
}

static void check_protocol(const char *offered, size_t len, const char *chosen)
{
	struct talk t;
	const unsigned char *got;
	unsigned got_len;

	SSL_CTX_set_alpn_protos(w.client_ctx, (const unsigned char *)offered, (unsigned)len);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	if (chosen) {
		assert_int_equal(facts_of(&t).h2, chosen[1] == '2');
		SSL_get0_alpn_selected(t.ssl, &got, &got_len);
		assert_true(slice_same((struct slice){ (const char *)got, got_len }, slice_of(chosen)));
	} else {
		assert_int_equal(t.step, TLS_FAILED);
		assert_string_equal(t.failure, "protocol");
	}
	talk_close(&t);
}

static void the_protocol_is_ours_to_prefer_and_an_unknown_one_is_refused(void **state)
{
	(void)state;
	open_server();
	check_protocol("\x08http/1.1\x02h2", 12, "h2");
	check_protocol("\x08http/1.1", 9, "http/1.1");
	check_protocol("\x03"
	               "ftp",
	               4, NULL);
}

static void the_least_version_is_kept(void **state)
{
	struct talk t;

	(void)state;
	w.tls.min_version = 1;
	open_server();
	SSL_CTX_set_max_proto_version(w.client_ctx, TLS1_2_VERSION);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	assert_int_equal(t.step, TLS_FAILED);
	assert_string_equal(t.failure, "protocol");
	assert_true(slice_same(t.why, S("the handshake failed: unsupported protocol")));
	talk_close(&t);
}

static void a_client_certificate_is_verified_through_its_chain_and_named(void **state)
{
	struct talk t;

	(void)state;
	demand(2, NULL);
	show(&w.client, &w.middle);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	assert_true(slice_same(facts_of(&t).certificate, S("CN=Zo\\C3\\AB\\, robot,O=Acme")));
	talk_close(&t);
}

static void check_refused(const char *word, const char *sentence)
{
	struct talk t;

	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	assert_int_equal(t.step, TLS_FAILED);
	assert_string_equal(t.failure, word);
	assert_true(slice_same(t.why, slice_of(sentence)));
	talk_close(&t);
}

static void a_client_certificate_that_is_missing_or_untrusted_is_refused(void **state)
{
	(void)state;
	demand(2, NULL);
	check_refused("certificate", "the client sent no certificate, and one is required");
	show(&w.client, NULL); /* without the certificate between */
	check_refused("certificate",
	              "the client's certificate is not trusted: unable to get local issuer certificate");
	show(&w.stranger, NULL);
	check_refused("certificate", "the client's certificate is not trusted: self-signed certificate");
}

static void an_optional_client_certificate_may_be_missing_but_not_wrong(void **state)
{
	struct talk t;

	(void)state;
	demand(1, NULL);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	assert_int_equal(facts_of(&t).certificate.len, 0);
	talk_close(&t);
	show(&w.stranger, NULL);
	check_refused("certificate", "the client's certificate is not trusted: self-signed certificate");
}

static struct pki wordy(size_t characters)
{
	char text[129] = "";

	for (size_t i = 0; i < characters; i++)
		memcpy(text + 2 * i, "\xc3\xab", 3); /* each is written in six: \C3\AB */
	return pki_make((struct pki_wish){ .cn = text, .organisation = text, .by = &w.client_ca });
}

static void a_subject_too_long_to_compare_is_refused(void **state)
{
	struct pki modest = wordy(32), wordiest = wordy(64);
	struct talk t;

	(void)state;
	demand(2, NULL);
	show(&modest, NULL);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	assert_int_equal(facts_of(&t).certificate.len, 3 + 32 * 6 + 1 + 2 + 32 * 6);
	talk_close(&t);
	show(&wordiest, NULL);
	check_refused("certificate", "the client's certificate has a subject over 511 bytes");
	pki_free(&modest);
	pki_free(&wordiest);
}

static void a_policy_belongs_to_hosts_and_is_the_same_for_those_that_share_it(void **state)
{
	(void)state;
	demand(2, "*.one.example");
	uint64_t plain = tls_policy(w.server, S("one.example"));
	uint64_t demanding = tls_policy(w.server, S("www.one.example"));
	assert_int_not_equal(plain, demanding);
	assert_int_equal(tls_policy(w.server, S("two.example")), plain);
	assert_int_equal(tls_policy(w.server, S("")), plain);
	assert_int_equal(tls_policy(w.server, S("WWW.one.example.")), demanding);
	w.tls.client_ca = S("/strangers.pem");
	open_server();
	assert_int_equal(tls_policy(w.server, S("one.example")), plain);
	assert_int_not_equal(tls_policy(w.server, S("www.one.example")), demanding);
	w.listener.address = S("127.0.0.2:8443");
	open_server();
	assert_int_not_equal(tls_policy(w.server, S("one.example")), plain);
}

static void only_named_hosts_ask_for_a_certificate(void **state)
{
	struct talk t;

	(void)state;
	demand(2, "www.one.example");
	check_certificate("one.example", "1");
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "www.one.example", NULL);
	talk_shake(&t, w.server);
	assert_int_equal(t.step, TLS_FAILED);
	talk_close(&t);
	show(&w.direct, NULL);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "www.one.example", NULL);
	talk_shake(&t, w.server);
	assert_true(slice_same(facts_of(&t).certificate, S("CN=direct")));
	assert_int_equal(facts_of(&t).policy, tls_policy(w.server, S("www.one.example")));
	talk_close(&t);
}

static void check_complaint(const char *expected)
{
	assert_null(tls_server_open(&w.listener, &w.config, w.b, &w.keys, &w.errors));
	assert_int_equal(w.errors.count, 1);
	if (!strstr(w.errors.text, expected))
		print_error("%s", w.errors.text);
	assert_non_null(strstr(w.errors.text, expected));
	config_errors_free(&w.errors);
}

static void what_cannot_be_used_is_said_with_its_file(void **state)
{
	(void)state;
	w.tls.certificates_len = 1;
	w.certs[0].key = S("/second.key");
	check_complaint("the key /second.key does not belong to the first certificate of /first.pem");
	w.certs[0].key = S("/first.pem");
	check_complaint("/first.pem holds no private key in PEM form");
	w.certs[0] = (struct config_certificate){ .chain = S("/first.key"), .key = S("/first.key") };
	check_complaint("/first.key holds no certificate in PEM form");
	w.certs[0] = (struct config_certificate){ .chain = S("/nowhere.pem"), .key = S("/first.key") };
	check_complaint("/nowhere.pem cannot be read");
	pki_put_key(w.b, "/locked.key", w.first.key, "secret");
	w.certs[0] = (struct config_certificate){ .chain = S("/first.pem"), .key = S("/locked.key") };
	check_complaint("/locked.key is under a passphrase");
	bundle_put(w.b, "/broken.pem", S("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
	w.certs[0] = (struct config_certificate){ .chain = S("/broken.pem"), .key = S("/first.key") };
	check_complaint("/broken.pem holds a certificate that cannot be read");
	w.certs[0] = (struct config_certificate){ .chain = S("/first.pem"), .key = S("/first.key") };
	w.tls.ciphers = S("NONSENSE");
	check_complaint("OpenSSL knows no cipher of tls.ciphers: \"NONSENSE\"");
	w.tls.ciphers = S("ECDHE+AESGCM");
	w.tls.client_certificate = 2;
	w.tls.client_ca = S("/first.key");
	check_complaint("/first.key holds no certificate in PEM form");
}

static void a_refusal_before_any_ssl_object_is_an_alert_that_clients_understand(void **state)
{
	struct talk t;

	(void)state;
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_client_step(&t);
	tls_refuse(t.wire, TLS_ALERT_ACCESS_DENIED);
	wire_shut(t.wire);
	assert_int_equal(SSL_do_handshake(t.ssl), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_ACCESS_DENIED);
	talk_close(&t);
}

/* Whether a client that has only this group gets in. */
static bool agrees_on(const char *client)
{
	struct talk t;

	assert_int_equal(SSL_CTX_set1_groups_list(w.client_ctx, client), 1);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_shake(&t, w.server);
	bool ok = t.step == TLS_READY && t.done == 1;
	talk_close(&t);
	ERR_clear_error();
	return ok;
}

static void groups_are_those_of_the_list_that_the_library_has(void **state)
{
	static const char *const lists[] = { "P-384",   "nonsense:P-384", "P-384:P-384:secp384r1",
		                                 ":P-384:", "P-384:*X25519",  "P-384/X25519" };

	(void)state;
	open_server();
	assert_true(agrees_on("X25519") && agrees_on("P-256") && agrees_on("P-384") && !agrees_on("P-521"));
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		w.tls.groups = slice_of(lists[i]);
		if (i == 5)
			w.tls.groups = S("P-384/X25519:P-384");
		open_server();
		assert_true(agrees_on("P-384") && !agrees_on("X25519"));
	}
}

static void what_the_library_lacks_is_told_and_nothing_at_all_is_refused(void **state)
{
	char list[TLS_GROUPS_MAX];
	struct slice lacking;

	(void)state;
	w.tls.groups = S("X25519:nonsense:P-256:P-256:prime256v1:more?");
	assert_true(tls_groups(&w.tls, list, &lacking));
	assert_string_equal(list, "X25519:P-256");
	assert_true(slice_same(lacking, S("nonsense:more?")));
	w.tls.groups = S("nonsense");
	assert_false(tls_groups(&w.tls, list, &lacking));
	assert_null(tls_server_open(&w.listener, &w.config, w.b, &w.keys, &w.errors));
	assert_non_null(strstr(w.errors.text, "OpenSSL knows no group of tls.groups: \"nonsense\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(groups_are_those_of_the_list_that_the_library_has),
		TEST(what_the_library_lacks_is_told_and_nothing_at_all_is_refused),
		TEST(both_versions_shake_hands_and_carry_bytes),
		TEST(the_certificate_is_chosen_by_exact_name_then_wildcard_then_the_first),
		TEST(an_rsa_key_beside_an_ec_key_serves_clients_that_know_only_rsa),
		TEST(the_protocol_is_ours_to_prefer_and_an_unknown_one_is_refused),
		TEST(the_least_version_is_kept),
		TEST(a_client_certificate_is_verified_through_its_chain_and_named),
		TEST(a_client_certificate_that_is_missing_or_untrusted_is_refused),
		TEST(an_optional_client_certificate_may_be_missing_but_not_wrong),
		TEST(a_subject_too_long_to_compare_is_refused),
		TEST(a_policy_belongs_to_hosts_and_is_the_same_for_those_that_share_it),
		TEST(only_named_hosts_ask_for_a_certificate),
		TEST(what_cannot_be_used_is_said_with_its_file),
		TEST(a_refusal_before_any_ssl_object_is_an_alert_that_clients_understand),
	};
	return cmocka_run_group_tests(tests, make_world, free_world);
}
