#include "connection/connection.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct wire *woken;
static int wakes;

static void on_ready(struct wire *w)
{
	woken = w;
	wakes++;
}

/* One end of a TCP connection as a wire, the other as a descriptor. */
static struct wire *pair(struct loop *l, int *peer)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int listening = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listening, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	*peer = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*peer, (struct sockaddr *)&at, len), 0);
	struct wire *w = wire_open(l, accept(listening, NULL, NULL), false);
	assert_non_null(w);
	w->on_ready = on_ready;
	close(listening);
	return w;
}

static void reset(int peer)
{
	struct linger now = { 1, 0 };

	assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
	close(peer);
}

/* Turns until the wire tells the end that it must have come to; far sooner than any timeout of the house. */
static void ends(struct loop *l, struct wire *w, ssize_t how)
{
	uint64_t until = clock_ns() + 5 * NS_PER_S;
	char rest[16];
	ssize_t got = WIRE_LATER;

	while (got == WIRE_LATER && clock_ns() < until) {
		wakes = 0;
		loop_turn(l, NS_PER_S);
		if (wakes)
			got = wire_read(w, rest, sizeof rest);
	}
	assert_int_equal(got, how);
	assert_true(w->hung_up);
}

enum how { AT_ONCE, AFTER_FIN, PEEKED };

static void a_reset_in_the_same_moment_as_data_is_seen(void **state)
{
	(void)state;
	for (int how = AT_ONCE; how <= PEEKED; how++) {
		struct loop *l = loop_open();
		char got[64];
		int peer, how_far;
		struct wire *w = pair(l, &peer);
		assert_int_equal(write(peer, "hello", 5), 5);
		if (how == AFTER_FIN)
			shutdown(peer, SHUT_WR);
		reset(peer);
		loop_turn(l, NS_PER_S);
		assert_ptr_equal(woken, w);
		if (how == PEEKED) {
			assert_int_equal(wire_peek(w, &how_far).len, 5);
			wire_skip(w, 5);
		} else {
			assert_int_equal(wire_read(w, got, sizeof got), 5);
		}
		ends(l, w, how == AFTER_FIN ? WIRE_END : WIRE_FAILED);
		wire_close(w);
		loop_turn(l, 0);
		loop_close(l);
	}
}

static void many_of_them_are_all_seen(void **state)
{
	enum { MANY = 200 };
	struct loop *l = loop_open();
	struct wire *w[MANY];
	char got[64];
	int peer[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		w[i] = pair(l, &peer[i]);
		assert_int_equal(write(peer[i], "hello", 5), 5);
		if (i % 2)
			reset(peer[i]);
	}
	for (int i = 0; i < 20; i++)
		loop_turn(l, 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(wire_read(w[i], got, sizeof got), 5);
	uint64_t until = clock_ns() + NS_PER_S;
	while (clock_ns() < until && !list_is_empty(&l->unsure))
		loop_turn(l, 10 * NS_PER_MS);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(wire_read(w[i], got, sizeof got), i % 2 ? WIRE_FAILED : WIRE_LATER);
		if (i % 2 == 0)
			close(peer[i]);
		wire_close(w[i]);
	}
	loop_turn(l, 0);
	loop_close(l);
}

static void a_look_tells_at_once_and_nothing_is_left_to_look_at(void **state)
{
	struct loop *l = loop_open();
	struct wire *w[2];
	char got[64];
	int peer[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		w[i] = pair(l, &peer[i]);
		assert_int_equal(write(peer[i], "hello", 5), 5);
	}
	reset(peer[1]);
	for (int i = 0; i < 4; i++)
		loop_turn(l, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(wire_read(w[i], got, sizeof got), 5);
		assert_true(wire_is_unsure(w[i]) && !w[i]->hung_up);
	}
	wires_look(w, 2);
	assert_true(!w[0]->hung_up && !wire_is_readable(w[0]));
	assert_true(w[1]->hung_up && wire_is_readable(w[1]));
	assert_true(list_is_empty(&l->unsure));
	close(peer[0]);
	for (int i = 0; i < 2; i++)
		wire_close(w[i]);
	loop_turn(l, 0);
	loop_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reset_in_the_same_moment_as_data_is_seen),
		cmocka_unit_test(many_of_them_are_all_seen),
		cmocka_unit_test(a_look_tells_at_once_and_nothing_is_left_to_look_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
