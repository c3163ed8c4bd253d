#include "connection/connection.h"
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int readies;

static void on_ready(struct wire *w)
{
	(void)w;
	readies++;
}

static struct wire *pair(struct loop *l, int *peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*peer = fds[1];
	struct wire *w = wire_open(l, fds[0], false);
	assert_non_null(w);
	w->on_ready = on_ready;
	return w;
}

static void bytes_arrive_and_a_short_read_waits_for_the_next_edge(void **state)
{
	struct loop *l = loop_open();
	int peer;
	struct wire *w = pair(l, &peer);
	char got[64];

	(void)state;
	assert_int_equal(write(peer, "hello", 5), 5);
	readies = 0;
	loop_turn(l, NS_PER_S);
	assert_int_equal(readies, 1);
	assert_int_equal(wire_read(w, got, sizeof got), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(wire_read(w, got, sizeof got), WIRE_LATER);
	assert_false(wire_is_readable(w));
	close(peer);
	loop_turn(l, NS_PER_S);
	assert_int_equal(wire_read(w, got, sizeof got), WIRE_END);
	wire_close(w);
	loop_close(l);
}

static void data_and_fin_in_one_edge_are_both_seen(void **state)
{
	struct loop *l = loop_open();
	int peer;
	struct wire *w = pair(l, &peer);
	char got[64];

	(void)state;
	assert_int_equal(write(peer, "bye", 3), 3);
	close(peer);
	loop_turn(l, NS_PER_S);
	assert_int_equal(wire_read(w, got, sizeof got), 3);
	assert_int_equal(wire_read(w, got, sizeof got), WIRE_END);
	wire_close(w);
	loop_close(l);
}

static void what_the_kernel_refuses_is_queued_and_leaves_in_order(void **state)
{
	struct loop *l = loop_open();
	int peer;
	struct wire *w = pair(l, &peer);
	static char sent[1 << 20], got[1 << 20];
	size_t have = 0;

	(void)state;
	for (size_t i = 0; i < sizeof sent; i++)
		sent[i] = (char)(i * 7 + i / 251);
	assert_true(wire_write(w, (struct slice){ sent, sizeof sent }));
	assert_true(wire_backlog(w) > 0);
	wire_shut(w);
	for (ssize_t n; (n = read(peer, got + have, sizeof got - have)) > 0;) {
		have += (size_t)n;
		loop_turn(l, 0);
	}
	assert_int_equal(have, sizeof sent);
	assert_memory_equal(sent, got, sizeof sent);
	assert_int_equal(wire_backlog(w), 0);
	close(peer);
	wire_close(w);
	loop_turn(l, 0);
	assert_int_equal(l->blocks_used, 0);
	loop_close(l);
}

static void peeked_bytes_stay_until_skipped(void **state)
{
	struct loop *l = loop_open();
	int peer, how;
	struct wire *w = pair(l, &peer);
	char got[8];

	(void)state;
	assert_int_equal(write(peer, "PROXY x", 7), 7);
	loop_turn(l, NS_PER_S);
	struct slice s = wire_peek(w, &how);
	assert_int_equal(how, 1);
	assert_true(slice_same(s, S("PROXY x")));
	s = wire_peek(w, &how);
	assert_int_equal(how, WIRE_LATER);
	assert_int_equal(s.len, 7);
	wire_skip(w, 6);
	assert_int_equal(wire_read(w, got, sizeof got), 1);
	assert_int_equal(got[0], 'x');
	close(peer);
	wire_close(w);
	loop_close(l);
}

static unsigned fired;

static void on_due(struct deadline *d)
{
	(void)d;
	fired++;
}

static void a_deadline_fires_late_by_one_slot_at_most_and_never_early(void **state)
{
	struct deadline_wheel w;
	struct deadline near, far;

	(void)state;
	deadline_wheel_init(&w, 0);
	deadline_init(&near, on_due);
	deadline_init(&far, on_due);
	deadline_set(&w, &near, NS_PER_S);
	deadline_set(&w, &far, 100 * NS_PER_S);
	fired = 0;
	deadline_sweep(&w, NS_PER_S - 1);
	assert_int_equal(fired, 0);
	deadline_sweep(&w, NS_PER_S + DEADLINE_SLOT_NS);
	assert_int_equal(fired, 1);
	for (uint64_t t = 2 * NS_PER_S; t < 100 * NS_PER_S; t += NS_PER_S)
		deadline_sweep(&w, t);
	assert_int_equal(fired, 1);
	deadline_sweep(&w, 100 * NS_PER_S + DEADLINE_SLOT_NS);
	assert_int_equal(fired, 2);
	assert_int_equal(w.armed, 0);
	assert_int_equal(deadline_next_ns(&w, 0), UINT64_MAX);
}

static void a_deadline_in_a_brief_wheel_fires_within_a_millisecond(void **state)
{
	struct deadline_wheel w;
	struct deadline near, far;

	(void)state;
	deadline_wheel_init_brief(&w, NS_PER_S);
	deadline_init(&near, on_due);
	deadline_init(&far, on_due);
	deadline_sweep(&w, 2 * NS_PER_S); /* empty for a while */
	deadline_set(&w, &near, 2 * NS_PER_S + 10 * NS_PER_MS);
	deadline_set(&w, &far, 4 * NS_PER_S);
	assert_int_equal(deadline_next_ns(&w, 2 * NS_PER_S), 11 * NS_PER_MS);
	fired = 0;
	deadline_sweep(&w, 2 * NS_PER_S + 10 * NS_PER_MS - 1);
	assert_int_equal(fired, 0);
	deadline_sweep(&w, 2 * NS_PER_S + 11 * NS_PER_MS);
	assert_int_equal(fired, 1);
	for (uint64_t t = 2 * NS_PER_S; t < 4 * NS_PER_S; t += 100 * NS_PER_MS)
		deadline_sweep(&w, t);
	assert_int_equal(fired, 1);
	deadline_sweep(&w, 4 * NS_PER_S + NS_PER_MS);
	assert_int_equal(fired, 2);
}

static void the_next_deadline_is_found_whatever_was_set_before(void **state)
{
	struct deadline_wheel w;
	struct deadline d[3];

	(void)state;
	deadline_wheel_init(&w, 0);
	for (int i = 0; i < 3; i++)
		deadline_init(&d[i], on_due);
	deadline_set(&w, &d[0], 20 * NS_PER_S);
	assert_in_range(deadline_next_ns(&w, 0), 20 * NS_PER_S, 20 * NS_PER_S + DEADLINE_SLOT_NS);
	deadline_set(&w, &d[1], 5 * NS_PER_S); /* nearer than what was found before */
	assert_in_range(deadline_next_ns(&w, 0), 5 * NS_PER_S, 5 * NS_PER_S + DEADLINE_SLOT_NS);
	deadline_clear(&w, &d[1]);
	assert_in_range(deadline_next_ns(&w, 0), 20 * NS_PER_S, 20 * NS_PER_S + DEADLINE_SLOT_NS);
	deadline_sweep(&w, 10 * NS_PER_S);
	deadline_set(&w, &d[2], 0); /* long due: the very next slot */
	assert_true(deadline_next_ns(&w, 10 * NS_PER_S) <= DEADLINE_SLOT_NS);
	fired = 0;
	deadline_sweep(&w, 21 * NS_PER_S);
	assert_int_equal(fired, 2);
	assert_int_equal(deadline_next_ns(&w, 21 * NS_PER_S), UINT64_MAX);
}

static void every_accepted_connection_sends_without_delay(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_storage store = { 0 };
	socklen_t len = sizeof at;
	int on = 0;

	(void)state;
	memcpy(&store, &at, sizeof at);
	int listening = listener_bind(&store, sizeof at, true), client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof at), 0);
	int fd = accept(listening, NULL, NULL);
	assert_true(fd >= 0);
	len = sizeof on;
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_true(on);
	/* nor does the kernel hold more than so much that was not even sent */
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &on, &len), 0);
	assert_in_range(on, 128 * 1024, 256 * 1024);
	close(fd);
	close(client);
	close(listening);
}

