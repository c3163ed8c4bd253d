/* local_reply.c -- answers that Sallyport writes itself. */
#include "respond/answer.h"
#include "base/check.h"
#include "base/random.h"
#include "base/stamp.h"

/* ---- what is said ---- */

struct slice respond_reason(const struct request *r)
{
	if (r->fault)
		return slice_of(fault_info[r->fault].code);
	if (r->answer.status)
		return r->answer.status == 200   ? S("allowed")
		       : r->answer.status >= 300 ? S("redirect")
		       : r->answer.fields.len    ? S("preflight")
		                                 : S("answered-here");
	return S("");
}

/* A status that a deny route may have; anything else would claim what nobody knows. */
static bool may_deny_with(uint64_t status)
{
	return status == 400 || status == 401 || status == 403 || status == 405 || status == 429 || status == 503;
}

static unsigned status_of(const struct request *r)
{
	if (r->fault == FAULT_DENIED && r->route && may_deny_with(r->route->deny))
		return (unsigned)r->route->deny;
	return r->fault ? fault_info[r->fault].status : r->answer.status;
}

/* Where no limit says when to come back: how soon things of this kind have changed, in seconds. */
static uint64_t timeout_s(enum fault why)
{
	switch (why) {
	case FAULT_SHUT_DOWN:
	case FAULT_EXCHANGE_BUSY:
		return 1;
	case FAULT_OVERLOADED:
	case FAULT_CLIENT_SHARE:
	case FAULT_UPSTREAM_FULL:
		return 2;
	case FAULT_ISSUER_AWAY:
	case FAULT_ISSUER_RETURNING:
		return 15;
	case FAULT_ABSENCE_HELD:
	case FAULT_NO_ROUTE:
	case FAULT_DENIED:
		return 25;
	default:
		return 5;
	}
}

unsigned respond_retry_after(const struct request *r)
{
	/* a limit's word is never shortened: config/ sees to it that no bucket takes longer than two years */
	uint64_t ns = r->refusal.retry_after_ns, most_s = r->refusal.limit ? UINT32_MAX : 30;

	if (ns == 0)
		ns = timeout_s(r->fault) * NS_PER_S;
	ns = ns < most_s * NS_PER_S ? ns : most_s * NS_PER_S;
	ns += random_u64() % (ns / 5 + 1);

	uint64_t s = (ns + NS_PER_S - 1) / NS_PER_S;
	return (unsigned)(s < most_s ? s : most_s);
}

/* ---- fields ---- */

void own_add(struct own *o, struct slice name, struct slice value)
{
	headers_add(&o->fields, name, value);
}

void own_end(struct own *o, struct slice name, size_t from)
{
	struct text *t = &o->values;

	if (t->cut || t->len == from) {
		t->cut = false;
		t->len = from;
		return;
	}
	own_add(o, name, (struct slice){ t->at + from, t->len - from });
}

static void add_date(struct own *o, uint64_t wall_ns)
{
	size_t from = own_begin(o);

	stamp_http(&o->values, wall_ns);
	own_end(o, S("Date"), from);
}

static void add_retry_after(struct own *o)
{
	size_t from = own_begin(o);

	if (o->meant != 429 && o->meant != 503)
		return;
	o->retry_s = respond_retry_after(o->r);
	text_u64(&o->values, o->retry_s);
	own_end(o, S("Retry-After"), from);
}

/* RFC 9110 section 15.5.6 demands it; empty says that no method is taken. */
static void add_allow(struct own *o)
{
	const struct config_route *route = o->r->route;
	size_t from = own_begin(o);

	if (o->meant != 405)
		return;
	if (route && !may_deny_with(route->deny) && !route->methods.len)
		text_add(&o->values, S("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")); /* all but TRACE */
	for (size_t i = 0; route && !may_deny_with(route->deny) && i < route->methods.len; i++) {
		text_add(&o->values, i ? S(", ") : S(""));
		text_add(&o->values, route->methods.at[i]);
	}
	if (o->values.len == from)
		own_add(o, S("Allow"), S(""));
	own_end(o, S("Allow"), from);
}

/* For the proxy that asks: what it would say if it could. */
static void add_meant(struct own *o)
{
	size_t from = own_begin(o);

	text_u64(&o->values, o->meant);
	own_end(o, S("Sallyport-Status"), from);
}

static void add_states(struct own *o)
{
	if (o->r->rate_limit_policy.len)
		own_add(o, S("RateLimit-Policy"), o->r->rate_limit_policy);
	if (o->r->rate_limit.len)
		own_add(o, S("RateLimit"), o->r->rate_limit);
	if (o->r->issuer_state.len)
		own_add(o, S("Sallyport-Issuer-State"), o->r->issuer_state);
}

