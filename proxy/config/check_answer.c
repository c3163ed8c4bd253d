/* check_answer.c -- redirects, header changes and CORS of a route. */
#include "config/check.h"
#include "base/header.h"
#include <inttypes.h>

/* ---- redirects ---- */

static bool is_word(struct slice s)
{
	return slice_same(s, S("path")) || slice_same(s, S("query")) || slice_same(s, S("host"));
}

static const char *target_fault(struct slice to)
{
	bool path = slice_starts(to, S("/")) && !slice_starts(to, S("//")) && !slice_starts(to, S("/\\"));

	if (!path && !slice_starts(to, S("https://")) && !slice_starts(to, S("http://")) &&
	    !slice_starts(to, S("{path}")))
		return "it must be a URL or an absolute path";
	while (to.len) {
		char c = to.at[0];
		to = slice_from(to, 1);
		if (c == '{' && (slice_find(to, '}') == to.len || !is_word(slice_cut(&to, '}'))))
			return "only {path}, {query} and {host} are replaced";
		if (c == '}')
			return "a } stands without its {";
		if ((unsigned char)c <= 0x20 || (unsigned char)c >= 0x7f || c == '"' || c == '<' || c == '>' ||
		    c == '\\')
			return "a character of it may not stand in a URL";
	}
	return NULL;
}

void check_redirect(struct check *k, struct config_redirect *r)
{
	const char *fault = target_fault(r->to);

	if (fault)
		COMPLAIN(k, &r->to, r, "redirect.to: \"%.*s\" cannot be sent; %s", SHOWN(k, &r->to), fault);
	if (r->status > 303 && r->status != 307 && r->status != 308)
		COMPLAIN(k, &r->status, r, "redirect.status: %" PRIu64 " is none of 301, 302, 303, 307 and 308",
		         r->status);
}

/* ---- header changes ---- */

/* Fields by which messages are framed and routed, and ours: nobody else changes them, but that the operator
 * may speak to an upstream that is a proxy itself. */
static bool is_reserved(struct slice name, bool request)
{
	for (unsigned id = 1; id < HEADER_IDS; id++)
		if (slice_reads_as(name, header_names[id]))
			return header_is(id, FIELD_CONNECTION | FIELD_HOP | FIELD_FRAMING | FIELD_TRAILER) &&
			       !(request && id == HEADER_PROXY_AUTHORIZATION);
	return slice_reads_as(slice_head(name, 10), S("sallyport-"));
}

static void check_field(struct check *k, const struct slice *name, struct config_place place, bool request)
{
	struct slice shown = load_shown(k->load, name, *name);

	if (!check_is_token(*name))
		config_complain(k->load->errors, place, "\"%.*s\" is not a valid field name", SLICE(shown));
	else if (is_reserved(*name, request))
		config_complain(k->load->errors, place, "the field \"%.*s\" is the proxy's own and cannot be changed",
		                SLICE(shown));
}

static struct slice lower(struct check *k, struct slice s)
{
	char *to = store_take(&k->load->scratch, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		to[i] = slice_lower(s.at[i]);
	return (struct slice){ to, s.len };
}

static void check_pass(struct check *k, const struct config_headers *h, bool request, struct index *seen)
{
	for (size_t i = 0; i < h->pass.len; i++) {
		const struct slice *name = &h->pass.at[i];
		if (!request)
			COMPLAIN(k, name, h, "pass is for request_headers; nothing is removed from answers like that");
		else if (!header_is(header_id(*name), FIELD_OVERRIDE))
			COMPLAIN(k, name, h,
			         "pass: \"%.*s\" is none of the fields that are removed unless a route passes them, "
			         "as X-Original-URL and X-HTTP-Method-Override are",
			         SHOWN(k, name));
		else if (index_add(seen, lower(k, *name), (void *)(uintptr_t)h))
			COMPLAIN(k, name, h, "pass: the field \"%.*s\" is set, removed or passed already",
			         SHOWN(k, name));
	}
}

void check_headers(struct check *k, struct config_headers *h, bool request)
{
	struct index seen = index_of(&k->load->scratch);
	const char *of = request ? "request_headers" : "response_headers";

	for (size_t i = 0; i < h->set.len; i++) {
		struct config_place place = load_key_place(k->load, &h->set.at[i].value, h->place);
		check_field(k, &h->set.at[i].name, place, request);
		if (index_add(&seen, lower(k, h->set.at[i].name), h))
			config_complain(k->load->errors, place, "%s: the field \"%.*s\" is set twice", of,
			                SLICE(complain_shown(h->set.at[i].name)));
	}
	for (size_t i = 0; i < h->remove.len; i++) {
		struct config_place place = load_place(k->load, &h->remove.at[i], h->place);
		check_field(k, &h->remove.at[i], place, request);
		if (index_add(&seen, lower(k, h->remove.at[i]), h))
			config_complain(k->load->errors, place, "%s: the field \"%.*s\" is set or removed already", of,
			                SHOWN(k, &h->remove.at[i]));
	}
	check_pass(k, h, request, &seen);
}

/* ---- CORS ---- */

static bool is_origin(struct slice s)
{
	struct url url;
	const char *why;

	return slice_same(s, S("*")) || slice_same(s, S("null")) ||
	       (url_split(s, &url, &why) && url.rest.len == 0);
}

void check_cors(struct check *k, struct config_cors *c)
{
	for (size_t i = 0; i < c->origins.len; i++) {
		const struct slice *o = &c->origins.at[i];
		if (!is_origin(*o))
			COMPLAIN(k, o, c,
			         "origins: \"%.*s\" is no origin; write scheme, host and perhaps port, as "
			         "https://app.example.com, or *",
			         SHOWN(k, o));
		if (slice_same(*o, S("*")) && c->credentials)
			COMPLAIN(k, o, c, "origins: * cannot be combined with credentials: true; name the origins");
	}
	for (size_t i = 0; i < c->methods.len; i++)
		if (!check_is_token(c->methods.at[i]))
			COMPLAIN(k, &c->methods.at[i], c, "methods: \"%.*s\" is not a valid method",
			         SHOWN(k, &c->methods.at[i]));
	for (size_t i = 0; i < c->headers.len; i++)
		if (!check_is_token(c->headers.at[i]))
			COMPLAIN(k, &c->headers.at[i], c, "headers: \"%.*s\" is not a valid field name",
			         SHOWN(k, &c->headers.at[i]));
}
