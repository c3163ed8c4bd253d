/* redirect.c -- routes that send the client elsewhere. */
#include "respond/answer.h"

/* A word that is not known stays as it is written, braces and all. */
static struct slice value_of(const struct request *r, struct slice word)
{
	if (slice_same(word, S("{path}")))
		return r->path;
	if (slice_same(word, S("{query}")))
		return r->query;
	if (slice_same(word, S("{host}")))
		return r->host;
	return word;
}

static void expand(struct text *t, const struct request *r, struct slice to)
{
	while (to.len) {
		size_t open = slice_find(to, '{'), len = slice_find(slice_from(to, open), '}');
		text_add(t, slice_head(to, open));
		to = slice_from(to, open);
		if (to.len == 0)
			break;
		text_add(t, value_of(r, slice_head(to, len + 1)));
		to = slice_from(to, len + 1);
	}
	while (t->len > 1 && t->at[t->len - 1] == '?') /* of "...?{query}" where there was none */
		t->len--;
}

enum pace respond_redirect(struct request *r)
{
	const struct config_redirect *redirect = r->route->redirect;
	struct headers *f = &r->answer.fields;
	size_t words = redirect->to.len / 6; /* {path} is the shortest */
	size_t cap = redirect->to.len + words * (r->path.len + r->query.len + r->host.len) + 1;
	struct text t = { .at = arena_take(&r->arena, cap), .cap = cap };

	*f = (struct headers){ .at = arena_take(&r->arena, sizeof *f->at), .cap = 1 };
	if (!t.at || !f->at)
		return request_fail(r, FAULT_HEAD_TOO_BIG);
	expand(&t, r, redirect->to);
	if (!header_is_value(text_slice(&t)))
		return request_fail(r, FAULT_BAD_TARGET);
	headers_add(f, S("Location"), text_slice(&t));
	r->answer.status = (uint16_t)redirect->status;
	return ANSWER;
}
