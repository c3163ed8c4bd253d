/* h2_head.c -- from header fields to a request (RFC 9113 section 8). nghttp2 has decoded them and checked
 * their order; whatever could be read otherwise once it is written as HTTP/1.1 is refused here. */
#include "http/h2.h"

struct h2_crumb { /* a piece of Cookie, which HTTP/2 may send in several fields */
	struct h2_crumb *next;
	struct slice bytes;
};

static const struct config_http *bounds(const struct h2_stream *s)
{
	return &s->request->config->root.http;
}

static void refuse(struct h2_stream *s, enum fault why)
{
	if (!s->fault)
		s->fault = (uint8_t)why;
}

static int reset(struct h2_stream *s, uint32_t code)
{
	nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, code);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Fields are given up, so that the answer has room; what the pseudo-header fields said stays for the log. */
static void too_big(struct h2_stream *s)
{
	struct request *r = s->request;

	refuse(s, FAULT_HEAD_TOO_BIG);
	r->headers.len = 0;
	s->crumbs = s->crumbs_last = NULL;
	if (s->fields_mark)
		r->arena.used = s->fields_mark;
	r->arena.overflowed = false;
}

/* ---- pseudo-header fields ---- */

static void take_path(struct h2_stream *s, struct slice value)
{
	if (value.len > bounds(s)->target_max) {
		refuse(s, FAULT_TARGET_TOO_LONG);
		value = slice_head(value, 256); /* enough for the log */
	}
	s->request->target = arena_copy(&s->request->arena, value);
}

static void take_pseudo(struct h2_stream *s, struct slice name, struct slice value)
{
	struct request *r = s->request;

	if (slice_same(name, S(":method")))
		r->method = arena_copy(&r->arena, value);
	else if (slice_same(name, S(":path")))
		take_path(s, value);
	else if (slice_same(name, S(":scheme")))
		r->scheme = arena_copy(&r->arena, value);
	else if (slice_same(name, S(":authority")))
		r->authority = arena_copy(&r->arena, value);
	else
		refuse(s, FAULT_BAD_REQUEST);
	if (r->arena.overflowed)
		too_big(s);
}

/* ---- fields ---- */

static bool is_lower_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!char_is(name.at[i], CHAR_TOKEN) || (name.at[i] >= 'A' && name.at[i] <= 'Z'))
			return false;
	return name.len > 0;
}

/* Cookie may come in pieces; HTTP/1.1 knows one field (RFC 9113 section 8.2.3). */
static bool take_crumb(struct h2_stream *s, struct slice value)
{
	struct h2_crumb *c = arena_take(&s->request->arena, sizeof *c + value.len);

	if (!c)
		return false;
	c->bytes = (struct slice){ memcpy(c + 1, value.at, value.len), value.len };
	if (s->crumbs)
		s->crumbs_last->next = c;
	else
		s->crumbs = c;
	s->crumbs_last = c;
	return true;
}

static bool take_other(struct h2_stream *s, enum header_id id, struct slice name, struct slice value)
{
	struct request *r = s->request;
	size_t own = id ? 0 : name.len; /* the names we know are there already */
	char *to = arena_room(&r->arena, own + value.len);

	if (!to)
		return false;
	if (own)
		name.at = memcpy(to, name.at, own);
	else
		name = header_names[id];
	if (value.len)
		memcpy(to + own, value.at, value.len);
	return headers_add_as(&r->headers, id, name, (struct slice){ to + own, value.len });
}

static void take_field(struct h2_stream *s, struct slice name, struct slice value)
{
	enum header_id id = header_id(name);
	bool named = id ? slice_same(name, header_names[id]) : is_lower_name(name);

	if (!s->fields_mark)
		s->fields_mark = s->request->arena.used;
	if (!named || !header_is_value(value)) {
		refuse(s, FAULT_BAD_REQUEST);
		return;
	}
	s->request->odd_name |= !id && !header_is_plain(name);
	value = slice_trim(value);
	bool fits = id == HEADER_COOKIE && value.len ? take_crumb(s, value) : take_other(s, id, name, value);
	if (!fits)
		too_big(s);
}

int h2_field(struct h2_stream *s, struct slice name, struct slice value)
{
	s->head_len += name.len + value.len + 4;
	if (s->head_len > H2_ABSURD * bounds(s)->head_max)
		return reset(s, NGHTTP2_ENHANCE_YOUR_CALM);
	if (s->fault) /* of a bad head nothing more is wanted */
		return 0;
	if (s->head_len > bounds(s)->head_max)
		too_big(s);
	else if (name.len && name.at[0] == ':')
		take_pseudo(s, name, value);
	else
		take_field(s, name, value);
	return 0;
}

/* ---- the whole ---- */

static void join_cookie(struct h2_stream *s)
{
	struct request *r = s->request;
	size_t len = 0, at = 0;

	for (const struct h2_crumb *c = s->crumbs; c; c = c->next)
		len += c->bytes.len + (c->next ? 2 : 0);
	if (!len)
		return;
	char *to = s->crumbs->next ? arena_room(&r->arena, len) : (char *)(s->crumbs + 1);
	for (const struct h2_crumb *c = s->crumbs; len > s->crumbs->bytes.len && to && c; c = c->next) {
		memcpy(to + at, c->bytes.at, c->bytes.len);
		at += c->bytes.len;
		if (c->next)
			memcpy(to + at, "; ", 2);
		at += 2;
	}
	if (!to || !headers_add(&r->headers, S("cookie"), (struct slice){ to, len }))
		too_big(s);
}

/* Whether the fields say what HTTP/1.1 could say is request_check's to judge, and whether the DATA frames add
 * up to the length is nghttp2's: it resets the stream. */
static void set_body(struct request *r, bool more)
{
	const struct header *length = headers_find(&r->headers, HEADER_CONTENT_LENGTH);

	r->has_body = more || length;
	r->chunked = r->has_body && !length;
	if (length && !header_length(length->value, &r->content_length))
		r->content_length = 0;
}

void h2_head_ends(struct h2_stream *s, bool more)
{
	struct request *r = s->request;

	r->version = 20;
	s->head_len = 0; /* from here on trailers are counted */
	if (!s->fault)
		join_cookie(s);
	set_body(r, more);
	if (!s->fault)
		refuse(s, request_check(r));
	if (!r->method.at)
		r->method = S("");
	if (!r->target.at) /* CONNECT has none */
		r->target = r->authority.at ? r->authority : S("");
}

/* ---- trailers ---- */

int h2_trailer(struct h2_stream *s, struct slice name, struct slice value)
{
	struct headers *t = &s->in_trailers;
	struct arena *a = &s->request->arena;

	s->head_len += name.len + value.len + 4;
	if (!is_lower_name(name) || !header_is_value(value) || !header_is_trailer(name))
		return reset(s, NGHTTP2_PROTOCOL_ERROR);
	if (s->finished)
		return 0;
	if (!t->at) {
		t->at = arena_room(a, H2_TRAILERS_MOST * sizeof *t->at);
		t->cap = t->at ? H2_TRAILERS_MOST : 0;
	}
	char *to = arena_room(a, name.len + value.len);
	if (s->head_len > H2_TRAILER_BYTES || !to)
		return reset(s, NGHTTP2_ENHANCE_YOUR_CALM);
	memcpy(to, name.at, name.len);
	if (value.len)
		memcpy(to + name.len, value.at, value.len);
	bool fits = headers_add(t, (struct slice){ to, name.len },
	                        slice_trim((struct slice){ to + name.len, value.len }));
	return fits ? 0 : reset(s, NGHTTP2_ENHANCE_YOUR_CALM);
}
