/* A chunked body: content, end and verdict do not depend on the pieces in which it comes. */
#include "http/codec.h"
#include "pieces.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	bool bad;
	size_t used, content_len;
	char content[4096];
};

static void decode(struct body *b, struct slice all, struct pieces *p, struct outcome *o)
{
	o->bad = false;
	o->used = o->content_len = 0;
	body_init(b, BODY_CHUNKED, 0);
	while (o->used < all.len && !b->ended) {
		size_t left = all.len - o->used;
		struct slice from = slice_head(slice_from(all, o->used), p ? pieces_next(p, left) : left), run;
		struct slice offered = from;
		if (!body_decode(b, &from, &run)) {
			check(!body_decode(b, &from, &run));
			o->bad = true;
			return;
		}
		check(run.at >= offered.at && run.at + run.len <= offered.at + offered.len);
		check(run.len || from.len == 0 || b->ended);
		check(from.len < offered.len);
		memcpy(o->content + o->content_len, run.at, run.len);
		o->content_len += run.len;
		o->used += offered.len - from.len;
	}
}

static void trailers(const struct body *b)
{
	struct header at[400];
	struct headers to = { .at = at, .cap = 400 };

	check(body_trailers(b, &to));
	for (uint16_t i = 0; i < to.len; i++) {
		check(header_is_name(to.at[i].name) && header_is_value(to.at[i].value));
		check(header_is_trailer(to.at[i].name) && !header_is_ours(to.at[i].name));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct body one, other;
	static struct outcome a, b;
	struct slice all = { (const char *)data, size < sizeof a.content ? size : sizeof a.content };
	struct pieces p = pieces_of(all);

	decode(&one, all, NULL, &a);
	decode(&other, all, &p, &b);
	check(a.bad == b.bad);
	if (a.bad)
		return 0;
	check(one.ended == other.ended && a.used == b.used && a.content_len == b.content_len);
	check(memcmp(a.content, b.content, a.content_len) == 0);
	check(one.trailer_len == other.trailer_len && memcmp(one.trailer, other.trailer, one.trailer_len) == 0);
	if (one.ended)
		trailers(&one);
	return 0;
}
