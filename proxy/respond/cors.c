/* cors.c -- what scripts of other origins may do (fetch.spec.whatwg.org, section 3.2). */
#include "respond/answer.h"

struct cors_grant cors_grant(const struct request *r)
{
	const struct config_cors *cors = r->route ? r->route->cors : NULL;
	const struct header *origin = cors ? headers_find(&r->headers, HEADER_ORIGIN) : NULL;

	if (!origin)
		return (struct cors_grant){ .vary = cors };
	for (size_t i = 0; i < cors->origins.len; i++)
		if (slice_same(cors->origins.at[i], origin->value))
			return (struct cors_grant){ origin->value, cors->credentials, true };
	for (size_t i = 0; i < cors->origins.len; i++) /* never with credentials: that would be every site's */
		if (slice_same(cors->origins.at[i], S("*")))
			return (struct cors_grant){ S("*"), false, true };
	return (struct cors_grant){ .vary = true };
}

static struct slice join(struct arena *a, const struct config_texts *words)
{
	size_t len = 0;

	for (size_t i = 0; i < words->len; i++)
		len += words->at[i].len + 2;
	struct text t = { .at = len ? arena_take(a, len) : NULL, .cap = len };
	for (size_t i = 0; t.at && i < words->len; i++) {
		text_add(&t, i ? S(", ") : S(""));
		text_add(&t, words->at[i]);
	}
	return text_slice(&t);
}

static struct slice seconds(struct arena *a, uint64_t ns)
{
	struct text t = { .at = arena_take(a, 20), .cap = 20 };

	if (t.at)
		text_u64(&t, ns / NS_PER_S);
	return t.at ? text_slice(&t) : S("0");
}

bool respond_preflight(struct request *r)
{
	const struct config_cors *cors = r->route ? r->route->cors : NULL;
	struct headers *f = &r->answer.fields;

	if (!cors || !slice_same(r->method, S("OPTIONS")) || !headers_find(&r->headers, HEADER_ORIGIN) ||
	    !headers_find(&r->headers, HEADER_ACCESS_CONTROL_REQUEST_METHOD))
		return false;
	r->answer.status = 204;
	*f = (struct headers){ .at = arena_take(&r->arena, 4 * sizeof *f->at), .cap = 4 };
	if (!f->at)
		f->cap = 0;
	if (cors_grant(r).origin.len == 0)
		return true; /* without the fields below the browser does not send the request */
	headers_add(f, S("Access-Control-Allow-Methods"), join(&r->arena, &cors->methods));
	if (cors->headers.len)
		headers_add(f, S("Access-Control-Allow-Headers"), join(&r->arena, &cors->headers));
	headers_add(f, S("Access-Control-Max-Age"), seconds(&r->arena, cors->max_age));
	return true;
}
