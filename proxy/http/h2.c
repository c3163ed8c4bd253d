/* h2.c -- an HTTP/2 connection: bytes in, bytes out once a turn, deadlines, leaving. */
#include "http/h2.h"
#include "base/check.h"
#include "metrics/metrics.h"
#include <stdlib.h>

static uint64_t now_ns(const struct h2 *h)
{
	return h->c.server->loop->now_ns;
}

static void move(struct h2 *h, enum h2_phase to)
{
	static const uint8_t legal[] = {
		[H2_GREETING] = 1 << H2_OPEN | 1 << H2_LINGER | 1 << H2_LOST | 1 << H2_GONE,
		[H2_OPEN] = 1 << H2_LINGER | 1 << H2_LOST | 1 << H2_GONE,
		[H2_LINGER] = 1 << H2_LOST | 1 << H2_GONE,
		[H2_LOST] = 1 << H2_GONE,
		[H2_GONE] = 0,
	};

	check(legal[h->phase] & 1 << to);
	h->phase = (uint8_t)to;
	h->since_ns = now_ns(h);
}

static bool is_speaking(const struct h2 *h)
{
	return h->phase <= H2_OPEN;
}

static bool is_dead(const struct h2 *h)
{
	return h->c.wire->failed || h->c.wire->write_failed;
}

void h2_touch(struct h2 *h)
{
	if (list_is_empty(&h->dirty))
		list_push(&h->c.server->dirty, &h->dirty);
}

void h2_greeted(struct h2 *h)
{
	move(h, H2_OPEN);
}

/* ---- the end ---- */

/* Nothing can be read or written for these any more; the journey is woken to see it. */
static void close_streams(struct h2 *h, enum fault why)
{
	struct list *node, *next;

	for (node = h->streams.next; node != &h->streams; node = next) {
		struct h2_stream *s = list_entry(node, struct h2_stream, link);
		next = node->next;
		h2_stream_closes(s, why);
	}
}

static void lose(struct h2 *h)
{
	if (h->phase == H2_LOST)
		return;
	move(h, H2_LOST);
	close_streams(h, FAULT_CLIENT_LEFT);
	h2_touch(h);
}

static uint64_t head_until(const struct h2 *h)
{
	return h->head_ns ? h->head_ns + h->c.server->config->root.timeouts.header : UINT64_MAX;
}

static void linger(struct h2 *h)
{
	move(h, H2_LINGER);
	wire_shut(h->c.wire);
	close_streams(h, now_ns(h) >= head_until(h) ? FAULT_HEADER_TIMEOUT : FAULT_BAD_REQUEST);
	wire_nudge(h->c.wire);
}

static void free_connection(struct h2 *h)
{
	struct http_server *s = h->c.server;

	check(list_is_empty(&h->streams));
	move(h, H2_GONE);
	deadline_clear(&s->loop->wheel, &h->c.deadline);
	list_remove(&h->c.link);
	list_remove(&h->dirty);
	s->connections_len--;
	nghttp2_session_del(h->session);
	h2_place_give(h->memory);
	wire_close(h->c.wire);
	s->on_closed(s->with, h->c.client_facts);
	free(h);
}

void h2_count_cut(uint32_t code)
{
	struct slice reason = slice_of(nghttp2_http2_strerror(code));

	metrics_add(metrics_series(METRIC_http2_cut_total, reason, S(""), S(""), S("")), 1);
}

/* A GOAWAY made by hand: whatever state the session is in, frames reach the wire whole or not at all. */
static void say_goaway(struct h2 *h, uint32_t code)
{
	const uint8_t *settings;
	ssize_t len = h->spoken ? 0 : nghttp2_session_mem_send(h->session, &settings);
	uint32_t last = (uint32_t)nghttp2_session_get_last_proc_stream_id(h->session);
	char frame[17] = { 0, 0, 8, NGHTTP2_GOAWAY };

	for (int i = 0; i < 4; i++) {
		frame[9 + i] = (char)(last >> (24 - 8 * i));
		frame[13 + i] = (char)(code >> (24 - 8 * i));
	}
	if (len > 0) /* our SETTINGS stand before all else (RFC 9113 section 3.4) */
		wire_write(h->c.wire, (struct slice){ (const char *)settings, (size_t)len });
	wire_write(h->c.wire, (struct slice){ frame, sizeof frame });
}

