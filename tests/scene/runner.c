/* runner.c -- reads .scene files and plays them. usage: runner FILE...
 *
 *     scene "a sentence"
 *     config
 *         yaml, indented; {app} is the address of upstream app
 *     upstream app [METHOD PATH -> STATUS]
 *     issuer up | issuer down | issuer hangs
 *     barred ADDRESS                          (it crashed workers)
 *     client NAME at ADDRESS [behind "ADDRESS"] [field "Name: value"]
 *         [N x] METHOD TARGET [field "Name: value"] [token ["claims"]] [body "text"]
 *             -> STATUS [reason CODE] [retry-after N] [body "text"]       (on one line)
 *             (STATUS 0: the connection is closed)
 *         METHOD TARGET ... -> nothing        answer -> STATUS ...       (what comes of it later)
 *         more "text"                         (of the body of the last request)
 *     clock +61s
 *     upstream app saw "text" | upstream app saw N requests | ends == N
 */
#include "scene.h"
#include "base/check.h"
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static char config_text[32768];
static size_t config_len;

void scene_fail(const struct scene *s, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", s->file, s->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	if (s->log_len)
		fprintf(stderr, "the access log:\n%.*s", (int)s->log_len, s->log);
	exit(1);
}

/* The next word, or what stands between quotes; empty at the end. */
static struct slice word(struct slice *rest)
{
	*rest = slice_trim(*rest);
	if (rest->len && rest->at[0] == '"') {
		*rest = slice_from(*rest, 1);
		return slice_cut(rest, '"');
	}
	return slice_cut(rest, ' ');
}

static void copy(const struct scene *s, struct slice from, char *to, size_t cap)
{
	if (from.len >= cap)
		scene_fail(s, "too long: %.*s", SLICE(from));
	memcpy(to, from.at, from.len);
	to[from.len] = '\0';
}

static uint64_t number(const struct scene *s, struct slice w)
{
	uint64_t n;

	if (!slice_u64(w, &n))
		scene_fail(s, "a number is wanted, not \"%.*s\"", SLICE(w));
	return n;
}

static void add_config(struct scene *s, struct slice line)
{
	struct text t = { config_text, config_len, sizeof config_text, false };

	line = slice_from(line, 4); /* the indentation of the scene */

	while (line.len) {
		text_add(&t, slice_cut(&line, '{'));
		if (!line.len)
			break;
		struct slice name = slice_head(line, slice_find(line, '}'));
		struct fake_upstream *u = world_upstream(s, name);
		if (u) {
			text_printf(&t, "\"unix:%s\"", u->socket);
			line = slice_from(line, name.len + 1);
		} else {
			text_char(&t, '{');
		}
	}
	text_char(&t, '\n');
	check(!t.cut);
	config_len = t.len;
}

static void begin_world(struct scene *s)
{
	if (!s->journey)
		world_open(s, (struct slice){ config_text, config_len });
}

static void upstream_line(struct scene *s, struct slice rest)
{
	struct slice name = word(&rest), method = word(&rest);
	struct fake_upstream *u = world_upstream(s, name);

	if (!u) {
		check(s->upstreams_len < UPSTREAMS);
		u = &s->upstreams[s->upstreams_len++];
		copy(s, name, u->name, sizeof u->name);
		struct text path = TEXT(u->socket);
		text_printf(&path, "%s/%.*s.sock", s->directory, SLICE(name));
		check(text_end(&path));
	}
	if (!method.len)
		return;
	if (slice_same(method, S("saw"))) {
		begin_world(s);
		struct slice text = word(&rest), kind = word(&rest);
		if (slice_same(kind, S("requests"))) {
			if (u->seen != number(s, text))
				scene_fail(s, "it saw %u requests", u->seen);
		} else if (!strstr(u->last, strndupa(text.at, text.len))) {
			scene_fail(s, "its last request had no such text; it had:\n%s", u->last);
		}
		return;
	}
	struct slice path = word(&rest);
	for (unsigned i = 0; i < u->answers_len; i++)
		if (slice_same(slice_of(u->answers[i].path), path) &&
		    slice_same(slice_of(u->answers[i].method), method))
			u->answers[i] = u->answers[--u->answers_len];
	struct upstream_answer *a = &u->answers[u->answers_len++];
	check(u->answers_len <= ANSWERS);
	copy(s, method, a->method, sizeof a->method);
	copy(s, path, a->path, sizeof a->path);
	word(&rest);
	a->status = (unsigned)number(s, word(&rest));
}

