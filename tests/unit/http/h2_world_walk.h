/* h2_world_walk.h -- the part of h2_world.h that answers. */
#pragma once

static inline bool answer(struct request *r, uint16_t status, bool has_length, uint64_t length)
{
	static struct header field[2];
	struct headers fields = { field, 0, 2 };
	struct response a = { .status = status,
		                  .fields = &fields,
		                  .has_length = has_length,
		                  .length = length,
		                  .no_body = slice_same(r->method, S("HEAD")) };

	headers_add(&fields, S("X-From"), S("world"));
	if (slice_same(r->target, S("/named")))
		headers_add(&fields, S("Sallyport-Request-Id"), slice_of(r->id));
	((struct stay *)r->waits)->answered = true;
	return r->ops->head(r, &a);
}

static inline bool give(struct request *r, uint16_t status, struct slice text)
{
	bool head = slice_same(r->method, S("HEAD"));

	return answer(r, status, true, text.len) && (head || r->ops->body(r, text)) && r->ops->end(r, NULL);
}

/* true: done with it */
static inline bool walk_sink(struct world *w, struct request *r)
{
	char bytes[65536];
	ssize_t got = r->ops->body_read(r, bytes, w->gulp);

	if (got > 0) {
		w->got += (uint64_t)got;
		world_wake(r); /* again in the next turn */
		return false;
	}
	if (got == BODY_TOO_LONG)
		return give(r, 413, S("too long")) || true;
	if (got == BODY_BROKEN)
		r->ops->abort(r);
	return got == BODY_BROKEN || (got == BODY_END && (give(r, 200, S("swallowed")) || true));
}

static inline bool walk_big(struct world *w, struct request *r)
{
	static char pattern[65536];
	struct stay *stay = r->waits;
	size_t room;

	if (!stay->answered && !answer(r, 200, false, 0))
		return true;
	while (stay->sent < w->big && (room = r->ops->room(r)) > 0) {
		size_t n = room < w->big - stay->sent ? room : (size_t)(w->big - stay->sent);
		n = n < sizeof pattern ? n : sizeof pattern;
		memset(pattern, 'x', n);
		if (!r->ops->body(r, (struct slice){ pattern, n }))
			return true;
		stay->sent += n;
	}
	return stay->sent == w->big && (r->ops->end(r, NULL) || true);
}

static inline bool walk_trailers(struct request *r)
{
	struct header field[1];
	struct headers trailers = { field, 0, 1 };
	struct response hint = { .status = 103, .fields = &trailers };

	headers_add(&trailers, S("x-sum"), S("42"));
	r->ops->early(r, &hint);
	answer(r, 200, false, 0);
	r->ops->body(r, S("part"));
	return r->ops->end(r, &trailers) || true;
}

static inline bool walk_one(struct world *w, struct request *r)
{
	if (r->fault)
		return give(r, fault_info[r->fault].status, S("no")) || true;
	if (slice_same(r->target, S("/sink")) || slice_same(r->target, S("/open"))) {
		if (slice_same(r->target, S("/open")))
			r->ops->body_open(r);
		if (r->expects_continue)
			r->ops->say_continue(r);
		return walk_sink(w, r);
	}
	if (slice_same(r->target, S("/limited"))) {
		r->ops->body_limit(r, 100);
		return walk_sink(w, r);
	}
	if (slice_same(r->target, S("/big")))
		return walk_big(w, r);
	if (slice_same(r->target, S("/trailers")))
		return walk_trailers(r);
	if (slice_same(r->target, S("/early")))
		return give(r, 401, S("no body wanted")) || true;
	if (slice_same(r->target, S("/cut"))) {
		answer(r, 200, false, 0);
		r->ops->body(r, S("half"));
		r->ops->abort(r);
		return true;
	}
	return !slice_same(r->target, S("/park")) && (give(r, 200, S("hello")) || true);
}