static void addresses_are_read_and_written(void **state)
{
	struct sockaddr_storage at;
	socklen_t len;
	uint16_t port;
	char text[46];

	(void)state;
	assert_true(address_parse(S("192.0.2.7:443"), &at, &len));
	struct in6_addr ip = address_of(&at, &port);
	assert_int_equal(port, 443);
	assert_true(slice_same(address_text(&ip, text), S("192.0.2.7")));
	assert_true(address_parse(S("255.10.0.100:443"), &at, &len));
	ip = address_of(&at, &port);
	assert_true(slice_same(address_text(&ip, text), S("255.10.0.100")));
	assert_true(address_parse(S("[2001:db8::1]:80"), &at, &len));
	ip = address_of(&at, &port);
	assert_true(slice_same(address_text(&ip, text), S("2001:db8::1")));
	assert_true(address_parse(S("unix:/run/x.sock"), &at, &len));
	assert_false(address_parse(S("192.0.2.7"), &at, &len));
	assert_false(address_parse(S("192.0.2.7:65536"), &at, &len));
	assert_false(address_parse(S("[::1]"), &at, &len));
	assert_false(address_parse(S("host:80"), &at, &len));
	assert_false(address_parse(S("unix:run"), &at, &len));
}

static void a_block_grows_with_what_lies_in_it_and_is_counted_by_its_size(void **state)
{
	struct loop *l = loop_open();
	struct block *b = block_take(l);

	(void)state;
	assert_int_equal(b->cap, BLOCK_SIZE);
	for (size_t i = 0; i < BLOCK_SIZE; i++)
		b->bytes[i] = (char)(i * 7);
	b->from = 5;
	b->to = BLOCK_SIZE;
	b = block_grow(l, block_grow(l, b));
	assert_int_equal(b->cap, 3 * BLOCK_SIZE);
	assert_int_equal(b->from, 5);
	assert_int_equal(b->to, BLOCK_SIZE);
	for (size_t i = 0; i < BLOCK_SIZE; i++)
		assert_int_equal(b->bytes[i], (char)(i * 7));
	memset(b->bytes + BLOCK_SIZE, 'x', 2 * BLOCK_SIZE);
	assert_int_equal(l->blocks_used, 3);
	block_give(l, b);
	assert_int_equal(l->blocks_used, 0);
	b = block_take(l); /* a grown one is not kept */
	assert_int_equal(b->cap, BLOCK_SIZE);
	block_give(l, b);
	loop_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_arrive_and_a_short_read_waits_for_the_next_edge),
		cmocka_unit_test(data_and_fin_in_one_edge_are_both_seen),
		cmocka_unit_test(what_the_kernel_refuses_is_queued_and_leaves_in_order),
		cmocka_unit_test(a_block_grows_with_what_lies_in_it_and_is_counted_by_its_size),
		cmocka_unit_test(peeked_bytes_stay_until_skipped),
		cmocka_unit_test(a_deadline_fires_late_by_one_slot_at_most_and_never_early),
		cmocka_unit_test(the_next_deadline_is_found_whatever_was_set_before),
		cmocka_unit_test(every_accepted_connection_sends_without_delay),
		cmocka_unit_test(a_deadline_in_a_brief_wheel_fires_within_a_millisecond),
		cmocka_unit_test(addresses_are_read_and_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
