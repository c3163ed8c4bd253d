#include "base/clock.h"
#include "world.h"

/* Connects, and says whether the session was resumed; *session is replaced by the newest. */
static bool resumes(const char *name, SSL_SESSION **session)
{
	struct talk t;

	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, name, *session);
	talk_shake(&t, w.server);
	bool resumed = facts_of(&t).resumed;
	assert_int_equal(SSL_session_reused(t.ssl), resumed);
	SSL_SESSION_free(*session);
	*session = talk_session(&t);
	talk_close(&t);
	return resumed;
}

static void a_ticket_resumes_and_each_use_earns_another(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	open_server();
	for (int i = 0; i < 2; i++) {
		SSL_SESSION *session = NULL;
		SSL_CTX_set_max_proto_version(w.client_ctx, versions[i]);
		assert_false(resumes("one.example", &session));
		assert_true(resumes("one.example", &session));
		assert_true(resumes("one.example", &session));
		SSL_SESSION_free(session);
	}
}

static void a_ticket_outlives_a_reload_and_workers_share_it(void **state)
{
	SSL_SESSION *session = NULL;

	(void)state;
	open_server();
	assert_false(resumes("one.example", &session));
	open_server();
	assert_true(resumes("one.example", &session));
	SSL_SESSION_free(session);
}

static void a_ticket_whose_bytes_were_changed_is_no_resumption(void **state)
{
	SSL_SESSION *session = NULL;
	const unsigned char *ticket;
	size_t len;

	(void)state;
	open_server();
	assert_false(resumes("one.example", &session));
	SSL_SESSION_get0_ticket(session, &ticket, &len);
	((unsigned char *)(uintptr_t)ticket)[len - 1] ^= 1; /* the end of its HMAC */
	assert_false(resumes("one.example", &session));
	assert_true(resumes("one.example", &session));
	SSL_SESSION_free(session);
}

static void a_ticket_of_another_key_is_no_resumption(void **state)
{
	SSL_SESSION *session = NULL;

	(void)state;
	open_server();
	assert_false(resumes("one.example", &session));
	memset(&w.keys, 0, sizeof w.keys);
	ticket_keys_make(&w.keys, &w.config, 1000000);
	assert_false(resumes("one.example", &session));
	SSL_SESSION_free(session);
}

static void a_ticket_of_one_host_never_skips_anothers_demand(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct talk t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		SSL_SESSION *session = NULL;
		SSL_CTX_set_max_proto_version(w.client_ctx, versions[i]);
		demand(1, "www.one.example"); /* optional: a full handshake, without a certificate */
		assert_false(resumes("one.example", &session));
		assert_false(resumes("www.one.example", &session));
		assert_true(resumes("www.one.example", &session));
		demand(2, "www.one.example"); /* required: the ticket of the optional time is not enough */
		talk_open(&t, 0);
		talk_client(&t, w.client_ctx, "www.one.example", session);
		talk_shake(&t, w.server);
		assert_int_equal(t.step, TLS_FAILED);
		assert_string_equal(t.failure, "certificate");
		talk_close(&t);
		SSL_SESSION_free(session);
	}
}

static void a_ticket_of_one_client_ca_is_not_taken_under_another(void **state)
{
	SSL_SESSION *session = NULL;

	(void)state;
	demand(1, NULL);
	assert_false(resumes("one.example", &session));
	assert_true(resumes("one.example", &session));
	w.tls.client_ca = S("/strangers.pem");
	open_server();
	assert_false(resumes("one.example", &session));
	SSL_SESSION_free(session);
}

static void a_ticket_of_another_certificate_or_listener_is_not_taken(void **state)
{
	SSL_SESSION *session = NULL;

	(void)state;
	open_server();
	assert_false(resumes("one.example", &session));
	assert_false(resumes("two.example", &session));
	w.listener.address = S("127.0.0.1:9443");
	open_server();
	assert_false(resumes("two.example", &session));
	SSL_SESSION_free(session);
}

static void a_resumed_client_is_still_named(void **state)
{
	SSL_SESSION *session = NULL;
	struct talk t;

	(void)state;
	demand(2, NULL);
	show(&w.direct, NULL);
	assert_false(resumes("one.example", &session));
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", session);
	talk_shake(&t, w.server);
	assert_true(facts_of(&t).resumed);
	assert_true(slice_same(facts_of(&t).certificate, S("CN=direct")));
	talk_close(&t);
	SSL_SESSION_free(session);
}

static void a_ticket_ends_with_the_client_certificate_it_stands_for(void **state)
{
	SSL_SESSION *session = NULL;
	struct talk t;
	time_t made = time(NULL);
	struct pki brief = pki_make((struct pki_wish){ .cn = "brief", .by = &w.client_ca, .ends_s = 3 });

	(void)state;
	demand(2, NULL);
	show(&brief, NULL);
	assert_false(resumes("one.example", &session));
	while (time(NULL) <= made + 4)
		usleep(20000);
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", session);
	talk_shake(&t, w.server);
	assert_int_equal(t.step, TLS_FAILED);
	assert_true(slice_same(t.why, S("the client's certificate is not trusted: certificate has expired")));
	talk_close(&t);
	SSL_SESSION_free(session);
	pki_free(&brief);
}