static void terminate(struct h2 *h, uint32_t code)
{
	h2_count_cut(code);
	say_goaway(h, code);
	linger(h);
}

void h2_leave(struct h2 *h)
{
	if (h->leaving != H2_STAYS || !is_speaking(h))
		return;
	h->leaving = H2_NOTICED;
	h->notice_ns = now_ns(h);
	nghttp2_submit_shutdown_notice(h->session);
	nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL); /* its echo: the notice has been read */
	h2_touch(h);
}

void h2_leave_now(struct h2 *h)
{
	if (h->leaving == H2_LEFT || !is_speaking(h))
		return;
	h->leaving = H2_LEFT;
	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
	                      NGHTTP2_NO_ERROR, NULL, 0);
	h2_touch(h);
}

/* ---- bytes out ---- */

static void pour(struct h2 *h)
{
	struct slice bytes = { h->c.server->loop->scratch_out, h->gathered };

	h->gathered = 0;
	if (bytes.len)
		wire_write(h->c.wire, bytes);
}

bool h2_is_full(const struct h2 *h)
{
	return wire_backlog(h->c.wire) + h->gathered >= WIRE_HIGH;
}

void h2_make_room(struct h2 *h, size_t len)
{
	if (h->gathered + len > H2_GATHER)
		pour(h);
}

void h2_gather(struct h2 *h, const void *from, size_t len)
{
	h2_make_room(h, len);
	check(len <= SCRATCH_SIZE); /* a frame has 16,393 bytes at most */
	memcpy(h->c.server->loop->scratch_out + h->gathered, from, len);
	h->gathered += len;
}

static void send_frames(struct h2 *h)
{
	const uint8_t *frame;
	ssize_t len = 1;

	h->spoken = true;
	while (len > 0 && !h->goaway_code && !is_dead(h) && !h2_is_full(h)) {
		len = nghttp2_session_mem_send(h->session, &frame);
		if (len > 0)
			h2_gather(h, frame, (size_t)len);
	}
	pour(h);
	if (len < 0 && !h->goaway_code)
		h->goaway_code = NGHTTP2_INTERNAL_ERROR;
}

static void wake_starved(struct h2 *h)
{
	h->choked = false;
	for (struct list *node = h->streams.next; node != &h->streams; node = node->next) {
		struct h2_stream *s = list_entry(node, struct h2_stream, link);
		if (s->starved && !s->finished) {
			s->starved = false;
			request_wake(s->request);
		}
	}
}

/* ---- bytes in ---- */

static bool feed(struct h2 *h, size_t len)
{
	ssize_t used = h2_hand_over(h, (struct slice){ h->c.server->loop->scratch_in, len });

	if (used < 0 && !h->goaway_code)
		h->goaway_code = used == NGHTTP2_ERR_FLOODED            ? NGHTTP2_ENHANCE_YOUR_CALM
		                 : used == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR
		                                                        : NGHTTP2_INTERNAL_ERROR;
	if (h->goaway_code)
		terminate(h, h->goaway_code);
	return is_speaking(h) && nghttp2_session_want_read(h->session);
}

static void receive(struct h2 *h)
{
	struct wire *w = h->c.wire;
	size_t total = 0;

	while (wire_backlog(w) < WIRE_HIGH) {
		ssize_t got = wire_read(w, w->loop->scratch_in, SCRATCH_SIZE);
		if (got == WIRE_LATER)
			return;
		if (got == WIRE_END && list_is_empty(&h->streams) && wire_unsent(w)) {
			linger(h); /* it still listens */
			return;
		}
		if (got < 0) {
			lose(h);
			return;
		}
		if (!feed(h, (size_t)got) || !wire_is_readable(w))
			return;
		total += (size_t)got;
		if (total >= H2_READ_MOST) {
			wire_nudge(w);
			return;
		}
	}
}