static void client_line(struct scene *s, struct slice rest)
{
	struct fake_client *c = &s->clients[s->clients_len++];
	struct sockaddr_storage at;
	socklen_t len;
	char text[64];

	check(s->clients_len <= CLIENTS);
	copy(s, word(&rest), c->name, sizeof c->name);
	word(&rest);
	struct slice address = word(&rest);
	bool v6 = slice_find(address, ':') < address.len;
	snprintf(text, sizeof text, v6 ? "[%.*s]:4000" : "%.*s:4000", SLICE(address));
	if (!address_parse(slice_of(text), &at, &len))
		scene_fail(s, "no address: %.*s", SLICE(address));
	c->at = at;
	c->fd = -1;
	c->fields[0] = '\0';
	for (struct slice w = word(&rest); w.len; w = word(&rest)) {
		struct slice value = word(&rest);
		if (slice_same(w, S("behind")))
			copy(s, value, c->behind, sizeof c->behind);
		else
			snprintf(c->fields, sizeof c->fields, "%.*s\r\n", SLICE(value));
	}
}

static void barred_line(struct scene *s, struct slice rest)
{
	struct slice address = word(&rest);
	char text[80];
	struct sockaddr_storage at;
	socklen_t len;
	uint16_t port;

	snprintf(text, sizeof text, "%.*s:1", SLICE(address));
	check(address_parse(slice_of(text), &at, &len));
	s->barred = address_of(&at, &port);
}

/* A token of the scene's issuer, valid for ten minutes from now; claims are added to the usual ones. */
static void add_token(struct scene *s, struct text *fields, struct slice claims)
{
	char payload[2048];
	uint64_t now = scene_now_ns / NS_PER_S + 1700000000;
	int len = snprintf(payload, sizeof payload,
	                   "{\"iss\":\"http://127.0.0.1:1/\",\"aud\":\"api\",\"sub\":\"alice\","
	                   "\"iat\":%llu,\"exp\":%llu%s%.*s}",
	                   (unsigned long long)now, (unsigned long long)now + 600, claims.len ? "," : "",
	                   SLICE(claims));

	check(len > 0 && (size_t)len < sizeof payload);
	for (char *c = payload; *c; c++)
		if (*c == '\'')
			*c = '"'; /* claims stand between double quotes in the scene */
	char *token = signer_sign(s->signer, payload);
	check(token);
	text_add(fields, S("Authorization: Bearer "));
	text_add(fields, slice_of(token));
	text_add(fields, S("\r\n"));
	free(token);
}

static void expect(struct scene *s, struct slice rest, const struct said *a)
{
	char wanted[256];
	unsigned status = (unsigned)number(s, word(&rest));

	if (a->status != status)
		scene_fail(s, "answered %u, not %u:\n%s%s", a->status, status, a->head, a->body);
	for (struct slice w = word(&rest); w.len; w = word(&rest)) {
		struct slice value = word(&rest);
		const char *in = a->head;
		if (slice_same(w, S("reason")))
			snprintf(wanted, sizeof wanted, "Sallyport-Reason: %.*s\r\n", SLICE(value));
		else if (slice_same(w, S("retry-after")))
			snprintf(wanted, sizeof wanted, "Retry-After: %.*s", SLICE(value));
		else if (slice_same(w, S("field")))
			snprintf(wanted, sizeof wanted, "%.*s", SLICE(value));
		else if (slice_same(w, S("body")))
			snprintf(wanted, sizeof wanted, "%.*s", SLICE(value)), in = a->body;
		else
			scene_fail(s, "unknown word: %.*s", SLICE(w));
		if (!strstr(in, wanted))
			scene_fail(s, "\"%s\" is not in the answer:\n%s%s", wanted, a->head, a->body);
	}
}

static void request_line(struct scene *s, struct slice rest)
{
	struct slice whole = rest, first = word(&rest);
	uint64_t times = 1;
	char fields[4096];
	struct text t = TEXT(fields);
	static struct said said;

	check(s->clients_len);
	begin_world(s);
	if (slice_u64(first, &times)) {
		word(&rest);
		first = word(&rest);
	}
	struct slice target = word(&rest), body = { 0 }, w;
	for (w = word(&rest); w.len && !slice_same(w, S("->")); w = word(&rest)) {
		if (slice_same(w, S("field"))) {
			text_add(&t, word(&rest));
			text_add(&t, S("\r\n"));
		} else if (slice_same(w, S("body"))) {
			body = word(&rest);
		} else if (slice_same(w, S("token"))) {
			struct slice peek = slice_trim(rest);
			add_token(s, &t, slice_starts(peek, S("\"")) ? word(&rest) : S(""));
		} else {
			scene_fail(s, "unknown word \"%.*s\" in: %.*s", SLICE(w), SLICE(whole));
		}
	}
	for (uint64_t i = 0; i < times; i++) {
		client_send(s, &s->clients[s->clients_len - 1], first, target, text_slice(&t), body);
		if (slice_same(slice_trim(rest), S("nothing"))) {
			world_settle(s);
			continue;
		}
		client_take(s, &s->clients[s->clients_len - 1], &said);
		expect(s, rest, &said);
	}
}

