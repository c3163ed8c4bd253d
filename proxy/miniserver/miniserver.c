/* A client at a time is read, asked about and answered; nothing of one outlives its connection. */
#include "miniserver/miniserver.h"
#include "base/check.h"
#include "base/stamp.h"
#include "http/http.h"
#include <stdlib.h>
#include <unistd.h>

#define BESIDE 8192 /* room for body bytes behind the longest head */
#define FIELDS 64
#define TURNS 32                 /* requests of one connection before the others get their turn */
#define LINGER_NS (2 * NS_PER_S) /* after an early answer: what still comes is discarded this long, */
#define LINGER_BYTES (64 * 1024) /* or up to so much */

enum doing { READING_HEAD, READING_BODY, STREAMING, LINGERING };
enum step { AGAIN, PAUSE, GONE };

struct miniserver {
	struct loop *loop;
	struct listener *listener;
	void (*on_ask)(void *with, struct miniserver_ask *ask);
	void *with;
	struct list connections; /* longest without a finished request first */
	unsigned connections_len;
	bool count_bodies, draining;
};

struct miniserver_client {
	struct list link;
	struct miniserver *server;
	struct wire *wire;
	struct deadline deadline;
	enum doing doing;
	bool is_head, close_after, answered;
	bool was_served; /* an answer is behind it: it waits for nothing */
	size_t seen, head_len, in_len, discarded;
	char *held; /* body bytes, MINISERVER_BODY of room; NULL until some came */
	size_t held_len;
	uint64_t body_len;
	struct body body;
	void (*fill)(void *with, uint64_t from, char *to, size_t len);
	void *fill_with;
	uint64_t stream_at, stream_len;
	struct request request; /* only what the codec sets */
	struct header fields[FIELDS];
	char in[MINISERVER_HEAD + BESIDE];
};

static void leave(struct miniserver_client *c)
{
	deadline_clear(&c->server->loop->wheel, &c->deadline);
	wire_close(c->wire);
	list_remove(&c->link);
	c->server->connections_len--;
	free(c->held);
	free(c);
}

static void on_due(struct deadline *d)
{
	struct miniserver_client *c = list_entry(d, struct miniserver_client, deadline);

	if (wire_unsent(c->wire)) /* it takes nothing */
		wire_abandon(c->wire);
	leave(c);
}

static void set_deadline(struct miniserver_client *c, uint64_t ns)
{
	struct loop *l = c->server->loop;

	deadline_set(&l->wheel, &c->deadline, l->now_ns + ns);
}

/* ---- answers ---- */

static bool write_head(struct miniserver_client *c, unsigned status, struct slice type, struct slice extra,
                       uint64_t len)
{
	char store[4096];
	struct text t = TEXT(store);

	text_add(&t, S("HTTP/1.1 "));
	text_u64(&t, status);
	text_char(&t, ' ');
	text_add(&t, status_phrase(status));
	text_add(&t, S("\r\n"));
	text_add(&t, S("Date: "));
	stamp_http(&t, c->server->loop->wall_ns);
	text_add(&t, S("\r\n"));
	if (type.len) {
		text_add(&t, S("Content-Type: "));
		text_add(&t, type);
		text_add(&t, S("\r\n"));
	}
	text_add(&t, S("Content-Length: "));
	text_u64(&t, len);
	text_add(&t, S("\r\n"));
	text_add(&t, extra);
	if (c->close_after)
		text_add(&t, S("Connection: close\r\n"));
	text_add(&t, S("\r\n"));
	if (t.cut)
		return false;
	c->answered = true;
	return wire_write(c->wire, text_slice(&t));
}

/* What others asked for and do not take gives way to this answer, the oldest first. */
static void make_way(const struct miniserver_client *c, size_t len)
{
	struct list *all = &c->server->connections, *at, *next;
	size_t waiting = len;

	for (at = all->next; at != all; at = at->next)
		waiting += wire_backlog(list_entry(at, struct miniserver_client, link)->wire);
	for (at = all->next; at != all && waiting > MINISERVER_WAITING; at = next) {
		struct miniserver_client *other = list_entry(at, struct miniserver_client, link);
		size_t backlog = wire_backlog(other->wire);
		next = at->next;
		if (other == c || !backlog)
			continue;
		waiting -= backlog;
		leave(other);
	}
}

static bool answer(struct miniserver_client *c, unsigned status, struct slice type, struct slice extra,
                   struct slice body)
{
	check(!c->answered);
	if (!write_head(c, status, type, extra, body.len))
		return false;
	if (c->is_head || body.len == 0)
		return true;
	make_way(c, body.len);
	return wire_write(c->wire, body);
}

bool miniserver_answer(struct miniserver_ask *ask, unsigned status, struct slice content_type,
                       struct slice extra_header_lines, struct slice body)
{
	return answer(ask->private, status, content_type, extra_header_lines, body);
}

