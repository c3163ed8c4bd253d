#include "http/codec.h"
#include "http/little.h"
#include "base/check.h"
#include "base/stamp.h"
#include <stdlib.h>
#include <unistd.h>

#define BESIDE 8192               /* room for body bytes behind the longest head */
#define FIELDS 64
#define TURNS 32                  /* requests of one connection before the others get their turn */
#define LINGER_NS (2 * NS_PER_S)  /* after an early answer: what still comes is discarded this long, */
#define LINGER_BYTES (64 * 1024)  /* or up to so much */

enum doing { READING_HEAD, READING_BODY, STREAMING, LINGERING };
enum step { AGAIN, PAUSE, GONE };

struct little {
	struct loop *loop;
	struct listener *listener;
	void (*on_ask)(void *with, struct little_ask *ask);
	void *with;
	struct list connections;      /* longest without a finished request first */
	unsigned connections_len;
	bool count_bodies, draining;
};

struct guest {
	struct list link;
	struct little *server;
	struct wire *wire;
	struct deadline deadline;
	enum doing doing;
	bool is_head, close_after, answered;
	bool was_served;              /* an answer is behind it: it waits for nothing */
	size_t seen, head_len, in_len, discarded;
	char *held;                   /* body bytes, LITTLE_BODY of room; NULL until some came */
	size_t held_len;
	uint64_t body_len;
	struct body body;
	void (*fill)(void *with, uint64_t from, char *to, size_t len);
	void *fill_with;
	uint64_t stream_at, stream_len;
	struct request request;       /* only what the codec sets */
	struct header fields[FIELDS];
	char in[LITTLE_HEAD + BESIDE];
};

static void leave(struct guest *g)
{
	deadline_clear(&g->server->loop->wheel, &g->deadline);
	wire_close(g->wire);
	list_remove(&g->link);
	g->server->connections_len--;
	free(g->held);
	free(g);
}

static void on_due(struct deadline *d)
{
	struct guest *g = list_entry(d, struct guest, deadline);

	if (wire_unsent(g->wire)) /* it takes nothing */
		wire_abandon(g->wire);
	leave(g);
}

static void patience(struct guest *g, uint64_t ns)
{
	struct loop *l = g->server->loop;

	deadline_set(&l->wheel, &g->deadline, l->now_ns + ns);
}

/* ---- answers ---- */

static bool write_head(struct guest *g, unsigned status, struct slice type, struct slice extra, uint64_t len)
{
	char store[4096];
	struct text t = TEXT(store);

	text_add(&t, S("HTTP/1.1 "));
	text_u64(&t, status);
	text_char(&t, ' ');
	text_add(&t, status_phrase(status));
	text_add(&t, S("\r\n"));
	text_add(&t, S("Date: "));
	stamp_http(&t, g->server->loop->wall_ns);
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
	if (g->close_after)
		text_add(&t, S("Connection: close\r\n"));
	text_add(&t, S("\r\n"));
	if (t.cut)
		return false;
	g->answered = true;
	return wire_write(g->wire, text_slice(&t));
}

/* What others asked for and do not take gives way to this answer, the oldest first. */
static void make_way(const struct guest *g, size_t len)
{
	struct list *all = &g->server->connections, *at, *next;
	size_t waiting = len;

	for (at = all->next; at != all; at = at->next)
		waiting += wire_backlog(list_entry(at, struct guest, link)->wire);
	for (at = all->next; at != all && waiting > LITTLE_WAITING; at = next) {
		struct guest *other = list_entry(at, struct guest, link);
		size_t backlog = wire_backlog(other->wire);
		next = at->next;
		if (other == g || !backlog)
			continue;
		waiting -= backlog;
		leave(other);
	}
}

static bool answer(struct guest *g, unsigned status, struct slice type, struct slice extra, struct slice body)
{
	check(!g->answered);
	if (!write_head(g, status, type, extra, body.len))
		return false;
	if (g->is_head || body.len == 0)
		return true;
	make_way(g, body.len);
	return wire_write(g->wire, body);
}

bool little_answer(struct little_ask *ask, unsigned status, struct slice content_type,
	struct slice extra_header_lines, struct slice body)
{
	return answer(ask->private, status, content_type, extra_header_lines, body);
}

bool little_stream(struct little_ask *ask, unsigned status, struct slice content_type, uint64_t len,
	void (*fill)(void *with, uint64_t from, char *to, size_t len), void *with)
{
	struct guest *g = ask->private;

	check(!g->answered);
	if (!write_head(g, status, content_type, S(""), len))
		return false;
	g->fill = fill;
	g->fill_with = with;
	g->stream_at = 0;
	g->stream_len = g->is_head ? 0 : len;
	return true;
}

