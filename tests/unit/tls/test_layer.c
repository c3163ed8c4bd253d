#include "world.h"

#define BIG (1 << 20)

static char big[BIG], got[BIG];

static int fill(void **state)
{
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 7 + i / 251);
	return make_world(state);
}

/* A finished handshake of that version. */
static void begin(struct talk *t, int version, int buffer)
{
	open_server();
	SSL_CTX_set_max_proto_version(w.client_ctx, version);
	talk_open(t, buffer);
	talk_client(t, w.client_ctx, "one.example", NULL);
	talk_shake(t, w.server);
	facts_of(t);
}

static void a_megabyte_down_waits_in_the_backlog_and_arrives_in_order(void **state)
{
	struct talk t;
	size_t sent = 0, have = 0, most = 0;
	int n;

	(void)state;
	begin(&t, TLS1_3_VERSION, 8192);
	for (int turns = 0; have < BIG && turns < 100000; turns++) {
		while (sent < BIG && wire_backlog(t.wire) < WIRE_HIGH) {
			size_t len = BIG - sent < 50000 ? BIG - sent : 50000;
			assert_true(wire_write(t.wire, (struct slice){ big + sent, len }));
			sent += len;
		}
		most = wire_backlog(t.wire) > most ? wire_backlog(t.wire) : most;
		while ((n = SSL_read(t.ssl, got + have, (int)(BIG - have))) > 0)
			have += (size_t)n;
		loop_turn(t.loop, 0);
	}
	assert_int_equal(have, BIG);
	assert_memory_equal(got, big, BIG);
	assert_true(most >= 16384 && most < WIRE_HIGH + 50000 + 200);
	assert_int_equal(wire_backlog(t.wire), 0);
	talk_close(&t);
}

static void a_megabyte_up_is_read_in_any_portions(void **state)
{
	static const size_t portions[] = { 1000, 16384, 65536 };
	struct talk t;

	(void)state;
	for (int i = 0; i < 3; i++) {
		size_t sent = 0, have = 0;
		begin(&t, i == 1 ? TLS1_2_VERSION : TLS1_3_VERSION, 0);
		for (int turns = 0; have < BIG && turns < 100000; turns++) {
			int n =
			    sent < BIG ? SSL_write(t.ssl, big + sent, 16000 < BIG - sent ? 16000 : (int)(BIG - sent)) : 0;
			sent += n > 0 ? (size_t)n : 0;
			loop_turn(t.loop, 0);
			while (wire_is_readable(t.wire)) {
				ssize_t len =
				    wire_read(t.wire, got + have, portions[i] < BIG - have ? portions[i] : BIG - have);
				if (len <= 0)
					break;
				have += (size_t)len;
			}
		}
		assert_int_equal(have, BIG);
		assert_memory_equal(got, big, BIG);
		talk_close(&t);
	}
}

static void records_that_came_together_stay_readable_until_all_are_read(void **state)
{
	struct talk t;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	assert_int_equal(SSL_write(t.ssl, "one", 3), 3);
	assert_int_equal(SSL_write(t.ssl, "two", 3), 3);
	loop_turn(t.loop, 0);
	assert_int_equal(wire_read(t.wire, got, 2), 2);
	assert_true(wire_is_readable(t.wire)); /* without another edge */
	assert_int_equal(wire_read(t.wire, got, 1), 1);
	assert_true(wire_is_readable(t.wire));
	assert_int_equal(wire_read(t.wire, got, sizeof got), 3);
	assert_memory_equal(got, "two", 3);
	assert_false(wire_is_readable(t.wire));
	talk_close(&t);
}

/* Puts the client's bytes on the wire ourselves, from a memory BIO. */
static long ciphertext(struct talk *t, const void *text, int len, char **at)
{
	BIO *out = BIO_new(BIO_s_mem());

	SSL_set0_wbio(t->ssl, out);
	assert_int_equal(SSL_write(t->ssl, text, len), len);
	return BIO_get_mem_data(out, at);
}

static void half_a_record_does_not_keep_the_wire_readable(void **state)
{
	struct talk t;
	char *at;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	long len = ciphertext(&t, "whole", 5, &at);
	assert_int_equal(write(t.fd, at, 9), 9);
	loop_turn(t.loop, 0);
	assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_LATER);
	assert_false(wire_is_readable(t.wire));
	assert_int_equal(write(t.fd, at + 9, (size_t)len - 9), len - 9);
	loop_turn(t.loop, 0);
	assert_true(wire_is_readable(t.wire));
	assert_int_equal(wire_read(t.wire, got, sizeof got), 5);
	assert_false(wire_is_readable(t.wire));
	talk_close(&t);
}

