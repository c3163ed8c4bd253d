/* head.c -- the request head as the upstream gets it: hop-by-hop fields out, ours set after (semantics:
 * nothing that a client sent can pass for ours). */
#include "forward/inside.h"
#include "base/text.h"

static void optional(struct text *t, struct slice name, struct slice value)
{
	if (value.len && header_is_value(value))
		text_field(t, name, value);
}

/* Fields that we write ourselves. */
static bool is_replaced(const struct header *h)
{
	return header_is(h->id, FIELD_FRAMING | FIELD_OURS | FIELD_FORWARDED);
}

static bool is_in(const struct config_texts *names, struct slice name)
{
	for (size_t i = 0; i < names->len; i++)
		if (slice_reads_as(names->at[i], name))
			return true;
	return false;
}

static bool is_set(const struct config_pairs *pairs, struct slice name)
{
	for (size_t i = 0; i < pairs->len; i++)
		if (slice_reads_as(pairs->at[i].name, name))
			return true;
	return false;
}

bool head_is_changed(const struct request *r, struct slice name)
{
	const struct config_headers *change = r->route->request_headers;

	return change && (is_in(&change->remove, name) || is_set(&change->set, name));
}

/* Vendors' notes on a trace that does not go on (W3C Trace Context section 3.3). */
static bool is_stray(const struct request *r, const struct header *h)
{
	return h->id == HEADER_TRACESTATE && !request_traced(r);
}

/* A hop is spent, where hops are counted (RFC 9110 section 7.6.2); none that is left was answered here. */
static bool is_counted_down(struct text *t, const struct request *r, const struct header *h)
{
	uint64_t left;

	if (!slice_same(r->method, S("OPTIONS")) && !slice_same(r->method, S("TRACE")))
		return false;
	if (!slice_u64(h->value, &left) || !left)
		return false;
	text_add(t, S("Max-Forwards: "));
	text_u64(t, left - 1);
	text_add(t, S("\r\n"));
	return true;
}

static void clients_fields(struct text *t, const struct request *r)
{
	const struct config_headers *change = r->route->request_headers;

	for (uint16_t i = 0; i < r->headers.len; i++) {
		const struct header *h = &r->headers.at[i];
		if (h->dropped || is_replaced(h) || is_stray(r, h))
			continue;
		if (head_is_changed(r, h->name))
			continue;
		if (r->route->watch_empty && slice_same_nocase(h->name, S("accept-encoding")))
			continue;
		if (h->id == HEADER_MAX_FORWARDS && is_counted_down(t, r, h))
			continue;
		text_field(t, h->name, h->value);
	}
	for (size_t i = 0; change && i < change->set.len; i++)
		text_field(t, change->set.at[i].name, change->set.at[i].value);
}

static void via(struct text *t, const struct request *r)
{
	text_add(t, S("Via: "));
	for (uint16_t i = 0; i < r->headers.len; i++) {
		const struct header *h = &r->headers.at[i];
		if (h->id != HEADER_VIA || h->dropped || !h->value.len)
			continue;
		text_add(t, h->value);
		text_add(t, S(", "));
	}
	text_add(t, r->version == 20   ? S("2 sallyport\r\n")
	            : r->version == 10 ? S("1.0 sallyport\r\n")
	                               : S("1.1 sallyport\r\n"));
}

static bool is_host_or_port(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!char_is(s.at[i], CHAR_HOST) && s.at[i] != ':' && s.at[i] != '[' && s.at[i] != ']')
			return false;
	return s.len && s.len < 256;
}

/* What a trusted proxy said of the client's own connection (others' fields were dropped): where it did, once
 * and soundly, it knows better than we, who saw only the proxy's. */
static struct slice told(const struct request *r, enum header_id id)
{
	struct slice said = request_vouched(r, id);

	return headers_count(&r->headers, id) == 1 && is_host_or_port(said) ? said : S("");
}

static void forwarded_host_and_port(struct text *t, const struct request *r)
{
	struct slice host = told(r, HEADER_X_FORWARDED_HOST), port = told(r, HEADER_X_FORWARDED_PORT);
	uint64_t number;

	optional(t, S("X-Forwarded-Host"), host.len ? host : r->authority);
	if (port.len && port.len <= 5 && slice_u64(port, &number) && number > 0 && number <= UINT16_MAX) {
		text_field(t, S("X-Forwarded-Port"), port);
	} else if (r->client_facts->local_port) {
		text_add(t, S("X-Forwarded-Port: "));
		text_u64(t, r->client_facts->local_port);
		text_add(t, S("\r\n"));
	}
}