/* The answer to what was answered with nothing so far. */
static void answer_line(struct scene *s, struct slice rest)
{
	static struct said said;

	word(&rest);
	client_take(s, &s->clients[s->clients_len - 1], &said);
	expect(s, rest, &said);
}

static void clock_line(struct scene *s, struct slice rest)
{
	struct slice by = word(&rest);
	uint64_t unit = slice_ends(by, S("ms")) ? NS_PER_MS : slice_ends(by, S("m")) ? 60 * NS_PER_S :
		slice_ends(by, S("h")) ? 3600 * NS_PER_S : NS_PER_S;
	size_t tail = slice_ends(by, S("ms")) ? 2 : 1;

	begin_world(s);
	if (!slice_starts(by, S("+")))
		scene_fail(s, "the clock moves by +10s, +5m, +2h or +100ms");
	world_pass(s, number(s, (struct slice){ by.at + 1, by.len - 1 - tail }) * unit);
}

static void play_line(struct scene *s, struct slice line)
{
	static bool in_config;
	struct slice rest = line, first = word(&rest);
	bool indented = line.len && (line.at[0] == ' ' || line.at[0] == '\t');

	if (!first.len || first.at[0] == '#')
		return;
	if (indented && in_config) {
		add_config(s, line);
		return;
	}
	in_config = slice_same(first, S("config"));
	if (in_config || slice_same(first, S("scene")))
		return;
	if (slice_same(first, S("answer"))) {
		answer_line(s, rest);
	} else if (slice_same(first, S("more"))) {
		client_more(s, &s->clients[s->clients_len - 1], word(&rest));
		world_settle(s);
	} else if (indented)
		request_line(s, slice_trim(line));
	else if (slice_same(first, S("upstream")))
		upstream_line(s, rest);
	else if (slice_same(first, S("client")))
		client_line(s, rest);
	else if (slice_same(first, S("clock")))
		clock_line(s, rest);
	else if (slice_same(first, S("issuer"))) {
		struct slice how = word(&rest);
		s->issuer_up = slice_same(how, S("up"));
		s->issuer_hangs = slice_same(how, S("hangs"));
	} else if (slice_same(first, S("barred")))
		barred_line(s, rest);
	else if (slice_same(first, S("ends"))) {
		word(&rest);
		uint64_t want = number(s, word(&rest));
		if (want != s->ends)
			scene_fail(s, "%llu requests passed SETTLE", (unsigned long long)s->ends);
	} else
		scene_fail(s, "unknown word: %.*s", SLICE(first));
}

static void play(const char *file, const char *directory)
{
	static struct scene s;
	static char bytes[65536];
	FILE *in = fopen(file, "r");

	memset(&s, 0, sizeof s);
	s.file = file;
	s.issuer_up = true;
	snprintf(s.directory, sizeof s.directory, "%s/XXXXXX", directory);
	check(mkdtemp(s.directory)); /* nothing is left of the scene before */
	config_len =
	    (size_t)snprintf(config_text, sizeof config_text, "environment: dev\nstate: %s\n", s.directory);
	if (!in)
		scene_fail(&s, "cannot be read");
	s.signer = signer_make();
	struct slice rest = { bytes, fread(bytes, 1, sizeof bytes, in) };
	fclose(in);
	while (rest.len) {
		s.line++;
		play_line(&s, slice_cut(&rest, '\n'));
	}
	begin_world(&s);
	world_close(&s);
	signer_free(s.signer);
}

int main(int argc, char **argv)
{
	char directory[] = "/tmp/scene-XXXXXX";

	check(mkdtemp(directory));
	for (int i = 1; i < argc; i++)
		play(argv[i], directory);
	printf("%d scenes played\n", argc - 1);
	fflush(stdout);
	execlp("rm", "rm", "-rf", directory, (char *)NULL);
	return 0;
}