/* The end, once all that we said has left: until then it is ours, and counted. */
static void lose_when_sent(struct h2 *h)
{
	const struct wire *w = h->c.wire;

	h->deaf = true;
	if (is_dead(h) || !wire_unsent(h->c.wire)) {
		lose(h);
	} else if (now_ns(h) >= w->moved_ns + h->c.server->config->root.timeouts.write_stall) {
		wire_abandon(h->c.wire);
		lose(h);
	} else {
		h->look_ns = now_ns(h) + H2_LOOK_NS;
	}
}

static void discard(struct h2 *h)
{
	struct loop *l = h->c.server->loop;

	while (!h->deaf) {
		ssize_t got = wire_read(h->c.wire, l->scratch_in, SCRATCH_SIZE);
		if (got == WIRE_LATER)
			return;
		if (got < 0 || (h->lingered += (size_t)got) > H2_LINGER_BYTES)
			lose_when_sent(h);
	}
}

static void on_ready(struct wire *w)
{
	struct h2 *h = w->owner;

	h->c.server->on_touch(h->c.server->with, h->c.client_facts);
	if (is_dead(h))
		lose(h);
	else if (is_speaking(h))
		receive(h);
	else if (h->phase == H2_LINGER)
		discard(h);
	if (h->choked && wire_backlog(w) < WIRE_HIGH)
		wake_starved(h);
	h2_touch(h);
}

/* ---- time ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t stuck_until(const struct h2 *h)
{
	uint64_t taken = h->stuck_ns ? wire_taken_ns(h->c.wire) : 0;
	uint64_t moved = taken > h->stuck_ns ? taken : h->stuck_ns;

	return h->stuck_ns ? moved + h->c.server->config->root.timeouts.write_stall : UINT64_MAX;
}

static uint64_t greeting_until(const struct h2 *h)
{
	return h->phase == H2_GREETING ? h->since_ns + h->c.server->config->root.timeouts.header : UINT64_MAX;
}

static uint64_t idle_until(const struct h2 *h)
{
	bool idle = list_is_empty(&h->streams) && h->leaving == H2_STAYS;

	return idle ? h->idle_ns + h->c.server->config->root.timeouts.idle : UINT64_MAX;
}

static uint64_t notice_until(const struct h2 *h)
{
	return h->leaving == H2_NOTICED ? h->notice_ns + H2_NOTICE_NS : UINT64_MAX;
}

static void set_deadline(struct h2 *h)
{
	struct deadline_wheel *wheel = &h->c.server->loop->wheel;
	uint64_t due = stuck_until(h);

	if (h->phase == H2_LOST)
		due = UINT64_MAX;
	else if (h->phase == H2_LINGER)
		due = h->deaf ? h->look_ns : h->since_ns + H2_LINGER_NS;
	else
		due = sooner(sooner(sooner(due, greeting_until(h)), sooner(head_until(h), idle_until(h))),
		             sooner(notice_until(h), h2_rest_until(h)));
	if (is_speaking(h) && !list_is_empty(&h->streams))
		due = sooner(due, h->looked_ns + h->c.server->config->root.timeouts.write_stall);
	if (due == UINT64_MAX)
		deadline_clear(wheel, &h->c.deadline);
	else
		deadline_set(wheel, &h->c.deadline, due);
}

/* Of a request in its hands the journey looks after the client's pace itself; these are answers whose rest
 * alone is left to be sent. */
static void reset_stalled(struct h2 *h)
{
	uint64_t stall = h->c.server->config->root.timeouts.write_stall;

	if (now_ns(h) < h->looked_ns + stall)
		return;
	h->looked_ns = now_ns(h);
	for (struct list *node = h->streams.next; node != &h->streams; node = node->next) {
		struct h2_stream *s = list_entry(node, struct h2_stream, link);
		if (s->finished && now_ns(h) >= s->taken_ns + stall)
			h2_reset(s, NGHTTP2_CANCEL);
	}
}

