/* pump.c -- bodies both ways with back-pressure: nothing is read from one side while the other does not take.
 */
#include "forward/inside.h"
#include "base/check.h"
#include "base/text.h"

#define TURN_BYTES \
	(256 * 1024) /* one request moves this much in a turn each way, then the others have theirs */

/* ---- the request's body ---- */

/* chunk head, content, chunk end in one write; content lies in scratch_in. */
static bool send_piece(struct request *r, struct upstream_call *p, struct slice content)
{
	struct text t = { .at = r->loop->scratch_out, .cap = SCRATCH_SIZE };
	char size[18];

	if (!p->up_chunked)
		return wire_write(p->link->wire, content);
	text_add(&t, (struct slice){ size, chunk_head(content.len, size) });
	text_add(&t, content);
	text_add(&t, S("\r\n"));
	check(!t.cut);
	return wire_write(p->link->wire, text_slice(&t));
}

/* Trailers that nobody may take for ours, for the route's or for another name. */
static bool may_follow(const struct request *r, const struct header *h)
{
	bool any_name = r->config->root.http.field_names == FIELD_NAMES_TOKEN;

	return !h->dropped && !header_is_vouched(h->name) && !request_has_carrier(r, h->name) &&
	       !trailer_overrides(h->name) && !head_is_changed(r, h->name) &&
	       (any_name || header_is_plain(h->name));
}

static bool send_last(struct request *r, struct upstream_call *p)
{
	struct text t = { .at = r->loop->scratch_out, .cap = SCRATCH_SIZE };
	struct header fields[32];
	struct headers trailers = { fields, 0, 32 };

	p->up_done = true;
	p->sent_ns = r->loop->now_ns;
	if (!p->up_chunked)
		return true;
	text_add(&t, S("0\r\n"));
	if (r->ops->trailers && r->ops->trailers(r, &trailers)) {
		for (uint16_t i = 0; i < trailers.len; i++) {
			if (may_follow(r, &trailers.at[i]))
				text_field(&t, trailers.at[i].name, trailers.at[i].value);
		}
	}
	text_add(&t, S("\r\n"));
	return !t.cut && wire_write(p->link->wire, text_slice(&t));
}

enum step_result pump_up(struct request *r, struct upstream_call *p)
{
	uint64_t until = r->body_in + TURN_BYTES;

	if (!r->has_body)
		p->up_done = true;
	for (size_t room; !p->up_done && (room = wire_room(p->link->wire)) > 0;) {
		bool held = p->stash_used < r->stash.len;
		ssize_t got = http_body_read(r, &p->stash_used, r->loop->scratch_in, room);
		if (got == BODY_LATER)
			return WAIT;
		if (got == BODY_BROKEN)
			return request_fail(r, r->ops->is_gone(r) ? FAULT_CLIENT_LEFT : FAULT_BAD_FRAMING);
		if (got == BODY_TOO_LONG)
			return request_fail(r, FAULT_BODY_TOO_BIG);
		p->beyond_stash |= !held && got > 0;
		bool sent = got == BODY_END ? send_last(r, p)
		                            : send_piece(r, p, (struct slice){ r->loop->scratch_in, (size_t)got });
		if (!sent)
			return WAIT; /* the answer, or the failure, is seen on the reading side */
		if (r->body_in >= until) {
			request_wake(r);
			return WAIT;
		}
	}
	return p->up_done ? GO_ON : WAIT;
}

/* ---- the answer's body ---- */

static bool finish_answer(struct request *r, struct upstream_call *p)
{
	struct header fields[32];
	struct headers trailers = { fields, 0, 32 };

	p->down_done = true;
	bool any = p->body.kind == BODY_CHUNKED && p->body.trailer_len && body_trailers(&p->body, &trailers);
	return r->ops->end(r, any ? &trailers : NULL);
}

/* Takes framing off and hands content on; false where the answer is broken. */
static bool pass_on(struct request *r, struct upstream_call *p, struct slice *bytes)
{
	struct slice content;

	while (bytes->len && !p->body.ended) {
		size_t before = bytes->len;
		if (!body_decode(&p->body, bytes, &content))
			return false;
		if (content.len && !r->ops->body(r, content))
			return false;
		if (bytes->len == before && !content.len)
			break;
	}
	return true;
}