/* A plain close would lose the answer where bytes of the client are unread. */
static void say_goodbye(struct guest *g)
{
	wire_shut(g->wire);
	g->doing = LINGERING;
	patience(g, wire_backlog(g->wire) ? LITTLE_IDLE_NS : LINGER_NS);
}

/* An answer before the request was whole: nothing behind it can be understood. */
static enum step refuse(struct guest *g, unsigned status)
{
	char store[64];
	struct text t = TEXT(store);

	text_u64(&t, status);
	text_char(&t, ' ');
	text_add(&t, status_phrase(status));
	text_char(&t, '\n');
	g->close_after = true;
	answer(g, status, S("text/plain"), S(""), text_slice(&t));
	say_goodbye(g);
	return AGAIN;
}

/* ---- steps ---- */

/* Reads behind what is there; AGAIN where something came. */
static enum step more(struct guest *g)
{
	ssize_t n = wire_read(g->wire, g->in + g->in_len, sizeof g->in - g->in_len);

	if (n == WIRE_LATER)
		return PAUSE;
	if (n == WIRE_END && wire_backlog(g->wire)) { /* it still listens */
		say_goodbye(g);
		return PAUSE;
	}
	if (n < 0)
		return GONE;
	g->in_len += (size_t)n;
	return AGAIN;
}

static void begin_body(struct guest *g)
{
	const struct request *r = &g->request;
	const struct header *expect = headers_find(&r->headers, HEADER_EXPECT);

	g->is_head = slice_same(r->method, S("HEAD"));
	g->close_after = r->client_close || g->server->draining;
	g->held_len = 0;
	g->body_len = 0;
	body_init(&g->body, !r->has_body ? BODY_NONE : r->chunked ? BODY_CHUNKED : BODY_LENGTH,
		r->content_length);
	if (r->has_body && expect && slice_same_nocase(expect->value, S("100-continue")))
		wire_write(g->wire, S("HTTP/1.1 100 Continue\r\n\r\n"));
	g->doing = READING_BODY;
}

static enum step read_head(struct guest *g)
{
	static const struct head_bounds bounds = { LITTLE_HEAD, LITTLE_HEAD / 2, FIELDS };
	struct slice bytes = { g->in, g->in_len };
	enum fault why = FAULT_NONE;

	g->answered = g->is_head = false;
	g->request = (struct request){ .headers = { g->fields, 0, FIELDS } };
	switch (head_read_request(bytes, &bounds, &g->seen, &g->request, &g->head_len, &why)) {
	case HEAD_DONE:
		begin_body(g);
		return AGAIN;
	case HEAD_BAD:
		return refuse(g, fault_info[why].status ? fault_info[why].status : 400);
	default:
		return g->in_len >= LITTLE_HEAD ? refuse(g, 431) : more(g);
	}
}

/* False: over the bound, or no memory. */
static bool hold(struct guest *g, struct slice content)
{
	size_t room = LITTLE_BODY - g->held_len;

	g->body_len += content.len;
	if (content.len > room) {
		if (!g->server->count_bodies)
			return false;
		content.len = room;
	}
	if (content.len == 0)
		return true;
	if (!g->held && !(g->held = malloc(LITTLE_BODY)))
		return false;
	memcpy(g->held + g->held_len, content.at, content.len);
	g->held_len += content.len;
	return true;
}

/* Forgets the bytes between the head and what is left of the input. */
static void keep_rest(struct guest *g, size_t at, struct slice rest)
{
	memmove(g->in + at, rest.at, rest.len);
	g->in_len = at + rest.len;
}

static void ask(struct guest *g)
{
	struct slice target = g->request.target;
	struct little_ask asked = { .method = g->request.method, .headers = &g->request.headers,
		.body = { g->held, g->held_len }, .body_len = g->body_len, .fd = g->wire->fd, .private = g };

	if (slice_starts(target, S("http://")))
		target = slice_from(target, 7 + slice_find(slice_from(target, 7), '/'));
	asked.path = slice_cut(&target, '?');
	asked.query = target;
	g->fill = NULL;
	g->server->on_ask(g->server->with, &asked);
	if (!g->answered)
		answer(g, 500, S("text/plain"), S(""), S("no answer\n"));
}

/* The answer is written: on to the next request, or to the end. */
static enum step next(struct guest *g)
{
	free(g->held);
	g->held = NULL;
	g->was_served = true;
	if (g->close_after) {
		say_goodbye(g);
		return AGAIN;
	}
	g->doing = READING_HEAD;
	g->seen = 0;
	patience(g, LITTLE_IDLE_NS);
	list_remove(&g->link);
	list_push(&g->server->connections, &g->link);
	return AGAIN;
}