bool miniserver_stream(struct miniserver_ask *ask, unsigned status, struct slice content_type, uint64_t len,
                       void (*fill)(void *with, uint64_t from, char *to, size_t len), void *with)
{
	struct miniserver_client *c = ask->private;

	check(!c->answered);
	if (!write_head(c, status, content_type, S(""), len))
		return false;
	c->fill = fill;
	c->fill_with = with;
	c->stream_at = 0;
	c->stream_len = c->is_head ? 0 : len;
	return true;
}

/* A plain close would lose the answer where bytes of the client are unread. */
static void say_goodbye(struct miniserver_client *c)
{
	wire_shut(c->wire);
	c->doing = LINGERING;
	set_deadline(c, wire_backlog(c->wire) ? MINISERVER_IDLE_NS : LINGER_NS);
}

/* An answer before the request was whole: nothing behind it can be understood. */
static enum step refuse(struct miniserver_client *c, unsigned status)
{
	char store[64];
	struct text t = TEXT(store);

	text_u64(&t, status);
	text_char(&t, ' ');
	text_add(&t, status_phrase(status));
	text_char(&t, '\n');
	c->close_after = true;
	answer(c, status, S("text/plain"), S(""), text_slice(&t));
	say_goodbye(c);
	return AGAIN;
}

/* ---- steps ---- */

/* Reads behind what is there; AGAIN where something came. */
static enum step more(struct miniserver_client *c)
{
	ssize_t n = wire_read(c->wire, c->in + c->in_len, sizeof c->in - c->in_len);

	if (n == WIRE_LATER)
		return PAUSE;
	if (n == WIRE_END && wire_backlog(c->wire)) { /* it still listens */
		say_goodbye(c);
		return PAUSE;
	}
	if (n < 0)
		return GONE;
	c->in_len += (size_t)n;
	return AGAIN;
}

static void begin_body(struct miniserver_client *c)
{
	const struct request *r = &c->request;
	const struct header *expect = headers_find(&r->headers, HEADER_EXPECT);

	c->is_head = slice_same(r->method, S("HEAD"));
	c->close_after = r->client_close || c->server->draining;
	c->held_len = 0;
	c->body_len = 0;
	body_init(&c->body,
	          !r->has_body ? BODY_NONE
	          : r->chunked ? BODY_CHUNKED
	                       : BODY_LENGTH,
	          r->content_length);
	if (r->has_body && expect && slice_same_nocase(expect->value, S("100-continue")))
		wire_write(c->wire, S("HTTP/1.1 100 Continue\r\n\r\n"));
	c->doing = READING_BODY;
}

static enum step read_head(struct miniserver_client *c)
{
	static const struct head_bounds bounds = { MINISERVER_HEAD, MINISERVER_HEAD / 2, FIELDS };
	struct slice bytes = { c->in, c->in_len };
	enum fault why = FAULT_NONE;

	c->answered = c->is_head = false;
	c->request = (struct request){ .headers = { c->fields, 0, FIELDS } };
	switch (head_read_request(bytes, &bounds, &c->seen, &c->request, &c->head_len, &why)) {
	case HEAD_DONE:
		begin_body(c);
		return AGAIN;
	case HEAD_BAD:
		return refuse(c, fault_info[why].status ? fault_info[why].status : 400);
	default:
		return c->in_len >= MINISERVER_HEAD ? refuse(c, 431) : more(c);
	}
}

/* False: over the bound, or no memory. */
static bool hold(struct miniserver_client *c, struct slice content)
{
	size_t room = MINISERVER_BODY - c->held_len;

	c->body_len += content.len;
	if (content.len > room) {
		if (!c->server->count_bodies)
			return false;
		content.len = room;
	}
	if (content.len == 0)
		return true;
	if (!c->held && !(c->held = malloc(MINISERVER_BODY)))
		return false;
	memcpy(c->held + c->held_len, content.at, content.len);
	c->held_len += content.len;
	return true;
}

/* Forgets the bytes between the head and what is left of the input. */
static void keep_rest(struct miniserver_client *c, size_t at, struct slice rest)
{
	memmove(c->in + at, rest.at, rest.len);
	c->in_len = at + rest.len;
}

static void ask(struct miniserver_client *c)
{
	struct slice target = c->request.target;
	struct miniserver_ask asked = { .method = c->request.method,
		                            .headers = &c->request.headers,
		                            .body = { c->held, c->held_len },
		                            .body_len = c->body_len,
		                            .fd = c->wire->fd,
		                            .private = c };

	if (slice_starts(target, S("http://")))
		target = slice_from(target, 7 + slice_find(slice_from(target, 7), '/'));
	asked.path = slice_cut(&target, '?');
	asked.query = target;
	c->fill = NULL;
	c->server->on_ask(c->server->with, &asked);
	if (!c->answered)
		answer(c, 500, S("text/plain"), S(""), S("no answer\n"));
}

/* The answer is written: on to the next request, or to the end. */
static enum step next(struct miniserver_client *c)
{
	free(c->held);
	c->held = NULL;
	c->was_served = true;
	if (c->close_after) {
		say_goodbye(c);
		return AGAIN;
	}
	c->doing = READING_HEAD;
	c->seen = 0;
	set_deadline(c, MINISERVER_IDLE_NS);
	list_remove(&c->link);
	list_push(&c->server->connections, &c->link);
	return AGAIN;
}