static void the_handshake_may_arrive_byte_by_byte(void **state)
{
	struct talk t;
	BIO *out = BIO_new(BIO_s_mem());
	char *at;

	(void)state;
	open_server();
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	SSL_set0_wbio(t.ssl, out);
	for (int i = 0; i < 20 && (t.done == 0 || t.step == TLS_WAIT); i++) {
		talk_client_step(&t);
		long len = BIO_get_mem_data(out, &at);
		for (long k = 0; k < len; k++) {
			assert_int_equal(write(t.fd, at + k, 1), 1);
			talk_server_step(&t, w.server);
		}
		(void)BIO_reset(out);
	}
	facts_of(&t);
	talk_close(&t);
}

static void a_request_that_came_with_the_last_flight_is_readable_at_once(void **state)
{
	struct talk t;
	BIO *out = BIO_new(BIO_s_mem());
	char *at;

	(void)state;
	open_server();
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_client_step(&t);
	talk_server_step(&t, w.server);
	SSL_set0_wbio(t.ssl, out);
	talk_client_step(&t);
	assert_int_equal(SSL_write(t.ssl, "early bird", 10), 10);
	long len = BIO_get_mem_data(out, &at);
	assert_int_equal(write(t.fd, at, (size_t)len), len);
	talk_server_step(&t, w.server);
	facts_of(&t);
	assert_true(wire_is_readable(t.wire));
	assert_int_equal(wire_read(t.wire, got, sizeof got), 10);
	talk_close(&t);
}

static void close_notify_is_an_end_and_a_bare_fin_a_truncation(void **state)
{
	struct talk t;

	(void)state;
	for (int orderly = 0; orderly < 2; orderly++) {
		begin(&t, TLS1_3_VERSION, 0);
		assert_int_equal(SSL_write(t.ssl, "last words", 10), 10);
		if (orderly)
			SSL_shutdown(t.ssl);
		else
			assert_int_equal(shutdown(t.fd, SHUT_WR), 0);
		loop_turn(t.loop, 0);
		assert_int_equal(wire_read(t.wire, got, sizeof got), 10);
		assert_true(wire_is_readable(t.wire));
		assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_END);
		assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_END);
		assert_int_equal(tls_was_truncated(t.wire), !orderly);
		assert_false(t.wire->failed);
		talk_close(&t);
	}
}

static void what_others_left_in_the_queue_of_errors_is_not_this_wires(void **state)
{
	struct talk t;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	loop_turn(t.loop, 0);
	ERR_raise(ERR_LIB_USER, 1);
	assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_LATER);
	ERR_raise(ERR_LIB_USER, 1);
	assert_true(wire_write(t.wire, S("as ever")));
	assert_int_equal(SSL_write(t.ssl, "last words", 10), 10);
	SSL_shutdown(t.ssl);
	ERR_raise(ERR_LIB_USER, 1);
	loop_turn(t.loop, 0);
	assert_int_equal(wire_read(t.wire, got, sizeof got), 10);
	assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_END);
	assert_false(t.wire->failed);
	talk_close(&t);
}

static void half_a_record_and_a_fin_are_a_truncation(void **state)
{
	struct talk t;
	char *at;

	(void)state;
	begin(&t, TLS1_2_VERSION, 0);
	ciphertext(&t, "never whole", 11, &at);
	assert_int_equal(write(t.fd, at, 20), 20);
	assert_int_equal(shutdown(t.fd, SHUT_WR), 0);
	loop_turn(t.loop, 0);
	assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_END);
	assert_true(tls_was_truncated(t.wire));
	talk_close(&t);
}

static void a_record_that_was_changed_fails_the_wire(void **state)
{
	struct talk t;
	char *at;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	long len = ciphertext(&t, "honest", 6, &at);
	at[len - 1] ^= 1;
	assert_int_equal(write(t.fd, at, (size_t)len), len);
	assert_int_equal(shutdown(t.fd, SHUT_WR), 0); /* and it is not taken for a mere truncation */
	loop_turn(t.loop, 0);
	assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_FAILED);
	assert_int_equal(wire_read(t.wire, got, sizeof got), WIRE_FAILED);
	assert_true(t.wire->failed);
	assert_int_equal(t.wire->error, EPROTO);
	assert_false(wire_write(t.wire, S("too late")));
	assert_int_equal(ERR_peek_error(), 0);
	talk_close(&t);
}