/* Takes framing off what came with the head, up to the first content. */
static bool unframe_first(struct upstream_call *p)
{
	struct slice bytes = { p->in->bytes + p->in->from, p->in->to - p->in->from };
	bool good = true;

	while (good && bytes.len && !p->body.ended && !p->first.len) {
		size_t before = bytes.len;
		good = body_decode(&p->body, &bytes, &p->first);
		if (bytes.len == before && !p->first.len)
			break;
	}
	p->in->from = p->in->to - (uint32_t)bytes.len;
	return good;
}

enum step_result pump_first(struct request *r, struct upstream_call *p)
{
	struct block *b = p->in;
	ssize_t got = 1;

	if (p->head.no_body || p->body.ended)
		return GO_ON;
	if (wire_is_unsure(p->link->wire) && b->from == b->to)
		wire_look(p->link->wire);
	while (unframe_first(p) && !p->first.len && !p->body.ended && b->to < b->cap) {
		got = wire_read(p->link->wire, b->bytes + b->to, b->cap - b->to);
		if (got <= 0)
			break;
		b->to += (uint32_t)got;
	}
	if (body_is_broken(&p->body))
		return request_fail(r, FAULT_UPSTREAM_NONSENSE);
	bool until = p->body.kind == BODY_UNTIL_CLOSE && !tls_was_truncated(p->link->wire);
	bool cut = got == WIRE_FAILED || (got == WIRE_END && !until);
	return cut ? request_fail(r, FAULT_UPSTREAM_RESET) : GO_ON;
}

/* ---- what GUARD looks at before any of it is passed on ---- */

/* Moves content to the block, its framing taken off; false: malformed. What does not fit stays in *bytes. */
static bool keep_content(struct upstream_call *p, struct slice *bytes, size_t most)
{
	struct slice content = p->first;

	while (p->held->to < most) {
		if (!content.len) {
			if (p->body.ended || !bytes->len)
				break;
			size_t before = bytes->len;
			if (!body_decode(&p->body, bytes, &content))
				return false;
			if (bytes->len == before && !content.len)
				break;
		}
		size_t n = most - p->held->to < content.len ? most - p->held->to : content.len;
		memcpy(p->held->bytes + p->held->to, content.at, n);
		p->held->to += (uint32_t)n;
		content = slice_from(content, n);
	}
	p->first = content;
	return true;
}

/* The upstream has closed: that ends the body, or cuts it. */
static enum step_result hold_closed(struct request *r, struct upstream_call *p, ssize_t got)
{
	if (got != WIRE_END || p->body.kind != BODY_UNTIL_CLOSE || tls_was_truncated(p->link->wire))
		return request_fail(r, FAULT_UPSTREAM_RESET);
	p->body.ended = p->held_whole = true;
	return GO_ON;
}

static enum step_result gather(struct request *r, struct upstream_call *p, size_t most)
{
	struct block *b = p->in;

	if (p->head.no_body || (p->body.kind == BODY_LENGTH && p->head.length > most)) {
		p->held_whole = p->head.no_body;
		return GO_ON;
	}
	if (!p->held)
		p->held = block_take(r->loop);
	struct slice bytes = { b->bytes + b->from, b->to - b->from }; /* which came with the head */
	for (;;) {
		bool good = keep_content(p, &bytes, most);
		if (b->from < b->to)
			b->from = b->to - (uint32_t)bytes.len;
		else
			p->unread_sent |= bytes.len > 0; /* more than the answer */
		if (!good)
			return request_fail(r, FAULT_UPSTREAM_NONSENSE);
		p->held_whole = p->body.ended && !p->first.len;
		if (p->held_whole || p->held->to == most)
			return GO_ON;
		/* no more than there is room for, so that all of it can be kept */
		ssize_t got = wire_read(p->link->wire, r->loop->scratch_in, most - p->held->to);
		if (got == WIRE_LATER)
			return WAIT;
		if (got <= 0)
			return hold_closed(r, p, got);
		bytes = (struct slice){ r->loop->scratch_in, (size_t)got };
	}
}

enum step_result forward_hold(struct forward *f, struct request *r, size_t most, struct slice *body,
                              bool *whole)
{
	struct upstream_call *p = r->call;
	enum step_result up = p->up_done ? GO_ON : pump_up(r, p);

	(void)f;
	if (up == ANSWER || up == HANG_UP)
		return up;
	enum step_result pace = gather(r, p, most);
	*whole = p->held_whole;
	*body = p->held ? (struct slice){ p->held->bytes, p->held->to } : S("");
	return pace;
}

