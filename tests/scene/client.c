/* client.c -- a client of a scene: one request on its kept connection, one answer. */
#include "scene.h"
#include "base/check.h"
#include <errno.h>
#include <unistd.h>

static void connect_client(struct scene *s, struct fake_client *c)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		scene_fail(s, "no socket pair");
	c->fd = fds[0];
	c->len = 0;
	journey_accept(s->machines[c->machine].now->journey, 0, fds[1], &c->at);
	if (c->behind[0])
		check(dprintf(c->fd, "PROXY TCP4 %s 192.0.2.1 5555 443\r\n", c->behind) > 0);
	if (c->is_tls)
		client_tls_open(s, c);
}

void client_leave(struct fake_client *c)
{
	client_tls_close(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->len = 0;
}

/* What came since; false: the connection is over. */
static bool receive(struct fake_client *c)
{
	if (c->fd < 0)
		return false;
	for (;;) {
		size_t room = sizeof c->in - 1 - c->len;
		check(room);
		ssize_t got = c->tls ? client_tls_read(c, c->in + c->len, room) : read(c->fd, c->in + c->len, room);
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		c->len += (size_t)got;
		c->in[c->len] = '\0';
	}
}

struct shape {
	size_t head;
	uint64_t length;
	bool has_length, chunked;
	unsigned status;
};

/* Of the head at the front of what came; false: it is not all there. */
static bool read_shape(const struct fake_client *c, struct shape *to)
{
	const char *end = memmem(c->in, c->len, "\r\n\r\n", 4);
	uint64_t status;

	memset(to, 0, sizeof *to);
	if (!end)
		return false;
	to->head = (size_t)(end - c->in) + 4;
	check(slice_u64((struct slice){ c->in + 9, 3 }, &status));
	to->status = (unsigned)status;
	for (struct slice head = { c->in, to->head }; head.len;) {
		struct slice line = slice_cut(&head, '\n'), name = slice_cut(&line, ':');
		line = slice_trim(slice_head(line, line.len ? line.len - 1 : 0));
		if (slice_same_nocase(name, S("content-length")))
			to->has_length = slice_u64(line, &to->length);
		if (slice_same_nocase(name, S("transfer-encoding")))
			to->chunked = true;
	}
	if (status == 204 || status == 304 || status == 101 || strcmp(c->method, "HEAD") == 0)
		to->has_length = true, to->length = 0, to->chunked = false;
	return true;
}

/* The chunks at the front of `from`, into `to`. Their length with the last chunk; 0: that is not there. */
static size_t dechunk(struct slice from, struct text *to)
{
	size_t at = 0;

	for (;;) {
		const char *end = memmem(from.at + at, from.len - at, "\r\n", 2);
		size_t size = 0;
		if (!end)
			return 0;
		for (const char *c = from.at + at; c < end; c++)
			size = size * 16 + (size_t)(*c <= '9' ? *c - '0' : (*c | 32) - 'a' + 10);
		at = (size_t)(end - from.at) + 2;
		if (!size) { /* trailers, and an empty line */
			end = memmem(from.at + at - 2, from.len - at + 2, "\r\n\r\n", 4);
			return end ? (size_t)(end - from.at) + 4 : 0;
		}
		if (from.len - at < size + 2)
			return 0;
		text_add(to, (struct slice){ from.at + at, size });
		at += size + 2;
	}
}

static void take_off(struct fake_client *c, size_t len)
{
	c->len -= len;
	memmove(c->in, c->in + len, c->len);
	c->in[c->len] = '\0';
}

/* False: the answer is not all there. over: nothing more comes. */
static bool take_answer(struct fake_client *c, struct said *to, bool over)
{
	struct shape shape;
	struct text body = TEXT(to->body);
	size_t len;

	while (read_shape(c, &shape) && shape.status < 200 && shape.status != 101)
		take_off(c, shape.head);
	if (!shape.head)
		return false;
	struct slice rest = { c->in + shape.head, c->len - shape.head };
	to->status = shape.status;
	if (shape.chunked) {
		len = dechunk(rest, &body);
		to->ended = len > 0;
	} else {
		bool whole = shape.has_length ? rest.len >= shape.length : over;
		len = whole && shape.has_length ? (size_t)shape.length : rest.len;
		text_add(&body, slice_head(rest, len));
		to->ended = whole;
	}
	memcpy(to->head, c->in, shape.head);
	to->head[shape.head] = '\0';
	check(text_end(&body));
	if (to->ended)
		take_off(c, shape.head + len);
	return to->ended;
}

void client_take(struct scene *s, struct fake_client *c, struct said *to, bool part)
{
	memset(to, 0, sizeof *to);
	if (c->is_http2) {
		http2_take(s, c, to, part);
		return;
	}
	bool open = true, done = false;
	for (int i = 0; i < (part ? 40 : 400) && open && !done; i++) {
		world_turn(s);
		open = receive(c);
		done = take_answer(c, to, !open);
	}
	if (part && (to->status || open)) {
		c->len = to->status ? 0 : c->len;
		return;
	}
	if (!to->ended)
		to->status = 0; /* no answer */
	if (to->status && open && !strcasestr(to->head, "Connection: close"))
		return;
	client_leave(c);
	world_settle(s);
}

bool client_has(struct scene *s, struct fake_client *c, const char *text)
{
	static struct said said;

	if (c->is_http2) {
		http2_take(s, c, &said, true);
		return strstr(said.body, text);
	}
	world_settle(s);
	receive(c);
	c->in[c->len] = '\0';
	bool has = strstr(c->in, text);
	c->len = has ? 0 : c->len;
	return has;
}

bool client_is_over(struct scene *s, struct fake_client *c)
{
	world_settle(s);
	return !receive(c);
}

static void write_all(struct scene *s, struct fake_client *c, struct slice bytes)
{
	bool ok = c->fd >= 0 && (c->tls ? client_tls_write(c, bytes)
	                                : send(c->fd, bytes.at, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len);

	if (!ok)
		scene_fail(s, "its connection is closed");
}

void client_more(struct scene *s, struct fake_client *c, struct slice bytes)
{
	if (c->fd < 0)
		connect_client(s, c);
	write_all(s, c, bytes);
	world_settle(s);
}

/* A scene may frame a body by fields of its own. */
static bool needs_length(struct slice method, struct slice fields, struct slice body)
{
	bool framed = memmem(fields.at, fields.len, "Content-Length:", 15) ||
	              memmem(fields.at, fields.len, "Transfer-Encoding:", 18);

	return slice_same(method, S("POST")) || (body.len && !framed);
}

void client_send(struct scene *s, struct fake_client *c, struct slice method, struct slice target,
                 struct slice fields, struct slice body)
{
	static char bytes[BUFFER];
	struct text t = TEXT(bytes);

	if (c->fd >= 0 && !c->is_http2 && !receive(c)) /* closed meanwhile, as idle */
		client_leave(c);
	if (c->fd < 0)
		connect_client(s, c);
	word_copy(s, method, c->method, sizeof c->method);
	if (c->is_http2) {
		http2_send(s, c, method, target, fields, body);
		return;
	}
	text_add(&t, method);
	text_char(&t, ' ');
	text_add(&t, target);
	text_add(&t, S(" HTTP/1.1\r\n"));
	text_add(&t, fields);
	if (needs_length(method, fields, body))
		text_printf(&t, "Content-Length: %zu\r\n", body.len);
	text_add(&t, S("\r\n"));
	text_add(&t, body);
	check(!t.cut);
	write_all(s, c, text_slice(&t));
}
