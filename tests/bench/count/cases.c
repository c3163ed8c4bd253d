/* cases.c -- one case for each decider's room, and for what every request passes: the readers and the log. */
#include "count.h"
#include "base/check.h"
#include "base/text.h"
#include "tls/tls.h"
#include <stdio.h>

/* The request as it was before the station: what the last run took of its arena is given back. */
static struct request *again(struct world *w)
{
	static size_t mark;
	struct request *r = w->request;

	if (!mark)
		mark = r->arena.used;
	r->arena.used = mark;
	r->rate_limit = r->rate_limit_policy = S("");
	return r;
}

static void request_head(struct world *w, unsigned i)
{
	const struct head_bounds bounds = { 32768, 8192, 100 };
	static struct header fields[100];
	static struct request r;
	size_t seen = 0, len = 0;
	enum fault why = FAULT_NONE;

	(void)i;
	r.headers = (struct headers){ fields, 0, 100 };
	check(head_read_request(w->head, &bounds, &seen, &r, &len, &why) == HEAD_DONE);
}

static void request_checked(struct world *w, unsigned i)
{
	struct request *r = again(w);

	(void)i;
	check(request_check(r) == FAULT_NONE && request_address(r) == FAULT_NONE);
}

static void answer_head(struct world *w, unsigned i)
{
	static const char text[] =
	    "HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Fri, 14 Mar 2025 15:09:26 GMT\r\n"
	    "Content-Type: application/json; charset=utf-8\r\nContent-Length: 1532\r\nCache-Control: no-store\r\n"
	    "Vary: Accept-Encoding\r\nX-Request-Id: 0af7651916cd43dd8448eb211c80319c\r\n\r\n";
	const struct head_bounds bounds = { 16384, 8192, 100 };
	static struct header fields[100];
	static struct answer_head a;
	size_t seen = 0, len = 0;

	(void)w;
	(void)i;
	a.headers = (struct headers){ fields, 0, 100 };
	check(head_read_answer(slice_of(text), &bounds, &seen, false, &a, &len) == HEAD_DONE);
}

static void path(struct world *w, unsigned i)
{
	char to[64];
	size_t len;

	(void)w;
	(void)i;
	check(path_normalise(S("/api/./v1/%7Eteam/../deployments/a%2db%20c/status"), to, &len));
}

static void client_hello(struct world *w, unsigned i)
{
	static char bytes[4096];
	static size_t len;
	struct hello hello;

	(void)w;
	(void)i;
	if (!len) {
		FILE *in = fopen("tests/fuzz/corpus/hello/openssl_13", "rb");
		check(in);
		len = fread(bytes, 1, sizeof bytes, in);
		fclose(in);
	}
	check(hello_read((struct slice){ bytes, len }, &hello) == HELLO_DONE);
}

static void class_known(struct world *w, unsigned i)
{
	(void)i;
	check(classify_enter(w->classify, w->request) == GO_ON);
}

/* A user agent that was not seen before: it is walked over. */
static void class_new(struct world *w, unsigned i)
{
	struct header *agent = headers_find(&w->request->headers, HEADER_USER_AGENT);
	struct slice kept = agent->value;
	char other[160];
	struct text t = TEXT(other);

	text_add(&t, kept);
	text_u64(&t, i % 90 + 10);
	agent->value = text_slice(&t);
	check(classify_enter(w->classify, w->request) == GO_ON);
	agent->value = kept;
}

static void limits_two(struct world *w, unsigned i)
{
	(void)i;
	check(limit_early(w->limits, again(w), COUNT_NOW_NS) == GO_ON);
}

static void limit_subject(struct world *w, unsigned i)
{
	(void)i;
	check(limit_late(w->limits, again(w), COUNT_NOW_NS) == GO_ON);
}

static void token_known(struct world *w, unsigned i)
{
	struct request *r = again(w);

	(void)i;
	check(verify_enter(w->verify, r, COUNT_NOW_NS, COUNT_WALL_NS / NS_PER_S) == GO_ON);
}

static void guard_good(struct world *w, unsigned i)
{
	static struct header field = { .name = { "Server", 6 }, .value = { "x", 1 } };
	const struct headers fields = { &field, 1, 1 };
	const struct guard_answer a = { .status = 200, .fields = &fields };
	struct request *r = again(w);

	(void)i;
	r->route = &w->config->root.routes[1];
	check(guard_enter(w->guard, r, &a, COUNT_WALL_NS / NS_PER_S) == GO_ON);
	r->route = &w->config->root.routes[0];
}

static void log_line(struct world *w, unsigned i)
{
	char line[RESPOND_LOG_MAX];
	struct text t = TEXT(line);

	respond_log(w->request, COUNT_WALL_NS + i * NS_PER_MS, COUNT_NOW_NS, &t);
}

static void born_and_gone(struct world *w, unsigned i)
{
	(void)i;
	http_request_give(&w->http, http_request_take(&w->http, &w->client_facts));
}

const struct count_case count_cases[] = {
	{ "http.request-head", "a browser's head with a token is read", 200, request_head },
	{ "http.answer-head", "an upstream's head is read", 200, answer_head },
	{ "http.request", "a request is made, named and freed", 200, born_and_gone },
	{ "request.check", "its fields, host, target and client address", 200, request_checked },
	{ "request.path", "a path with dots and escapes is made normal", 200, path },
	{ "tls.hello", "a ClientHello is read, with its fingerprint", 100, client_hello },
	{ "classify.known", "a class by a user agent seen before", 200, class_known },
	{ "classify.new", "a class by one not seen before", 100, class_new },
	{ "limit.early", "two buckets: an address and a key", 200, limits_two },
	{ "limit.late", "a bucket of a verified subject", 200, limit_subject },
	{ "verify.known", "a token whose signature was verified before", 200, token_known },
	{ "guard.good", "an answer on a route with reconcile: something is there", 200, guard_good },
	{ "respond.log", "the access log line", 200, log_line },
};
const unsigned count_cases_len = sizeof count_cases / sizeof count_cases[0];
