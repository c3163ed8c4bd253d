/* What request_check makes of target, Host and fields: of a head of HTTP/1.1, or, where the input begins with
 * '2', of lines that stand for :path, :authority and fields of HTTP/2. */
#include "../unit/request/sample.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum fault check_h2(struct sample *s, struct slice text)
{
	struct request *r = &s->r;

	r->version = 20;
	r->method = slice_cut(&text, '\n');
	r->scheme = slice_cut(&text, '\n');
	r->authority = slice_cut(&text, '\n');
	r->target = slice_cut(&text, '\n');
	s->client_facts.tls = true;
	while (text.len) {
		struct slice value = slice_cut(&text, '\n'), name = slice_cut(&value, '=');
		if (!headers_add(&r->headers, name, value))
			break;
	}
	return request_check(r);
}

static void sound(const struct request *r)
{
	char again[8192];
	size_t len;

	check(!slice_same(r->method, S("CONNECT")));
	check(slice_same(r->scheme, r->client_facts->tls ? S("https") : S("http")));
	check(r->host.len || r->version == 10);
	for (size_t i = 0; i < r->host.len; i++)
		check(char_is(r->host.at[i], CHAR_HOST) || strchr("[]:", r->host.at[i]));
	for (size_t i = 0; i < r->host.len; i++)
		check(r->host.at[i] == slice_lower(r->host.at[i]));
	check(!slice_ends(r->host, S(".")) && r->authority.len >= r->host.len);
	check(slice_find(r->authority, '@') == r->authority.len);
	check(char_all(r->query, CHAR_TARGET) && (r->has_query || r->query.len == 0));
	check(headers_count(&r->headers, HEADER_AUTHORIZATION) < 2 &&
	      headers_count(&r->headers, HEADER_HOST) < 2);
	check(!r->arena.overflowed);
	if (slice_same(r->path, S("*")))
		return;
	check(r->path.len <= sizeof again && path_normalise(r->path, again, &len));
	check(slice_same(r->path, (struct slice){ again, len }));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sample s;
	struct slice text = { (const char *)data, size < 8192 ? size : 8192 };
	bool two = text.len && text.at[0] == '2';

	sample_init(&s);
	if ((two ? check_h2(&s, slice_from(text, 1)) : sample_read(&s, text)) != FAULT_NONE)
		return 0;
	sound(&s.r);
	request_strip(&s.r);
	for (uint16_t i = 0; i < s.r.headers.len; i++)
		check(s.r.headers.at[i].dropped || !header_is_ours(s.r.headers.at[i].name));
	check(!headers_find(&s.r.headers, HEADER_CONNECTION) && !headers_find(&s.r.headers, HEADER_UPGRADE));
	return 0;
}