static void on_due(struct deadline *d)
{
	struct h2 *h = list_entry(d, struct h2, c.deadline);
	uint64_t now = now_ns(h);

	h2_touch(h);
	if (h->phase == H2_LINGER) {
		lose_when_sent(h);
		return;
	}
	if (!is_speaking(h) || now >= stuck_until(h)) {
		wire_abandon(h->c.wire);
		lose(h);
		return;
	}
	if (now >= greeting_until(h))
		terminate(h, NGHTTP2_SETTINGS_TIMEOUT);
	else if (now >= head_until(h))
		terminate(h, NGHTTP2_ENHANCE_YOUR_CALM);
	if (!is_speaking(h))
		return;
	if (now >= idle_until(h))
		h2_leave(h);
	else if (now >= notice_until(h))
		h2_leave_now(h);
	h2_rest_sweep(h);
	reset_stalled(h);
}

/* ---- the end of a turn ---- */

static void settle(struct h2 *h)
{
	struct wire *w = h->c.wire;

	if (is_speaking(h)) {
		if (nghttp2_session_want_write(h->session))
			send_frames(h);
		if (h->goaway_code)
			terminate(h, h->goaway_code);
		else if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session))
			linger(h);
	}
	if (is_dead(h))
		lose(h);
	if (wire_backlog(w) == 0)
		h->stuck_ns = 0;
	else if (!h->stuck_ns)
		h->stuck_ns = now_ns(h);
	if (h->phase == H2_LOST && list_is_empty(&h->streams))
		free_connection(h);
	else
		set_deadline(h);
}

void http_flush(struct http_server *s)
{
	struct list *node;

	while ((node = list_shift(&s->dirty)))
		settle(list_entry(node, struct h2, dirty));
}

/* ---- the beginning, and orders from above ---- */

static void drain(struct http_connection *c)
{
	h2_leave((struct h2 *)c);
}

static void kill(struct http_connection *c)
{
	struct h2 *h = (struct h2 *)c;

	lose(h);
	if (list_is_empty(&h->streams))
		free_connection(h);
}

/* Streams whose head is not whole are no requests yet. What was sent to us and not read is named by GOAWAY as
 * not done. */
static bool give_way(struct http_connection *c)
{
	struct h2 *h = (struct h2 *)c;

	for (struct list *node = h->streams.next; node != &h->streams; node = node->next)
		if (list_entry(node, struct h2_stream, link)->told)
			return false;
	if (h->phase == H2_LOST || (list_is_empty(&h->streams) && wire_is_readable(c->wire)) ||
	    !http_is_quiet(c->server, c->wire))
		return false;
	if (is_speaking(h) && !is_dead(h))
		say_goaway(h, NGHTTP2_NO_ERROR);
	wire_shut(c->wire);
	kill(c);
	return true;
}

struct http_connection *http_serve_h2(struct http_server *s, struct wire *w, struct client_facts *v)
{
	struct h2 *h = calloc(1, sizeof *h);

	check(h);
	h->c = (struct http_connection){
		.server = s, .wire = w, .client_facts = v, .drain = drain, .kill = kill, .give_way = give_way
	};
	deadline_init(&h->c.deadline, on_due);
	list_init(&h->dirty);
	list_init(&h->streams);
	h->scan.left = H2_PREFACE_LEN;
	list_push(&s->connections, &h->c.link);
	s->connections_len++;
	h->since_ns = h->idle_ns = s->loop->now_ns;
	check(h2_session(h)); /* workers are bounded well below the machine */
	w->owner = h;
	w->on_ready = on_ready;
	if (s->draining)
		h2_leave(h);
	h2_touch(h);
	if (wire_is_readable(w))
		wire_nudge(w);
	return &h->c;
}