void pump_swallow(const struct request *r, struct upstream_call *p)
{
	struct slice content, bytes;

	if (p->state != CALL_BODIES || p->down_done || !r->fault)
		return;
	bytes = (struct slice){ p->in->bytes + p->in->from, p->in->to - p->in->from };
	while (bytes.len && !p->body.ended)
		if (!body_decode(&p->body, &bytes, &content))
			return;
	p->in->from = p->in->to - (uint32_t)bytes.len;
	p->first = S("");
	p->down_done = p->body.ended || p->head.no_body;
}

void pump_free(struct request *r, struct upstream_call *p)
{
	if (p->in)
		block_give(r->loop, p->in);
	if (p->held)
		block_give(r->loop, p->held);
	p->in = p->held = NULL;
}

/* Bytes of the answer that came with its head. */
static bool pass_held(struct request *r, struct upstream_call *p)
{
	struct block *b = p->in;
	struct block *kept = p->held;
	struct slice first = p->first;

	p->first = S("");
	p->held = NULL;
	if (kept) {
		bool ok = !kept->to || r->ops->body(r, (struct slice){ kept->bytes, kept->to });
		block_give(r->loop, kept);
		if (!ok)
			return false;
	}
	if (first.len && !r->ops->body(r, first))
		return false;
	if (b->from == b->to)
		return true;
	struct slice bytes = { b->bytes + b->from, b->to - b->from };
	bool ok = pass_on(r, p, &bytes);
	b->from = b->to - (uint32_t)bytes.len;
	return ok;
}

/* Where the client takes no more, the upstream is not to blame. */
static enum step_result cut(struct request *r)
{
	r->fault = r->ops->is_gone(r) ? FAULT_CLIENT_LEFT : FAULT_UPSTREAM_CUT;
	return HANG_UP;
}

/* The upstream has closed; whole only where the close is what ends the body. */
static enum step_result closed(struct request *r, struct upstream_call *p)
{
	if (p->body.kind != BODY_UNTIL_CLOSE || tls_was_truncated(p->link->wire))
		return cut(r);
	p->body.ended = true;
	return finish_answer(r, p) ? GO_ON : HANG_UP;
}

enum step_result pump_down(struct request *r, struct upstream_call *p)
{
	struct wire *w = p->link->wire;
	uint64_t until = r->body_out + TURN_BYTES;

	if (!pass_held(r, p))
		return cut(r);
	while (!p->down_done) {
		if (p->body.ended)
			return finish_answer(r, p) ? GO_ON : HANG_UP;
		size_t room = r->ops->room(r);
		if (room == 0)
			return WAIT;
		if (r->body_out >= until) {
			request_wake(r);
			return WAIT;
		}
		ssize_t got = wire_read(w, r->loop->scratch_in, room < PIECE_SIZE ? room : PIECE_SIZE);
		if (got == WIRE_LATER)
			return WAIT;
		if (got == WIRE_END)
			return closed(r, p);
		if (got == WIRE_FAILED)
			return cut(r);
		struct slice bytes = { r->loop->scratch_in, (size_t)got };
		if (!pass_on(r, p, &bytes))
			return cut(r);
		p->unread_sent |= bytes.len > 0; /* more than the answer: this connection is not used again */
	}
	return GO_ON;
}

/* ---- a WebSocket: bytes are bytes ---- */

/* True while the way from -> to may go on. */
static bool stream(struct loop *l, struct wire *from, struct wire *to, uint64_t *count)
{
	uint64_t until = *count + TURN_BYTES;

	for (size_t room; (room = wire_room(to)) > 0;) {
		if (*count >= until) {
			wire_nudge(from);
			return true;
		}
		ssize_t got = wire_read(from, l->scratch_in, room);
		if (got == WIRE_LATER)
			return true;
		if (got < 0 || !wire_write(to, (struct slice){ l->scratch_in, (size_t)got }))
			return false;
		*count += (uint64_t)got;
	}
	return true;
}

enum step_result pump_tunnel(struct request *r, struct upstream_call *p)
{
	struct slice early;
	struct wire *client = r->ops->tunnel(r, &early), *up = p->link->wire;

	if (!p->up_done) { /* what the client sent before it saw the 101, and the upstream right behind it */
		p->up_done = true;
		struct slice held = { p->in->bytes + p->in->from, p->in->to - p->in->from };
		p->in->from = p->in->to;
		if (!wire_write(up, early) || !wire_write(client, held))
			return HANG_UP;
		r->body_in += early.len;
		r->body_out += held.len;
	}
	bool out = stream(r->loop, up, client, &r->body_out);
	bool in = stream(r->loop, client, up, &r->body_in);
	return out && in ? WAIT : GO_ON;
}