static void shutting_says_goodbye_and_still_reads(void **state)
{
	struct talk t;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	assert_true(wire_write(t.wire, S("bye")));
	wire_shut(t.wire);
	assert_int_equal(SSL_read(t.ssl, got, sizeof got), 3);
	assert_int_equal(SSL_read(t.ssl, got, sizeof got), 0);
	assert_int_equal(SSL_get_error(t.ssl, 0), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(SSL_write(t.ssl, "still here", 10), 10);
	loop_turn(t.loop, 0);
	assert_int_equal(wire_read(t.wire, got, sizeof got), 10);
	assert_false(wire_write(t.wire, S("no")));
	talk_close(&t);
}

static void a_client_that_sends_no_data_does_not_hold_the_turn(void **state)
{
	struct talk t;
	int turns = 0;
	char *at;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	BIO *out = BIO_new(BIO_s_mem());
	SSL_set0_wbio(t.ssl, out);
	for (int i = 0; i < 3000; i++) { /* some 80 KB of records without a byte for us */
		assert_int_equal(SSL_key_update(t.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(t.ssl), 1);
	}
	assert_int_equal(SSL_write(t.ssl, "x", 1), 1);
	long len = BIO_get_mem_data(out, &at);
	assert_true(len > 70000);
	assert_int_equal(write(t.fd, at, (size_t)len), len);
	ssize_t n = WIRE_LATER;
	for (; n == WIRE_LATER && turns < 10; turns++) {
		loop_turn(t.loop, 0);
		n = wire_read(t.wire, got, 100);
	}
	assert_int_equal(n, 1);
	assert_int_equal(turns, 2);
	talk_close(&t);
}

static void a_client_that_leaves_in_the_handshake_is_told_from_one_that_objects(void **state)
{
	SSL_CTX *distrustful = SSL_CTX_new(TLS_client_method());
	struct talk t;

	(void)state;
	open_server();
	talk_open(&t, 0);
	talk_client(&t, w.client_ctx, "one.example", NULL);
	talk_client_step(&t);
	talk_server_step(&t, w.server);
	close(t.fd);
	t.fd = -1;
	talk_server_step(&t, w.server);
	assert_int_equal(t.step, TLS_FAILED);
	assert_string_equal(t.failure, "closed");
	assert_true(slice_same(t.why, S("the client closed the connection during the handshake")));
	talk_close(&t);
	SSL_CTX_set_verify(distrustful, SSL_VERIFY_PEER, NULL);
	talk_open(&t, 0);
	talk_client(&t, distrustful, "one.example", NULL);
	talk_shake(&t, w.server);
	assert_int_equal(t.step, TLS_FAILED);
	assert_string_equal(t.failure, "alert");
	assert_true(slice_same(t.why, S("the client refused with the alert \"unknown CA\"")));
	talk_close(&t);
	SSL_CTX_free(distrustful);
}

/* The client goes with bytes of ours unread, which is how a socket pair resets. */
static void a_reset_right_behind_a_record_is_a_failure_and_no_silence(void **state)
{
	struct talk t;
	ssize_t n = WIRE_LATER;

	(void)state;
	begin(&t, TLS1_3_VERSION, 0);
	assert_true(wire_write(t.wire, S("never read")));
	assert_int_equal(SSL_write(t.ssl, "half a message", 14), 14);
	close(t.fd);
	t.fd = -1;
	loop_turn(t.loop, NS_PER_S);
	assert_int_equal(wire_read(t.wire, got, BIG), 14);
	for (int turns = 0; n == WIRE_LATER && turns < 10; turns++) {
		loop_turn(t.loop, 200 * NS_PER_MS);
		n = wire_read(t.wire, got, BIG);
	}
	assert_int_equal(n, WIRE_FAILED);
	talk_close(&t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_megabyte_down_waits_in_the_backlog_and_arrives_in_order),
		TEST(a_megabyte_up_is_read_in_any_portions),
		TEST(records_that_came_together_stay_readable_until_all_are_read),
		TEST(half_a_record_does_not_keep_the_wire_readable),
		TEST(the_handshake_may_arrive_byte_by_byte),
		TEST(a_request_that_came_with_the_last_flight_is_readable_at_once),
		TEST(close_notify_is_an_end_and_a_bare_fin_a_truncation),
		TEST(what_others_left_in_the_queue_of_errors_is_not_this_wires),
		TEST(half_a_record_and_a_fin_are_a_truncation),
		TEST(a_record_that_was_changed_fails_the_wire),
		TEST(a_reset_right_behind_a_record_is_a_failure_and_no_silence),
		TEST(shutting_says_goodbye_and_still_reads),
		TEST(a_client_that_sends_no_data_does_not_hold_the_turn),
		TEST(a_client_that_leaves_in_the_handshake_is_told_from_one_that_objects),
	};
	return cmocka_run_group_tests(tests, fill, free_world);
}
