/* upstream.c -- an upstream of a scene: HTTP/1.1, read to the letter, answered as the scene says. */
#include "scene.h"
#include "base/check.h"
#include <unistd.h>

struct fake_upstream *upstream_find(struct scene *s, struct slice name)
{
	for (unsigned i = 0; i < s->upstreams_len; i++)
		if (slice_same(slice_of(s->upstreams[i].name), name))
			return &s->upstreams[i];
	return NULL;
}

static struct upstream_answer *answer_for(struct fake_upstream *u, struct slice method, struct slice path)
{
	for (unsigned i = 0; i < u->answers_len; i++) {
		struct upstream_answer *a = &u->answers[i];
		bool any = strcmp(a->path, "*") == 0;
		if (slice_same(slice_of(a->method), method) && (any || slice_same(slice_of(a->path), path)))
			return a;
	}
	return NULL;
}

/* Length of the whole request at the front of `in`; 0: it is not all there. */
static size_t request_length(struct slice in)
{
	const char *end = memmem(in.at, in.len, "\r\n\r\n", 4);
	uint64_t body = 0;

	if (!end)
		return 0;
	size_t head_len = (size_t)(end - in.at) + 4;
	for (struct slice head = slice_head(in, head_len); head.len;) {
		struct slice line = slice_cut(&head, '\n'), name = slice_cut(&line, ':');
		if (slice_same_nocase(name, S("content-length")))
			check(slice_u64(slice_trim(slice_head(line, line.len - 1)), &body));
		if (!slice_same_nocase(name, S("transfer-encoding")))
			continue;
		struct slice rest = slice_from(in, head_len);
		end = memmem(rest.at, rest.len, "0\r\n", 3);
		end = end ? memmem(end, rest.len - (size_t)(end - rest.at), "\r\n\r\n", 4) : NULL;
		return end ? (size_t)(end - in.at) + 4 : 0;
	}
	return in.len - head_len < body ? 0 : head_len + body;
}

static void write_answer(struct peer *p, const struct upstream_answer *a, struct slice method)
{
	char bytes[2048];
	struct text t = TEXT(bytes);
	bool head = slice_same(method, S("HEAD"));

	if (a->does == DOES_WRITE) {
		peer_write(p, slice_of(a->body));
		peer_close(p);
		return;
	}
	text_printf(&t, "HTTP/1.1 %u Text\r\n%s", a->status, a->fields);
	if (a->status == 101)
		text_add(&t, S("Upgrade: websocket\r\nConnection: Upgrade\r\n"));
	else if (a->does == DOES_BEGIN)
		text_add(&t, S("Transfer-Encoding: chunked\r\n"));
	else if (a->status != 204 && a->status != 304)
		text_printf(&t, "Content-Type: text/plain\r\nContent-Length: %zu\r\n", strlen(a->body));
	text_add(&t, S("\r\n"));
	if (a->does == DOES_ANSWER && !head && a->status != 101 && a->status != 204 && a->status != 304)
		text_add(&t, slice_of(a->body));
	check(!t.cut);
	p->echoes = a->status == 101;
	p->streams = a->does == DOES_BEGIN;
	peer_write(p, text_slice(&t));
}

static void serve(struct fake_upstream *u, struct peer *p, struct slice all)
{
	static const struct upstream_answer usual = { .status = 200, .body = "upstream" };
	struct slice line = all, method = slice_cut(&line, ' '), path = slice_cut(&line, ' ');
	struct upstream_answer *row = answer_for(u, method, slice_head(path, slice_find(path, '?')));
	struct upstream_answer a = row ? *row : usual;
	struct text last = TEXT(u->last);

	text_add(&last, all);
	check(text_end(&last));
	u->seen++;
	if (row && row->once)
		*row = u->answers[--u->answers_len];
	if (a.does == DOES_CUT)
		peer_close(p);
	else if (a.does == DOES_HANG)
		p->streams = true;
	else
		write_answer(p, &a, method);
}

void upstream_turn(struct fake_upstream *u)
{
	bool over;

	peers_accept(u->fd, u->peers);
	for (unsigned i = 0; i < PEERS; i++) {
		struct peer *p = &u->peers[i];
		bool more = peer_read(p, &over);
		u->gone += over && p->streams;
		if (more && p->echoes) {
			peer_write(p, (struct slice){ p->in, p->len });
			p->len = 0;
		}
		size_t len = p->fd >= 0 && p->len ? request_length((struct slice){ p->in, p->len }) : 0;
		if (!len)
			continue;
		serve(u, p, (struct slice){ p->in, len });
		peer_eat(p, len);
	}
}

void upstream_down(struct fake_upstream *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	unlink(u->socket);
	for (unsigned i = 0; i < PEERS; i++)
		peer_close(&u->peers[i]);
}

/* Goes on with the answer that has begun. */
void upstream_stream(struct scene *s, struct fake_upstream *u, struct slice how, struct slice text)
{
	struct peer *p = u->peers;
	char bytes[1024];
	struct text t = TEXT(bytes);

	while (p < u->peers + PEERS && (p->fd < 0 || !(p->streams || p->echoes)))
		p++;
	if (p == u->peers + PEERS)
		scene_fail(s, "no answer of %s has begun", u->name);
	if (slice_same(how, S("sends")) && p->echoes)
		text_add(&t, text);
	else if (slice_same(how, S("sends")))
		text_printf(&t, "%zx\r\n%.*s\r\n", text.len, SLICE(text));
	else if (slice_same(how, S("ends")))
		text_add(&t, S("0\r\n\r\n"));
	if (t.len)
		peer_write(p, text_slice(&t));
	if (!slice_same(how, S("sends")))
		p->streams = false;
	if (slice_same(how, S("cuts")))
		peer_close(p);
}