static enum step read_body(struct miniserver_client *c)
{
	struct slice rest = { c->in + c->head_len, c->in_len - c->head_len }, content;

	size_t before;

	do {
		before = rest.len;
		content = (struct slice){ rest.at, 0 };
		if (!c->body.ended && !body_decode(&c->body, &rest, &content))
			return refuse(c, 400);
		if (!hold(c, content))
			return refuse(c, 413);
	} while (!c->body.ended && rest.len && rest.len != before);
	if (!c->body.ended) {
		keep_rest(c, c->head_len, rest);
		if (c->server->count_bodies)
			set_deadline(c, MINISERVER_IDLE_NS);
		return more(c);
	}
	ask(c);
	keep_rest(c, 0, rest);
	if (!c->fill)
		return next(c);
	c->doing = STREAMING;
	return AGAIN;
}

static enum step stream(struct miniserver_client *c)
{
	char *piece = c->server->loop->scratch_out;

	while (c->stream_at < c->stream_len) {
		uint64_t left = c->stream_len - c->stream_at;
		size_t len = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
		if (wire_backlog(c->wire))
			return PAUSE;
		c->fill(c->fill_with, c->stream_at, piece, len);
		if (!wire_write(c->wire, (struct slice){ piece, len }))
			return GONE;
		c->stream_at += len;
		set_deadline(c, MINISERVER_IDLE_NS);
	}
	return next(c);
}

static enum step linger(struct miniserver_client *c)
{
	c->in_len = 0;
	enum step s = more(c);

	c->discarded += c->in_len;
	return c->discarded > LINGER_BYTES ? GONE : s;
}

static enum step step(struct miniserver_client *c)
{
	switch (c->doing) {
	case READING_HEAD:
		return wire_backlog(c->wire) > WIRE_HIGH ? PAUSE : read_head(c);
	case READING_BODY:
		return read_body(c);
	case STREAMING:
		return stream(c);
	default:
		return linger(c);
	}
}

static void on_ready(struct wire *w)
{
	struct miniserver_client *c = w->owner;
	enum step s = w->failed ? GONE : AGAIN;

	for (unsigned turns = 0; s == AGAIN; turns++) {
		if (turns == TURNS) {
			wire_nudge(w);
			return;
		}
		s = step(c);
	}
	if (s == GONE)
		leave(c);
}

/* ---- connections ---- */

/* Full: the longest idle one makes room. False where all are at work. */
static bool make_room(struct miniserver *s)
{
	for (struct list *at = s->connections.next; at != &s->connections; at = at->next) {
		struct miniserver_client *c = list_entry(at, struct miniserver_client, link);
		if (c->doing == READING_HEAD && c->in_len == 0 && !wire_backlog(c->wire)) {
			leave(c);
			return true;
		}
	}
	return false;
}

static void on_accept(void *with, int fd, const struct sockaddr_storage *peer)
{
	struct miniserver *s = with;
	struct miniserver_client *c = NULL;

	(void)peer;
	if ((s->connections_len >= MINISERVER_CONNECTIONS && !make_room(s)) || !(c = calloc(1, sizeof *c))) {
		close(fd);
		return;
	}
	c->server = s;
	c->wire = wire_open(s->loop, fd, false);
	if (!c->wire) {
		free(c);
		return;
	}
	c->wire->owner = c;
	c->wire->on_ready = on_ready;
	list_init(&c->link);
	list_push(&s->connections, &c->link);
	s->connections_len++;
	deadline_init(&c->deadline, on_due);
	set_deadline(c, MINISERVER_IDLE_NS);
	wire_nudge(c->wire);
}

struct miniserver *miniserver_open(struct loop *l, int listen_fd,
                                   void (*on_ask)(void *with, struct miniserver_ask *ask), void *with)
{
	struct miniserver *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->loop = l;
	s->on_ask = on_ask;
	s->with = with;
	list_init(&s->connections);
	s->listener = listener_open(l, listen_fd, on_accept, s);
	if (!s->listener) {
		free(s);
		return NULL;
	}
	return s;
}

void miniserver_count_bodies(struct miniserver *s)
{
	s->count_bodies = true;
}

bool miniserver_drain(struct miniserver *s)
{
	struct list *next;

	if (!s->draining)
		listener_pause(s->listener, true);
	s->draining = true;
	for (struct list *at = s->connections.next; at != &s->connections; at = next) {
		struct miniserver_client *c = list_entry(at, struct miniserver_client, link);
		next = at->next;
		if (c->was_served && c->doing == READING_HEAD && c->in_len == 0 && !wire_backlog(c->wire))
			leave(c);
	}
	return s->connections_len == 0;
}

void miniserver_close(struct miniserver *s)
{
	while (!list_is_empty(&s->connections))
		leave(list_entry(s->connections.next, struct miniserver_client, link));
	listener_close(s->listener);
	free(s);
}
