/* client_lines.c -- the lines of a scene that say what clients do and what they get. */
#include "scene.h"
#include "base/check.h"
#include <stdlib.h>

static void add_field(const struct scene *s, struct fake_client *c, struct slice field)
{
	struct text t = { c->fields, strlen(c->fields), sizeof c->fields - 1, false };

	text_add(&t, field);
	text_add(&t, S("\r\n"));
	if (t.cut)
		scene_fail(s, "too many fields");
	c->fields[t.len] = '\0';
}

static struct fake_client *client_find(struct scene *s, struct slice name)
{
	for (unsigned i = s->clients_len; i-- > 0;)
		if (slice_same(slice_of(s->clients[i].name), name))
			return &s->clients[i];
	scene_fail(s, "no such client: %.*s", SLICE(name));
}

/* client NAME: it speaks again. client NAME at ADDRESS ...: a new one. */
static void introduce(struct scene *s, struct slice rest)
{
	struct slice name = word(&rest), address;
	struct fake_client *c = &s->clients[s->clients_len];
	char text[64];
	socklen_t len;

	if (!word(&rest).len) {
		s->client = client_find(s, name);
		return;
	}
	check(s->clients_len++ < CLIENTS);
	s->client = c;
	memset(c, 0, sizeof *c);
	c->fd = -1;
	word_copy(s, name, c->name, sizeof c->name);
	address = word(&rest);
	bool v6 = slice_find(address, ':') < address.len;
	snprintf(text, sizeof text, v6 ? "[%.*s]:4000" : "%.*s:4000", SLICE(address));
	if (!address_parse(slice_of(text), &c->at, &len))
		scene_fail(s, "no address: %.*s", SLICE(address));
	for (struct slice w = word(&rest); w.len; w = word(&rest)) {
		if (slice_same(w, S("behind")))
			word_copy(s, word(&rest), c->behind, sizeof c->behind);
		else if (slice_same(w, S("field")))
			add_field(s, c, word(&rest));
		else if (slice_same(w, S("machine")))
			c->machine = (unsigned)word_number(s, word(&rest)) - 1;
		else if (slice_same(w, S("tls")) || slice_same(w, S("http2")))
			c->is_tls = true, c->is_http2 = slice_same(w, S("http2"));
		else
			scene_fail(s, "unknown word: %.*s", SLICE(w));
	}
	if (c->machine >= s->machines_len)
		scene_fail(s, "there are %u machines", s->machines_len);
}

/* ---- answers ---- */

static void expect_word(struct scene *s, struct slice w, struct slice value, const struct said *a)
{
	char wanted[512];
	const char *in = a->head;
	bool absent = slice_same(w, S("no-field"));

	if (slice_same(w, S("reason")))
		snprintf(wanted, sizeof wanted, "Sallyport-Reason: %.*s\r\n", SLICE(value));
	else if (slice_same(w, S("retry-after")))
		snprintf(wanted, sizeof wanted, "Retry-After: %.*s", SLICE(value));
	else if (slice_same(w, S("field")) || absent)
		snprintf(wanted, sizeof wanted, "%.*s", SLICE(value));
	else if (slice_same(w, S("body")))
		snprintf(wanted, sizeof wanted, "%.*s", SLICE(value)), in = a->body;
	else
		scene_fail(s, "unknown word: %.*s", SLICE(w));
	bool there = in == a->head ? strcasestr(in, wanted) : strstr(in, wanted);
	if (there == absent)
		scene_fail(s, "\"%s\" is %sin the answer:\n%s%s", wanted, absent ? "" : "not ", a->head, a->body);
}

/* What follows "->". */
static void expect(struct scene *s, struct slice rest)
{
	static struct said a;
	struct slice first = word(&rest);
	bool part = slice_same(first, S("begins"));

	if (slice_same(first, S("nothing"))) {
		client_take(s, s->client, &a, true);
		if (a.status)
			scene_fail(s, "answered %u:\n%s%s", a.status, a.head, a.body);
		return;
	}
	unsigned status = (unsigned)word_number(s, part ? word(&rest) : first);
	client_take(s, s->client, &a, part);
	if (a.status != status)
		scene_fail(s, "answered %u, not %u:\n%s%s", a.status, status, a.head, a.body);
	if (part && a.ended)
		scene_fail(s, "the answer is over:\n%s%s", a.head, a.body);
	for (struct slice w = word(&rest); w.len; w = word(&rest))
		expect_word(s, w, word(&rest), &a);
}

/* ---- requests ---- */

