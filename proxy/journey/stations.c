/* stations.c -- the two stations that are the journey's own: ROUTE and SETTLE. */
#include "journey/inside.h"
#include "base/check.h"
#include "metrics/metrics.h"

/* May this connection speak for that host? (RFC 9110 section 7.4, RFC 9113 section 9.1.2) */
static bool is_misdirected(const struct journey *j, const struct request *r)
{
	const struct client_connection *g = (const struct client_connection *)(const void *)r->client_facts;
	const struct tls_server *tls = j->tls[g->listener];

	if (!tls || !r->host.len || slice_same(r->host, r->client_facts->server_name))
		return false;
	return tls_policy(tls, r->host) != r->client_facts->policy ||
	       (r->version == 20 && !routes_know_host(j->routes, r->host));
}

bool answer_add(struct request *r, struct slice name, struct slice value)
{
	struct headers *h = &r->answer.fields;

	if (!h->at) {
		h->cap = 16;
		h->at = arena_take(&r->arena, h->cap * sizeof *h->at);
	}
	return h->at && headers_add(h, name, value);
}

static struct slice joined(struct request *r, const struct config_texts *list)
{
	struct text t = { .at = r->loop->scratch_head, .cap = SCRATCH_SIZE };

	for (size_t i = 0; i < list->len; i++) {
		text_add(&t, i ? S(", ") : S(""));
		text_add(&t, list->at[i]);
	}
	return arena_copy(&r->arena, text_slice(&t));
}

/* A CORS preflight carries no credential, so it is answered before any is asked for (Fetch standard, 4.8). */
bool is_preflight(const struct request *r, const struct config_cors *cors)
{
	return cors && slice_same(r->method, S("OPTIONS")) && headers_find(&r->headers, HEADER_ORIGIN) &&
	       headers_find(&r->headers, HEADER_ACCESS_CONTROL_REQUEST_METHOD);
}

static enum step_result preflight(struct request *r, const struct config_cors *cors)
{
	struct cors_grant grant = cors_grant(r);
	char number[24];
	struct text age = TEXT(number);

