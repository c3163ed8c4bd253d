/* h2_answer.c -- the answer out on an HTTP/2 stream: heads, DATA, trailers. */
#include "http/h2.h"
#include "base/check.h"
#include "base/text.h"

#define FIELDS_MOST (SCRATCH_SIZE / sizeof(nghttp2_nv))
#define NAMES_EVERY 64 /* answers of a connection, of which one leaves all its fields in the peer's table */

struct fields {
	nghttp2_nv *at; /* in the loop's scratch_head; nghttp2 copies what it is given */
	size_t len;
	bool cut;
};

static struct fields fields_in_scratch(const struct h2 *h)
{
	return (struct fields){ .at = (nghttp2_nv *)(void *)h->c.server->loop->scratch_head };
}

static void add_flagged(struct fields *f, struct slice name, struct slice value, uint8_t flags)
{
	if (f->len == FIELDS_MOST) {
		f->cut = true;
		return;
	}
	f->at[f->len++] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name.at,
		                            .value = (uint8_t *)(uintptr_t)value.at,
		                            .namelen = name.len,
		                            .valuelen = value.len,
		                            .flags = flags };
}

/* A name that is a literal of ours. */
static void add(struct fields *f, struct slice name, struct slice value)
{
	add_flagged(f, name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

/* What speaks of one HTTP/1.1 connection, or of the length that we say ourselves. */
static bool is_ours(const struct header *f)
{
	return header_is(f->id, FIELD_CONNECTION) || f->id == HEADER_CONTENT_LENGTH || f->name.len == 0 ||
	       f->name.at[0] == ':';
}

static void add_all(struct fields *to, const struct headers *from)
{
	for (uint16_t i = 0; from && i < from->len; i++)
		if (!from->at[i].dropped && !is_ours(&from->at[i]))
			add_flagged(to, from->at[i].name, from->at[i].value, NGHTTP2_NV_FLAG_NONE);
}

/* Whose value no later answer has: ids, and what is left of a limit. */
static bool is_of_one_answer(const struct request *r, const struct header *f)
{
	return f->value.at == r->id || (r->rate_limit.len && f->value.at == r->rate_limit.at) ||
	       f->id == HEADER_X_REQUEST_ID || f->id == HEADER_TRACEPARENT;
}

/* Such values would only crowd others out of the compression table (RFC 7541 section 2.3.2), and the encoder
 * compares each with all its forerunners there. Their names are worth keeping: now and then one goes in. */
static void add_answer(struct fields *to, struct h2_stream *s, const struct headers *from)
{
	bool naming = s->h->answers++ % NAMES_EVERY == 0;

	for (uint16_t i = 0; from && i < from->len; i++) {
		const struct header *f = &from->at[i];
		if (f->dropped || is_ours(f))
			continue;
		bool passing = !naming && is_of_one_answer(s->request, f);
		struct slice name = f->id ? header_names[f->id] : f->name;
		unsigned lasts = f->id ? NGHTTP2_NV_FLAG_NO_COPY_NAME : 0;
		add_flagged(to, name, f->value, (uint8_t)(lasts | (passing ? NGHTTP2_NV_FLAG_NO_INDEX : 0)));
	}
}

static bool is_lost(const struct h2_stream *s)
{
	return s->closed || s->aborted;
}

/* ---- heads ---- */

static bool interim(struct h2_stream *s, unsigned status, const struct headers *more)
{
	struct fields f = fields_in_scratch(s->h);
	char digits[3];
	struct text t = TEXT(digits);

	if (is_lost(s))
		return false;
	if (s->answered)
		return true;
	text_u64(&t, status);
	add(&f, S(":status"), text_slice(&t));
	add_all(&f, more);
	if (f.cut)
		return true; /* it only gives a hint */
	nghttp2_submit_headers(s->h->session, NGHTTP2_FLAG_NONE, s->id, NULL, f.at, f.len, NULL);
	h2_touch(s->h);
	return true;
}

void h2_say_continue(struct request *r)
{
	struct h2_stream *s = h2_of(r);

	if (!s->continued)
		interim(s, 100, NULL);
	s->continued = true;
}

bool h2_early(struct request *r, const struct response *a)
{
	return interim(h2_of(r), a->status, a->fields);
}

bool h2_head(struct request *r, const struct response *a)
{
	struct h2_stream *s = h2_of(r);
	struct fields f = fields_in_scratch(s->h);
	bool never = a->status == 204 || a->status == 304;
	char digits[3], length[20];
	struct text status = TEXT(digits), count = TEXT(length);

	check(!s->answered);
	if (is_lost(s))
		return false;
	s->answered = true;
	s->bare = a->no_body || never || (a->has_length && a->length == 0);
	text_u64(&status, a->status);
	add(&f, S(":status"), text_slice(&status));
	add_answer(&f, s, a->fields);
	if (a->has_length && !never) {
		text_u64(&count, a->length);
		add(&f, S("content-length"), text_slice(&count));
	}
	if (f.cut ||
	    nghttp2_submit_response(s->h->session, s->id, f.at, f.len, s->bare ? NULL : &h2_answer_source) != 0) {
		h2_reset(s, NGHTTP2_INTERNAL_ERROR);
		return false;
	}
	h2_touch(s->h);
	return true;
}

/* ---- content ---- */

size_t h2_room(const struct request *r)
{
	struct h2_stream *s = h2_of(r);
	struct h2 *h = s->h;
	size_t most = h->out_len < H2_OUT_ALL ? H2_OUT_MOST : H2_OUT_LEAST;

	if (wire_backlog(h->c.wire) >= WIRE_HIGH) {
		h->choked = s->starved = true;
		return 0;
	}
	if (s->out_len >= most)
		s->starved = true;
	return s->out_len < most ? most - s->out_len : 0;
}

static void queue(struct h2_stream *s, struct slice bytes)
{
	struct loop *l = s->h->c.server->loop;

	if (s->out_len == 0)
		s->taken_ns = l->now_ns; /* until now there was nothing to take */
	s->out_len += bytes.len;
	s->h->out_len += bytes.len;
	while (bytes.len) {
		struct block *b = s->out_last;
		if (!b || b->to == BLOCK_SIZE) {
			b = block_take(l);
			if (s->out_last)
				s->out_last->next = b;
			else
				s->out = b;
			s->out_last = b;
		}
		size_t n = slice_head(bytes, BLOCK_SIZE - b->to).len;
		memcpy(b->bytes + b->to, bytes.at, n);
		b->to += (uint32_t)n;
		bytes = slice_from(bytes, n);
	}
}

void h2_resume(struct h2_stream *s)
{
	if (s->deferred)
		nghttp2_session_resume_data(s->h->session, s->id);
	s->deferred = false;
	h2_touch(s->h);
}

bool h2_body(struct request *r, struct slice bytes)
{
	struct h2_stream *s = h2_of(r);

	if (is_lost(s))
		return false;
	if (s->bare || !bytes.len)
		return true;
	r->body_out += bytes.len;
	queue(s, bytes);
	h2_resume(s);
	return true;
}

/* Trailers wait for the content before them: the caller's memory does not. */
static void keep_trailers(struct h2_stream *s, const struct headers *from)
{
	struct arena *a = &s->request->arena;
	struct headers *to = &s->trailers;

	to->at = arena_take(a, from->len * sizeof *to->at);
	for (uint16_t i = 0; to->at && i < from->len; i++) {
		const struct header *f = &from->at[i];
		if (f->dropped || is_ours(f))
			continue;
		struct header kept = { .name = arena_copy(a, f->name),
			                   .value = f->value.len ? arena_copy(a, f->value) : S(""),
			                   .id = f->id };
		if (!kept.name.at || !kept.value.at)
			return;
		to->at[to->len++] = kept;
	}
}

bool h2_end(struct request *r, const struct headers *trailers)
{
	struct h2_stream *s = h2_of(r);

	s->ended = true;
	if (s->sent || is_lost(s))
		return s->sent;
	if (s->bare)
		return true;
	if (trailers && trailers->len)
		keep_trailers(s, trailers);
	h2_resume(s);
	return true;
}

static void submit_trailers(struct h2_stream *s)
{
	struct fields f = fields_in_scratch(s->h);

	add_all(&f, &s->trailers);
	if (nghttp2_submit_trailer(s->h->session, s->id, f.at, f.len) != 0)
		h2_reset(s, NGHTTP2_INTERNAL_ERROR);
}

ssize_t h2_data_len(struct h2_stream *s, size_t most, uint32_t *flags)
{
	size_t record = H2_GATHER - s->h->gathered; /* what fills up this write */
	size_t len = s->out_len;

	if (len == 0 && s->cut)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* RST_STREAM with INTERNAL_ERROR */
	if (len == 0 && !s->ended) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (record < H2_RECORD / 4)
		record = H2_GATHER;
	most = most < record - 9 ? most : record - 9;
	len = len < most ? len : most;
	if (len)
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (len < s->out_len || !s->ended)
		return (ssize_t)len;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->trailers.len) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_trailers(s);
	}
	return (ssize_t)len;
}