static enum step read_body(struct guest *g)
{
	struct slice rest = { g->in + g->head_len, g->in_len - g->head_len }, content;

	size_t before;

	do {
		before = rest.len;
		content = (struct slice){ rest.at, 0 };
		if (!g->body.ended && !body_decode(&g->body, &rest, &content))
			return refuse(g, 400);
		if (!hold(g, content))
			return refuse(g, 413);
	} while (!g->body.ended && rest.len && rest.len != before);
	if (!g->body.ended) {
		keep_rest(g, g->head_len, rest);
		if (g->server->count_bodies)
			patience(g, LITTLE_IDLE_NS);
		return more(g);
	}
	ask(g);
	keep_rest(g, 0, rest);
	if (!g->fill)
		return next(g);
	g->doing = STREAMING;
	return AGAIN;
}

static enum step stream(struct guest *g)
{
	char *piece = g->server->loop->scratch_out;

	while (g->stream_at < g->stream_len) {
		uint64_t left = g->stream_len - g->stream_at;
		size_t len = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
		if (wire_backlog(g->wire))
			return PAUSE;
		g->fill(g->fill_with, g->stream_at, piece, len);
		if (!wire_write(g->wire, (struct slice){ piece, len }))
			return GONE;
		g->stream_at += len;
		patience(g, LITTLE_IDLE_NS);
	}
	return next(g);
}

static enum step linger(struct guest *g)
{
	g->in_len = 0;
	enum step s = more(g);

	g->discarded += g->in_len;
	return g->discarded > LINGER_BYTES ? GONE : s;
}

static enum step step(struct guest *g)
{
	switch (g->doing) {
	case READING_HEAD: return wire_backlog(g->wire) > WIRE_HIGH ? PAUSE : read_head(g);
	case READING_BODY: return read_body(g);
	case STREAMING: return stream(g);
	default: return linger(g);
	}
}

static void on_ready(struct wire *w)
{
	struct guest *g = w->owner;
	enum step s = w->failed ? GONE : AGAIN;

	for (unsigned turns = 0; s == AGAIN; turns++) {
		if (turns == TURNS) {
			wire_nudge(w);
			return;
		}
		s = step(g);
	}
	if (s == GONE)
		leave(g);
}

/* ---- connections ---- */

/* Full: the longest idle one makes room. False where all are at work. */
static bool make_room(struct little *s)
{
	for (struct list *at = s->connections.next; at != &s->connections; at = at->next) {
		struct guest *g = list_entry(at, struct guest, link);
		if (g->doing == READING_HEAD && g->in_len == 0 && !wire_backlog(g->wire)) {
			leave(g);
			return true;
		}
	}
	return false;
}

static void on_accept(void *with, int fd, const struct sockaddr_storage *peer)
{
	struct little *s = with;
	struct guest *g = NULL;

	(void)peer;
	if ((s->connections_len >= LITTLE_CONNECTIONS && !make_room(s)) || !(g = calloc(1, sizeof *g))) {
		close(fd);
		return;
	}
	g->server = s;
	g->wire = wire_open(s->loop, fd, false);
	if (!g->wire) {
		free(g);
		return;
	}
	g->wire->owner = g;
	g->wire->on_ready = on_ready;
	list_init(&g->link);
	list_push(&s->connections, &g->link);
	s->connections_len++;
	deadline_init(&g->deadline, on_due);
	patience(g, LITTLE_IDLE_NS);
	wire_nudge(g->wire);
}

struct little *little_open(struct loop *l, int listen_fd, void (*on_ask)(void *with, struct little_ask *ask),
	void *with)
{
	struct little *s = calloc(1, sizeof *s);

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

void little_count_bodies(struct little *s)
{
	s->count_bodies = true;
}

bool little_drain(struct little *s)
{
	struct list *next;

	if (!s->draining)
		listener_pause(s->listener, true);
	s->draining = true;
	for (struct list *at = s->connections.next; at != &s->connections; at = next) {
		struct guest *g = list_entry(at, struct guest, link);
		next = at->next;
		if (g->was_served && g->doing == READING_HEAD && g->in_len == 0 && !wire_backlog(g->wire))
			leave(g);
	}
	return s->connections_len == 0;
}

void little_close(struct little *s)
{
	while (!list_is_empty(&s->connections))
		leave(list_entry(s->connections.next, struct guest, link));
	listener_close(s->listener);
	free(s);
}