/* X-Forwarded-* and Forwarded (RFC 7239): what trusted proxies said of the chain, then whom we saw. */
static void forwarded(struct text *t, const struct request *r)
{
	char client[46], peer[46];
	struct slice from = address_text(&r->address, client), saw = from;

	if (!IN6_ARE_ADDR_EQUAL(&r->address, &r->client_facts->peer))
		saw = address_text(&r->client_facts->peer, peer);
	bool v6 = slice_find(from, ':') < from.len;

	if (r->forwarded_for.len) {
		text_add(t, S("X-Forwarded-For: "));
		text_add(t, r->forwarded_for);
		text_add(t, S(", "));
		text_add(t, saw);
		text_add(t, S("\r\n"));
	} else {
		text_field(t, S("X-Forwarded-For"), saw);
	}
	text_field(t, S("X-Forwarded-Proto"), r->scheme);
	forwarded_host_and_port(t, r);
	text_field(t, S("X-Real-IP"), from);
	text_add(t, v6 ? S("Forwarded: for=\"[") : S("Forwarded: for="));
	text_add(t, from);
	text_add(t, v6 ? S("]\";proto=") : S(";proto="));
	text_add(t, r->scheme);
	if (r->authority.len) {
		text_add(t, S(";host=\""));
		text_add(t, r->authority);
		text_char(t, '"');
	}
	text_add(t, S("\r\n"));
}

/* The trace goes on, our span is the parent of what comes. */
static void trace(struct text *t, const struct request *r)
{
	text_add(t, S("traceparent: "));
	request_trace(r, t);
	text_add(t, S("\r\n"));
}

static void identity(struct text *t, const struct request *r)
{
	struct header told[TOLD_MAX];
	size_t len = request_told(r, told);

	for (size_t i = 0; i < len; i++) {
		bool sound = i >= TOLD_OF_OTHERS || header_is_value(told[i].value);
		text_field(t, told[i].name, sound ? told[i].value : S(""));
	}
}

static bool wants_length(struct slice method)
{
	return slice_same(method, S("POST")) || slice_same(method, S("PUT")) || slice_same(method, S("PATCH"));
}

static void framing(struct text *t, const struct request *r, struct upstream_call *p)
{
	p->up_chunked = r->has_body && (r->chunked || r->content_length == UINT64_MAX);
	if (p->up_chunked) {
		text_add(t, S("Transfer-Encoding: chunked\r\n"));
	} else if (r->has_body || wants_length(r->method)) {
		text_add(t, S("Content-Length: "));
		text_u64(t, r->has_body ? r->content_length : 0);
		text_add(t, S("\r\n"));
	}
	if (r->upgrade_websocket)
		text_add(t, S("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
}

static void host(struct text *t, const struct request *r, const struct upstream_call *p)
{
	const struct endpoint *e = p->link->endpoint;
	bool own = e->upstream->config->host_header == HOST_HEADER_ENDPOINT || !r->authority.len;

	if (own && e->url.scheme == ENDPOINT_HTTPS && e->url.port != 443) {
		text_printf(t, "Host: %s:%u\r\n", e->host, e->url.port);
		return;
	}
	text_field(t, S("Host"), own ? slice_of(e->host) : r->authority);
}

bool head_write(struct request *r, struct upstream_call *p)
{
	struct text t = { .at = r->loop->scratch_out, .cap = SCRATCH_SIZE };

	text_add(&t, r->method);
	text_char(&t, ' ');
	text_add(&t, r->path);
	if (r->has_query) {
		text_char(&t, '?');
		text_add(&t, r->query);
	}
	text_add(&t, S(" HTTP/1.1\r\n"));
	host(&t, r, p);
	clients_fields(&t, r);
	forwarded(&t, r);
	via(&t, r);
	trace(&t, r);
	identity(&t, r);
	if (r->guarded) /* whoever is told may attest what it says */
		text_field(&t, S("Sallyport-Guard"), r->guarded == 2 ? S("latched") : S("watching"));
	framing(&t, r, p);
	text_add(&t, S("\r\n"));
	if (t.cut)
		return false;
	if (!wire_write(p->link->wire, text_slice(&t)))
		wire_nudge(p->link->wire); /* it shows when the answer is read */
	return true;
}