static void wake_for_room(struct h2_stream *s)
{
	if (!s->starved || s->finished || s->out_len > H2_OUT_LEAST / 2)
		return;
	s->starved = false;
	request_wake(s->request);
}

void h2_data_send(struct h2_stream *s, size_t len)
{
	s->taken_ns = s->h->c.server->loop->now_ns;
	s->out_len -= len;
	s->h->out_len -= len;
	while (len) {
		struct block *b = s->out;
		size_t n = b->to - b->from < len ? b->to - b->from : len;
		h2_gather(s->h, b->bytes + b->from, n);
		b->from += (uint32_t)n;
		len -= n;
		if (b->from < b->to)
			continue;
		s->out = b->next;
		if (!s->out)
			s->out_last = NULL;
		block_give(s->h->c.server->loop, b);
	}
	wake_for_room(s);
}

/* ---- an answer without a request ---- */

void h2_refuse_unborn(struct h2 *h, int32_t id)
{
	struct fields f = fields_in_scratch(h);
	char digits[8];
	struct text status = TEXT(digits);

	if (!h->unborn_status)
		h->unborn_status = (uint16_t)http_unborn(h->c.server, (enum fault)h->unborn, S(""));
	text_u64(&status, h->unborn_status);
	add(&f, S(":status"), text_slice(&status));
	if (h->unborn_status != 503)
		add(&f, S("sallyport-status"), S("503"));
	add(&f, S("content-length"), S("0"));
	add(&f, S("retry-after"), S("2"));
	add(&f, S("cache-control"), S("no-store"));
	add(&f, S("sallyport-reason"), slice_of(fault_info[h->unborn].code));
	nghttp2_submit_response(h->session, id, f.at, f.len, NULL);
}
