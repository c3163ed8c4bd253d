/* A request head from a stranger: sound, and the same in whatever pieces it comes. */
#include "../unit/request/sample.h"
#include "pieces.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct head_bounds bounds = { .head_max = 600, .target_max = 100, .fields_max = 12 };

struct outcome {
	enum head_result result;
	enum fault why;
	size_t len;
};

static struct outcome read_pieces(struct sample *s, struct slice all, struct pieces *p)
{
	struct outcome o = { HEAD_MORE, FAULT_NONE, 0 };
	size_t seen = 0, n = 0;

	for (;;) {
		sample_init(s);
		o.result = head_read_request(slice_head(all, n), &bounds, &seen, &s->r, &o.len, &o.why);
		if (o.result != HEAD_MORE || n == all.len)
			return o;
		n += p ? pieces_next(p, all.len - n) : all.len;
	}
}

static void inside(struct slice part, struct slice whole)
{
	check(part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static void sound(const struct request *r, const struct outcome *o, struct slice all)
{
	bool coded = headers_find(&r->headers, HEADER_TRANSFER_ENCODING) != NULL;

	check(o->len <= bounds.head_max && o->len <= all.len);
	check(slice_ends(slice_head(all, o->len), S("\r\n\r\n")));
	check(memchr(all.at, '\0', o->len) == NULL);
	check(header_is_name(r->method) && r->target.len && r->target.len <= bounds.target_max);
	check(r->version == 10 || r->version == 11);
	check(r->headers.len <= bounds.fields_max);
	for (uint16_t i = 0; i < r->headers.len; i++) {
		check(header_is_name(r->headers.at[i].name) && header_is_value(r->headers.at[i].value));
		inside(r->headers.at[i].name, slice_head(all, o->len));
		inside(r->headers.at[i].value, slice_head(all, o->len));
	}
	check(r->chunked == coded && (!coded || (r->has_body && r->version == 11)));
	check(headers_count(&r->headers, HEADER_CONTENT_LENGTH) == (r->has_body && !r->chunked));
	check(!r->upgrade_websocket || !r->has_body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sample one, other;
	struct slice all = { (const char *)data, size };
	struct pieces p = pieces_of(all);
	struct outcome a = read_pieces(&one, all, NULL), b = read_pieces(&other, all, &p);

	check(a.result == b.result && a.len == b.len);
	check(a.result != HEAD_BAD || (a.why == b.why && a.why != FAULT_NONE && fault_info[a.why].close));
	if (a.result == HEAD_MORE) {
		check(size < bounds.head_max);
		return 0;
	}
	inside(one.r.method, all);
	inside(one.r.target, all);
	check(slice_same(one.r.method, other.r.method) && slice_same(one.r.target, other.r.target));
	check(one.r.headers.len == other.r.headers.len);
	if (a.result == HEAD_DONE)
		sound(&one.r, &a, all);
	return 0;
}