static void random_keys_live_for_two_periods(void **state)
{
	SSL_SESSION *session = NULL;
	uint64_t s = 1000000;

	(void)state;
	open_server();
	assert_false(resumes("one.example", &session));
	ticket_keys_make(&w.keys, &w.config, s + 60);
	assert_int_equal(w.keys.generation, 1);
	ticket_keys_make(&w.keys, &w.config, s += TICKET_PERIOD_S);
	assert_true(resumes("one.example", &session)); /* and the new ticket is of the new key */
	ticket_keys_make(&w.keys, &w.config, s += TICKET_PERIOD_S);
	assert_true(resumes("one.example", &session));
	ticket_keys_make(&w.keys, &w.config, s += TICKET_PERIOD_S);
	ticket_keys_make(&w.keys, &w.config, s += TICKET_PERIOD_S);
	assert_false(resumes("one.example", &session));
	SSL_SESSION_free(session);
}

static const struct ticket_set *set_of(const struct ticket_keys *k)
{
	return &k->set[k->generation % 2];
}

static void a_fleet_derives_the_same_keys_and_tolerates_clocks_and_a_changed_secret(void **state)
{
	unsigned char old[32] = "an old secret of thirty-two byte", new[32] = "a new secret of thirty-two bytes";
	struct secret secrets[2] = { { new, 32 }, { old, 32 } };
	struct ticket_keys a = { 0 }, b = { 0 };

	(void)state;
	w.config.root.secrets.fleet = (struct config_secret_list){ secrets + 1, 1 };
	ticket_keys_make(&a, &w.config, 1000000);
	ticket_keys_make(&b, &w.config, 1000000 + 60);
	assert_memory_equal(set_of(&a), set_of(&b), sizeof(struct ticket_set));
	assert_int_equal(set_of(&a)->len, 3);
	ticket_keys_make(&b, &w.config, 1000000 + TICKET_PERIOD_S); /* its clock is ahead: we know its newest */
	assert_memory_equal(&set_of(&b)->key[0], &set_of(&a)->key[2], sizeof(struct ticket_key));
	assert_memory_equal(&set_of(&b)->key[1], &set_of(&a)->key[0], sizeof(struct ticket_key));
	w.config.root.secrets.fleet = (struct config_secret_list){ secrets, 2 };
	ticket_keys_make(&b, &w.config, 1000000);
	assert_int_equal(set_of(&b)->len, 6);
	assert_memory_equal(&set_of(&b)->key[3], &set_of(&a)->key[0], sizeof(struct ticket_key));
	assert_memory_not_equal(set_of(&b)->key[0].aes, set_of(&a)->key[0].aes, 32);
	w.config.root.secrets.fleet = (struct config_secret_list){ NULL, 0 };
	ticket_keys_make(&a, &w.config, 1000000); /* the secret was taken away: so are its tickets */
	assert_int_equal(set_of(&a)->len, 1);
}

static void without_keys_or_by_option_no_tickets_are_sent(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (int i = 0; i < 4; i++) {
		SSL_SESSION *session = NULL;
		if (i < 2)
			memset(&w.keys, 0, sizeof w.keys);
		else
			ticket_keys_make(&w.keys, &w.config, 1000000);
		w.tls.tickets = i < 2 ? 1 : 0;
		open_server();
		SSL_CTX_set_max_proto_version(w.client_ctx, versions[i % 2]);
		assert_false(resumes("one.example", &session));
		assert_false(SSL_SESSION_has_ticket(session));
		SSL_SESSION_free(session);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_ticket_resumes_and_each_use_earns_another),
		TEST(a_ticket_outlives_a_reload_and_workers_share_it),
		TEST(a_ticket_whose_bytes_were_changed_is_no_resumption),
		TEST(a_ticket_of_another_key_is_no_resumption),
		TEST(a_ticket_of_one_host_never_skips_anothers_demand),
		TEST(a_ticket_of_one_client_ca_is_not_taken_under_another),
		TEST(a_ticket_of_another_certificate_or_listener_is_not_taken),
		TEST(a_resumed_client_is_still_named),
		TEST(a_ticket_ends_with_the_client_certificate_it_stands_for),
		TEST(random_keys_live_for_two_periods),
		TEST(a_fleet_derives_the_same_keys_and_tolerates_clocks_and_a_changed_secret),
		TEST(without_keys_or_by_option_no_tickets_are_sent),
	};
	return cmocka_run_group_tests(tests, make_world, free_world);
}