struct ask {
	struct slice target, host, body;
	struct text fields, content;
};

static void add_token(struct scene *s, struct ask *a, struct slice *rest, bool tampered)
{
	struct slice peek = slice_trim(*rest);
	bool claims = slice_starts(peek, S("\""));

	text_add(&a->fields, S("Authorization: Bearer "));
	issuer_token(s, &a->fields, claims ? word(rest) : S(""));
	if (tampered) {
		char *in = &a->fields.at[a->fields.len - 20]; /* of the signature */
		*in = *in == 'A' ? 'B' : 'A';
	}
	text_add(&a->fields, S("\r\n"));
}

static bool ask_word(struct scene *s, struct ask *a, struct slice w, struct slice *rest)
{
	if (slice_same(w, S("field"))) {
		text_add(&a->fields, word(rest));
		text_add(&a->fields, S("\r\n"));
	} else if (slice_same(w, S("body"))) {
		word_unescape(word(rest), &a->content);
	} else if (slice_same(w, S("host"))) {
		a->host = word(rest);
	} else if (slice_same(w, S("token")) || slice_same(w, S("tampered-token"))) {
		add_token(s, a, rest, slice_same(w, S("tampered-token")));
	} else if (slice_same(w, S("upgrade"))) {
		text_add(&a->fields, S("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
	} else {
		return false;
	}
	return true;
}

void request_line(struct scene *s, struct slice rest)
{
	struct slice whole = rest, first = word(&rest), w;
	uint64_t times = 1;
	char fields[8192], content[8192], all[9216];
	struct ask a = { .host = S("scene.test"), .fields = TEXT(fields), .content = TEXT(content) };
	struct text t = TEXT(all);

	check(s->client);
	world_open(s);
	if (slice_u64(first, &times)) {
		word(&rest);
		first = word(&rest);
	}
	a.target = word(&rest);
	for (w = word(&rest); w.len && !slice_same(w, S("->")); w = word(&rest))
		if (!ask_word(s, &a, w, &rest))
			scene_fail(s, "unknown word \"%.*s\" in: %.*s", SLICE(w), SLICE(whole));
	if (!w.len)
		scene_fail(s, "what is expected? -> STATUS, or -> nothing");
	text_printf(&t, "Host: %.*s\r\n%s", SLICE(a.host), s->client->fields);
	text_add(&t, text_slice(&a.fields));
	check(!t.cut && !a.fields.cut && !a.content.cut);
	for (uint64_t i = 0; i < times; i++) {
		client_send(s, s->client, first, a.target, text_slice(&t), text_slice(&a.content));
		expect(s, rest);
	}
}

/* Bytes as they are, and maybe what is answered. */
static void bytes_line(struct scene *s, struct slice rest)
{
	char bytes[8192];
	struct text t = TEXT(bytes);

	world_open(s);
	word_unescape(word(&rest), &t);
	check(!t.cut);
	client_more(s, s->client, text_slice(&t));
	if (word(&rest).len)
		expect(s, rest);
}

static void gets_line(struct scene *s, struct slice rest)
{
	char text[512];

	word_copy(s, word(&rest), text, sizeof text);
	if (!client_has(s, s->client, text))
		scene_fail(s, "\"%s\" did not come; what did: %s", text, s->client->in);
}

bool client_line(struct scene *s, struct slice first, struct slice rest)
{
	static struct said said;

	if (slice_same(first, S("client"))) {
		introduce(s, rest);
	} else if (slice_same(first, S("answer"))) {
		word(&rest);
		expect(s, rest);
	} else if (slice_same(first, S("more")) || slice_same(first, S("raw"))) {
		bytes_line(s, rest);
	} else if (slice_same(first, S("gets"))) {
		gets_line(s, rest);
	} else if (slice_same(first, S("ends"))) {
		bool ended = !s->client->is_http2 && client_has(s, s->client, "0\r\n\r\n");
		if (s->client->is_http2)
			client_take(s, s->client, &said, true), ended = said.ended;
		if (!ended)
			scene_fail(s, "its answer goes on, or was cut");
	} else if (slice_same(first, S("closed"))) {
		if (!client_is_over(s, s->client))
			scene_fail(s, "its connection is open");
	} else if (slice_same(first, S("open"))) {
		if (client_is_over(s, s->client))
			scene_fail(s, "its connection is closed");
	} else if (slice_same(first, S("leaves"))) {
		client_leave(s->client);
		world_settle(s);
	} else {
		return false;
	}
	return true;
}