	r->answer.status = 204;
	answer_add(r, S("Vary"), S("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
	if (!grant.origin.len)
		return ANSWER; /* without the fields, the browser refuses */
	text_u64(&age, cors->max_age / NS_PER_S);
	answer_add(r, S("Access-Control-Allow-Origin"), grant.origin);
	answer_add(r, S("Access-Control-Allow-Methods"), joined(r, &cors->methods));
	answer_add(r, S("Access-Control-Allow-Headers"), joined(r, &cors->headers));
	answer_add(r, S("Access-Control-Max-Age"), arena_copy(&r->arena, text_slice(&age)));
	if (grant.credentials)
		answer_add(r, S("Access-Control-Allow-Credentials"), S("true"));
	return ANSWER;
}

/* Another proxy's upstream answers it, and it carries no credential: it may pass where its origin may ask. */
static enum step_result decide_preflight(struct request *r)
{
	return cors_grant(r).origin.len ? decision_allow(r) : request_fail(r, FAULT_DENIED);
}

static enum step_result redirect(struct request *r, const struct config_redirect *to)
{
	struct text t = { .at = r->loop->scratch_head, .cap = SCRATCH_SIZE };
	struct slice rest = to->to;

	while (rest.len) {
		text_add(&t, slice_cut(&rest, '{'));
		if (!rest.len)
			break;
		struct slice word = slice_cut(&rest, '}');
		if (slice_same(word, S("path")))
			text_add(&t, r->path);
		else if (slice_same(word, S("host")))
			text_add(&t, r->host);
		else if (slice_same(word, S("query")) && r->has_query) {
			text_char(&t, '?');
			text_add(&t, r->query);
		}
	}
	struct slice location = arena_copy(&r->arena, text_slice(&t));
	if (t.cut || !location.at)
		return request_fail(r, FAULT_HEAD_TOO_BIG);
	r->answer.status = (uint16_t)to->status;
	answer_add(r, S("Location"), location);
	return ANSWER;
}

/* It asks this proxy itself (RFC 9110 sections 9.3.7 and 7.6.2): we are there, and say no more. */
static enum step_result answer_for_ourselves(struct request *r)
{
	if (slice_same(r->method, S("TRACE")))
		return request_fail(r, FAULT_METHOD_DENIED);
	r->answer.status = 204;
	return ANSWER;
}

/* May it go no farther than here? */
static bool ends_here(const struct request *r)
{
	const struct header *left;
	uint64_t hops;

	if (r->ext_auth || (!slice_same(r->method, S("OPTIONS")) && !slice_same(r->method, S("TRACE"))))
		return false;
	left = headers_find(&r->headers, HEADER_MAX_FORWARDS);
	return left && slice_u64(left->value, &hops) && hops == 0;
}

/* Browsers send a preflight without their certificate; here it is only answered. Whoever is asked about came
 * over another proxy's connection. */
static bool is_certified(const struct request *r, bool asks_first)
{
	return !r->ext_auth && (asks_first || r->client_facts->thumbprint.len);
}

static enum step_result found(struct request *r, struct route_facts *facts)
{
	const struct config_route *route = facts->route;
	bool upgrade = r->upgrade_websocket && !r->ext_auth;

	r->route = route;
	r->route_facts = facts;
	r->upgrade_websocket = upgrade && route->websocket;
	if (!held_admits(r))
		return request_fail(r, FAULT_CLIENT_SHARE);
	if (route->deny != CONFIG_ABSENT)
		return request_fail(r, FAULT_DENIED);
	bool asks_first = is_preflight(r, route->cors);
	if (route->certificate == ROUTE_CERTIFICATE_REQUIRED && !is_certified(r, asks_first))
		return request_fail(r, FAULT_CERTIFICATE_MISSING);
	if (route->redirect)
		return redirect(r, route->redirect);
	if (asks_first)
		return r->ext_auth ? decide_preflight(r) : preflight(r, route->cors);
	if (ends_here(r))
		return answer_for_ourselves(r);
	if (r->upgrade_websocket && !forward_has_room(r->journey->forward))
		return request_fail(r, FAULT_TUNNELS_FULL);
	if (r->upgrade_websocket && !held_may_tunnel(r))
		return request_fail(r, FAULT_CLIENT_SHARE);
	uint64_t most = route->body_max; /* config/ has filled it from http.body_max */
	r->ops->body_limit(r, most);
	if (r->has_body && !r->chunked && r->content_length != UINT64_MAX && r->content_length > most)
		return request_fail(r, FAULT_BODY_TOO_BIG);
	return GO_ON;
}

static enum step_result lost(struct request *r, struct route_facts *last, enum fault why)
{
	if (last) {
		r->route = last->route;
		r->route_facts = last;
	}
	return request_fail(r, why);
}

/* A question. Its Host is that of the client of the proxy that asks, and is held against no connection. */
static enum step_result asked(struct request *r, struct route_facts *door, struct slice rest)
{
	struct route_facts *facts = NULL, *denied = NULL;
	enum fault why = request_address(r);

	if (why == FAULT_NONE)
		facts = decision_judge(r, rest, &why, &denied);
	return facts ? found(r, facts) : lost(r, denied ? denied : door, why);
}

enum step_result at_route(struct request *r)
{
	struct slice rest;
	struct route_facts *door = decision_door(r, &rest), *facts, *denied;

	if (door)
		return asked(r, door, rest);
	enum fault why = request_address(r);
	if (why != FAULT_NONE)
		return request_fail(r, why);
	if (is_misdirected(r->journey, r))
		return request_fail(r, FAULT_MISDIRECTED);
	if (slice_same(r->path, S("*"))) /* no route is for it */
		return answer_for_ourselves(r);
	facts = decision_route(r, &why, &denied);
	return facts ? found(r, facts) : lost(r, denied, why);
}

static uint32_t series_of(struct slice route, const struct request *r)
{
	char digits[8];
	struct text status = TEXT(digits);

	text_u64(&status, r->status);
	if (r->status > 599) /* some upstream's own: they share one series */
		status.len = 0, text_add(&status, S("other"));
	return metrics_series(METRIC_requests_total, route, text_slice(&status), class_names[r->class], S(""));
}

static void count(struct request *r)
{
	static const struct slice none = { "-", 1 };
	struct route_facts *f = (struct route_facts *)(uintptr_t)r->route_facts;

	if (!f) {
		metrics_add(series_of(none, r), 1);
		return;
	}
	uint32_t *series = &f->counts[r->class][r->status < 600 ? r->status : 0];
	if (*series == METRICS_LOST)
		*series = series_of(f->route->name, r);
	metrics_add(*series, 1);
	metrics_observe(f->seconds, r->loop->now_ns - r->marks_ns[MARK_BEGAN]);
}

static void count_fault(const struct request *r)
{
	if (r->fault)
		metrics_add(
		    metrics_series(METRIC_faults_total, slice_of(fault_info[r->fault].code), S(""), S(""), S("")), 1);
}

enum step_result at_settle(struct request *r)
{
	struct journey *j = r->journey;
	struct text line = { .at = r->loop->scratch_head, .cap = 8 * 1024 };

	r->marks_ns[MARK_ENDED] = r->loop->now_ns;
	forward_settle(j->forward, r);
	if (r->identity.verdict == VERDICT_VALID)
		((struct client_connection *)(void *)r->client_facts)->proven = true;
	if (r->claim)
		claims_settle(r);
	exchange_settle(j->env.exchanges, r, r->loop->now_ns);
	limit_settle(j->limits, r, r->loop->now_ns);
	count(r);
	count_fault(r);
	if (j->env.log) {
		respond_log(r, r->loop->wall_ns, r->loop->now_ns, &line);
		text_char(&line, '\n');
		if (!line.cut)
			j->env.log(j->env.log_with, text_slice(&line),
			           r->upstream.len || r->identity.verdict == VERDICT_VALID);
	}
	return GO_ON;
}
