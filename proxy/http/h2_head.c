/* h2_head.c -- from header fields to a request (RFC 9113 section 8). nghttp2 has decoded them and checked
 * their order; whatever could be read otherwise once it is written as HTTP/1.1 is refused here. */
#include "http/h2.h"

static const struct config_http *bounds(const struct h2_stream *s)
{
	return &s->request->config->root.http;
}

static void refuse(struct h2_stream *s, enum fault why)
{
	if (!s->fault)
		s->fault = (uint8_t)why;
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
		if (slice_lower(name.at[i]) != name.at[i])
			return false;
	return header_is_name(name);
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

static bool take_other(struct h2_stream *s, struct slice name, struct slice value)
{
	struct request *r = s->request;
	char *to = arena_take(&r->arena, name.len + value.len);

	if (!to)
		return false;
	memcpy(to, name.at, name.len);
	if (value.len)
		memcpy(to + name.len, value.at, value.len);
	return headers_add(&r->headers, (struct slice){ to, name.len },
	                   (struct slice){ to + name.len, value.len });
}

static void take_field(struct h2_stream *s, struct slice name, struct slice value)
{
	if (!s->fields_mark)
		s->fields_mark = s->request->arena.used;
	if (!is_lower_name(name) || !header_is_value(value)) {
		refuse(s, FAULT_BAD_REQUEST);
		return;
	}
	value = slice_trim(value);
	bool fits = slice_same(name, S("cookie")) && value.len ? take_crumb(s, value)
	                                                       : take_other(s, name, value);
	if (!fits)
		too_big(s);
}

int h2_field(struct h2_stream *s, struct slice name, struct slice value)
{
	s->head_len += name.len + value.len + 4;
	if (s->head_len > H2_ABSURD * bounds(s)->head_max) {
		nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_ENHANCE_YOUR_CALM);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (s->told || s->fault) /* trailers are counted and left out; of a bad head nothing more is wanted */
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
	char *to = arena_take(&r->arena, len);
	for (const struct h2_crumb *c = s->crumbs; to && c; c = c->next) {
		memcpy(to + at, c->bytes.at, c->bytes.len);
		at += c->bytes.len;
		if (c->next)
			memcpy(to + at, "; ", 2);
		at += 2;
	}
	if (!to || !headers_add(&r->headers, S("cookie"), (struct slice){ to, len }))
		too_big(s);
}

static bool is_visible(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] <= ' ' || s.at[i] == 0x7f)
			return false;
	return s.len > 0;
}

static enum fault judge_target(const struct request *r)
{
	if (slice_same(r->method, S("CONNECT")) || !header_is_name(r->method))
		return FAULT_BAD_METHOD;
	if (!slice_same_nocase(r->scheme, S("http")) && !slice_same_nocase(r->scheme, S("https")))
		return FAULT_BAD_TARGET;
	if (!is_visible(r->target))
		return FAULT_BAD_TARGET;
	if (r->target.at[0] != '/' &&
	    !(slice_same(r->target, S("*")) && slice_same(r->method, S("OPTIONS"))))
		return FAULT_BAD_TARGET;
	return FAULT_NONE;
}

/* Host may stand beside :authority only where it says the same, and for it where it is missing. */
static enum fault judge_authority(struct request *r)
{
	const struct header *host = headers_find(&r->headers, HEADER_HOST);

	if (headers_count(&r->headers, HEADER_HOST) > 1)
		return FAULT_BAD_HOST;
	if (host && r->authority.len && !slice_same_nocase(host->value, r->authority))
		return FAULT_BAD_HOST;
	if (host && !r->authority.len)
		r->authority = host->value;
	return is_visible(r->authority) ? FAULT_NONE : FAULT_BAD_HOST;
}

/* Fields that speak of one HTTP/1.1 connection have no meaning here (RFC 9113 section 8.2.2). */
static enum fault judge_fields(const struct request *r)
{
	for (uint16_t i = 0; i < r->headers.len; i++) {
		const struct header *f = &r->headers.at[i];
		switch ((enum header_id)f->id) {
		case HEADER_CONNECTION:
		case HEADER_KEEP_ALIVE:
		case HEADER_PROXY_CONNECTION:
		case HEADER_TRANSFER_ENCODING:
		case HEADER_UPGRADE:
		case HEADER_HTTP2_SETTINGS:
			return FAULT_BAD_REQUEST;
		case HEADER_TE:
			if (!slice_same_nocase(f->value, S("trailers")))
				return FAULT_BAD_REQUEST;
			break;
		default:
			break;
		}
	}
	return FAULT_NONE;
}

/* That the DATA frames add up to it is nghttp2's to watch: it resets the stream. */
static enum fault judge_body(struct h2_stream *s, bool has_body)
{
	struct request *r = s->request;
	const struct header *length = headers_find(&r->headers, HEADER_CONTENT_LENGTH);
	const struct header *expect = headers_find(&r->headers, HEADER_EXPECT);

	r->has_body = has_body || length;
	r->chunked = r->has_body && !length;
	if (headers_count(&r->headers, HEADER_CONTENT_LENGTH) > 1)
		return FAULT_BAD_FRAMING;
	if (length && !slice_u64(length->value, &r->content_length))
		return FAULT_BAD_FRAMING;
	if (length && !has_body && r->content_length)
		return FAULT_BAD_FRAMING;
	if (expect && !slice_same_nocase(expect->value, S("100-continue")))
		return FAULT_EXPECTATION;
	r->expects_continue = expect != NULL;
	return FAULT_NONE;
}

void h2_head_ends(struct h2_stream *s, bool has_body)
{
	struct request *r = s->request;

	r->version = 20;
	s->head_len = 0; /* from here on trailers are counted */
	if (!s->fault)
		join_cookie(s);
	if (!s->fault)
		refuse(s, judge_fields(r));
	if (!s->fault)
		refuse(s, judge_target(r));
	if (!s->fault)
		refuse(s, judge_authority(r));
	if (!s->fault)
		refuse(s, judge_body(s, has_body));
	if (!s->fault)
		refuse(s, request_check(r));
	if (s->fault)
		r->has_body = has_body;
	if (!r->target.at) /* CONNECT has none */
		r->target = r->authority;
}