static void add_cors(struct own *o)
{
	struct cors_grant g = cors_grant(o->r);

	if (headers_find_name(&o->fields, S("Access-Control-Allow-Origin")))
		return; /* a preflight's answer speaks for itself */
	if (g.vary && !headers_find_name(&o->fields, S("Vary")))
		own_add(o, S("Vary"), S("Origin"));
	if (!g.origin.len)
		return;
	own_add(o, S("Access-Control-Allow-Origin"), g.origin);
	if (g.credentials)
		own_add(o, S("Access-Control-Allow-Credentials"), S("true"));
	if (o->r->fault)
		own_add(o, S("Access-Control-Expose-Headers"),
		        S("Retry-After, WWW-Authenticate, RateLimit, RateLimit-Policy, "
		          "Sallyport-Reason, Sallyport-Request-Id"));
}

/* What the operator adds to every answer of the route (Strict-Transport-Security, say) also stands on ours,
 * but changes nothing that we say. */
static void add_configured(struct own *o)
{
	const struct config_route *route = o->r->route;
	const struct config_headers *changes = route ? route->response_headers : NULL;

	for (size_t i = 0; changes && i < changes->set.len; i++) {
		const struct config_pair *p = &changes->set.at[i];
		bool of_body = slice_same_nocase(slice_head(p->name, 8), S("content-"));
		if (!of_body && !headers_find_name(&o->fields, p->name))
			own_add(o, p->name, p->value);
	}
}

/* For a client of gRPC: come again (UNAVAILABLE), never that something is not there. */
static void add_grpc(struct own *o)
{
	const struct header *type = headers_find(&o->r->headers, HEADER_CONTENT_TYPE);

	if (o->r->fault == FAULT_ABSENCE_HELD && type && slice_starts(type->value, S("application/grpc")))
		own_add(o, S("grpc-status"), S("14"));
}

static void add_fault_fields(struct own *o)
{
	own_add(o, S("Content-Type"), o->page ? S("text/html; charset=utf-8") : S("application/problem+json"));
	own_add(o, S("Cache-Control"), S("no-store"));
	own_add(o, S("X-Content-Type-Options"), S("nosniff"));
	if (o->page)
		own_add(o, S("Content-Security-Policy"), page_policy());
	add_retry_after(o);
	add_grpc(o);
	challenge_add(o);
	add_allow(o);
}

static void add_fields(struct own *o, uint64_t wall_ns)
{
	const struct headers *answer = &o->r->answer.fields;

	add_date(o, wall_ns);
	own_add(o, S("Sallyport-Reason"), respond_reason(o->r));
	own_add(o, S("Sallyport-Request-Id"), slice_of(o->r->id));
	if (o->r->ext_auth)
		add_meant(o);
	if (o->r->fault)
		add_fault_fields(o);
	for (uint16_t i = 0; !o->r->fault && i < answer->len; i++)
		own_add(o, answer->at[i].name, answer->at[i].value);
	add_states(o);
	add_cors(o);
	add_configured(o);
}

/* ---- the answer ---- */

static bool tell(struct request *r, const struct own *o, struct slice body)
{
	bool no_body = o->status == 204 || request_is_head(r);
	struct headers fields = o->fields;
	struct response head = {
		.status = (uint16_t)o->status,
		.fields = &fields,
		.has_length = o->status != 204,
		.length = body.len,
		.no_body = no_body,
		.close = r->fault && fault_info[r->fault].close,
	};

	r->status = (uint16_t)o->meant; /* an asker's words for it do not count */
	r->said |= SAID_HEAD;
	if (!r->ops->head(r, &head) || (!no_body && body.len && !r->ops->body(r, body)))
		return false;
	r->said |= SAID_END;
	return r->ops->end(r, NULL);
}

bool respond_own(struct request *r, uint64_t wall_ns)
{
	char store[RESPOND_OWN_MAX];
	struct text body = TEXT(store);
	struct own o; /* its room for fields and values is not worth zeroing */

	check(!(r->said & SAID_HEAD));
	o.r = r;
	o.retry_s = 0;
	o.meant = status_of(r);
	o.status = ext_auth_status((enum ext_auth_kind)r->ext_auth, o.meant);
	check(o.status != 404 && o.status != 410);
	if (o.status == 0)
		return false;
	o.fields = (struct headers){ o.room, 0, sizeof o.room / sizeof o.room[0] };
	o.values = TEXT(o.store);
	o.page = accept_prefers_page(&r->headers);
	add_fields(&o, wall_ns);
	if (r->fault)
		page_write(&o, &body);
	check(!body.cut);
	return tell(r, &o, text_slice(&body));
}
