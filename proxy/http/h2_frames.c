/* h2_frames.c -- what nghttp2 reports of a connection's frames, and the floods that are cut. */
#include "http/h2.h"
#include "base/check.h"
#include <stdlib.h>

static struct h2_stream *find(nghttp2_session *session, const struct h2 *h, int32_t id)
{
	if (h->heading && h->heading->id == id)
		return h->heading;
	return id ? nghttp2_session_get_stream_user_data(session, id) : NULL;
}

/* ---- floods ---- */

/* Takes one from an allowance of rate->count events that comes back over rate->per_ns. */
static bool allow(const struct h2 *h, const struct rate *rate, uint64_t *drawn_ns)
{
	struct gcra allowance = { rate->per_ns / (rate->count ? rate->count : 1), rate->per_ns };
	uint64_t wait_ns;

	return gcra_take(allowance, drawn_ns, h->c.server->loop->now_ns, 1, &wait_ns);
}

static int end_for_flood(struct h2 *h)
{
	h->goaway_code = NGHTTP2_ENHANCE_YOUR_CALM;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Frames that cost us and carry nothing. One that follows useful ones (a window opened after an answer, a
 * ping after it to measure the line) has been earned by them. */
static int count_control(struct h2 *h)
{
	if (h->credit) {
		h->credit--;
		return 0;
	}
	return allow(h, &h->c.server->config->root.http.controls_max, &h->controls_ns) ? 0 : end_for_flood(h);
}

static void earn(struct h2 *h)
{
	h->credit = h->credit + 2 < H2_CREDIT_MOST ? h->credit + 2 : H2_CREDIT_MOST;
}

static int count_reset(struct h2 *h)
{
	return allow(h, &h->c.server->config->root.http.resets_max, &h->resets_ns) ? 0 : end_for_flood(h);
}

static bool is_control(const struct h2 *h, const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_DATA: /* counted as it begins: data_error */
		return false;
	case NGHTTP2_HEADERS:
		return h->leaving == H2_LEFT; /* its stream is not served: no request is counted for it */
	case NGHTTP2_RST_STREAM:
		return false;
	case NGHTTP2_SETTINGS:
		return !(hd->flags & NGHTTP2_FLAG_ACK); /* nghttp2 ends the session for one too many */
	default: /* PING, PRIORITY, WINDOW_UPDATE, CONTINUATION, GOAWAY and what we do not know */
		return true;
	}
}

/* nghttp2 discards what comes on a stream that it does not know any more; even ones it looks after itself. */
static uint32_t late_error(const struct h2 *h, int32_t id)
{
	bool there = nghttp2_session_get_stream_remote_close(h->session, id) != -1;

	return there ? 0 : h2_past_error(&h->past, id);
}

/* An empty one costs us, whether its stream is there or not. It may say that a body ends, where one is
 * open. */
static uint32_t data_error(struct h2 *h, int32_t id)
{
	uint32_t late = id % 2 && id <= h->past.highest ? late_error(h, id) : 0;
	bool ends = h2_scan_ends_stream(&h->scan) && nghttp2_session_get_stream_remote_close(h->session, id) == 0;

	if (!late && !ends && h2_scan_is_empty(&h->scan))
		count_control(h);
	return late ? late : h->goaway_code;
}

/* Streams above our last GOAWAY are not opened: discarding is right for them. */
static uint32_t late_head(struct h2 *h, int32_t id)
{
	if (id % 2 && id <= h->past.highest)
		return late_error(h, id);
	if (id % 2 && h->leaving != H2_LEFT)
		h2_past_open(&h->past, id);
	return 0;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *with)
{
	struct h2 *h = with;

	(void)session;
	if (hd->type == NGHTTP2_RST_STREAM)
		return count_reset(h);
	if (hd->type == NGHTTP2_HEADERS && (h->goaway_code = late_head(h, hd->stream_id)) != 0)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	return is_control(h, hd) ? count_control(h) : 0;
}

/* Frames of types we do not know: counted like the others as they begin, then left out. */
static int on_unknown(nghttp2_session *session, void **payload, const nghttp2_frame_hd *hd, void *with)
{
	(void)session;
	(void)payload;
	(void)hd;
	(void)with;
	return NGHTTP2_ERR_CANCEL;
}

/* A head that opened no stream is refused; more may follow before our reset is even written. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *with)
{
	struct h2 *h = with;

	(void)error;
	if (frame->hd.type == NGHTTP2_HEADERS &&
	    nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == -1)
		h2_past_reset(&h->past, frame->hd.stream_id);
	return 0;
}

/* ---- heads ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *with)
{
	struct h2 *h = with;

	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
		h->heading = find(session, with, frame->hd.stream_id);
		return 0;
	}
	h->head_ns = h->c.server->loop->now_ns;
	h->unborn_status = 0;
	h->heading = h2_stream_open(h, frame->hd.stream_id);
	h->unborn = h->c.server->why_unborn;
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, h->heading);
	return 0;
}

static struct slice view(nghttp2_rcbuf *of)
{
	nghttp2_vec v = nghttp2_rcbuf_get_buf(of);

	return (struct slice){ (const char *)v.base, v.len };
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *with)
{
	struct h2_stream *s = find(session, with, frame->hd.stream_id);
	struct h2 *h = with;

	(void)flags;
	if (!s) {
		if (frame->headers.cat == NGHTTP2_HCAT_REQUEST && slice_same(view(name), S(":path")))
			h->unborn_status = (uint16_t)http_unborn(h->c.server, (enum fault)h->unborn, view(value));
		return 0;
	}
	return s->told ? h2_trailer(s, view(name), view(value)) : h2_field(s, view(name), view(value));
}

/* A field that nghttp2 would leave out: what is malformed is refused, not repaired. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                             nghttp2_rcbuf *value, uint8_t flags, void *with)
{
	struct h2_stream *s = find(session, with, frame->hd.stream_id);

	(void)name;
	(void)value;
	(void)flags;
	(void)with;
	if (!s || s->told) /* a trailer */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (!s->fault)
		s->fault = FAULT_BAD_REQUEST;
	return 0;
}

static void request_begins(struct h2 *h, struct h2_stream *s, const nghttp2_frame *frame)
{
	h->head_ns = 0;
	h->requests++;
	if (h->requests >= h->c.server->config->root.http.requests_max)
		h2_leave(h);
	if (!s) {
		h2_refuse_unborn(h, frame->hd.stream_id);
		return;
	}
	earn(h);
	s->in_ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
	h2_head_ends(s, !s->in_ended);
	h2_report(s);
}

/* ---- frames that are whole ---- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *with)
{
	struct h2 *h = with;
	struct h2_stream *s = find(session, with, frame->hd.stream_id);

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
			request_begins(h, s, frame);
		else if (s && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			h2_in_ends(s);
		return 0;
	case NGHTTP2_DATA:
		if (s && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			h2_in_ends(s);
		return 0;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK && h->leaving == H2_NOTICED)
			h2_leave_now(h);
		return 0;
	case NGHTTP2_SETTINGS:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK && h->phase == H2_GREETING)
			h2_greeted(h);
		return 0;
	default:
		return 0;
	}
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                    void *with)
{
	struct h2_stream *s = find(session, with, id);

	(void)flags;
	nghttp2_session_consume_connection(session, len); /* a parked stream starves nobody */
	if (s && !s->finished)
		h2_take_in(s, (struct slice){ (const char *)data, len });
	else
		h2_rest_data(with, id, len);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *with)
{
	struct h2 *h = with;
	struct h2_stream *s = find(session, with, id);

	(void)code;
	if (!s) {
		h2_rest_forget(h, id);
		return 0;
	}
	if (!s->told)
		h->head_ns = 0;
	h2_stream_closes(s, FAULT_BAD_REQUEST);
	return 0;
}

/* ---- frames of ours ---- */

static void answer_sent(struct h2 *h, struct h2_stream *s, const nghttp2_frame_hd *hd)
{
	if (!(hd->flags & NGHTTP2_FLAG_END_STREAM))
		return;
	if (s)
		h2_stream_sent(s);
	else if (nghttp2_session_get_stream_remote_close(h->session, hd->stream_id) == 0)
		h2_rest_add(h, hd->stream_id);
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *with)
{
	struct h2 *h = with;
	struct h2_stream *s = find(session, with, frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) != 1)
			h2_past_reset(&h->past, frame->hd.stream_id);
		if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR && !(s && (s->aborted || s->cut)))
			count_reset(h); /* provoked by the peer; h->goaway_code is looked at after the call */
		return 0;
	}
	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		h2_count_cut(frame->goaway.error_code);
	if (frame->hd.type == NGHTTP2_DATA && frame->hd.length >= 1024)
		earn(h);
	if (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)
		answer_sent(h, s, &frame->hd);
	return 0;
}

/* A head that could not be sent (too big for a frame) would leave its stream waiting for ever. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *with)
{
	struct h2_stream *s = find(session, with, frame->hd.stream_id);

	(void)error;
	(void)with;
	if (s && frame->hd.type == NGHTTP2_HEADERS)
		h2_reset(s, NGHTTP2_INTERNAL_ERROR);
	return 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
                       nghttp2_data_source *source, void *with)
{
	struct h2_stream *s = find(session, with, id);

	(void)to;
	(void)source;
	(void)with;
	return s ? h2_data_len(s, len, flags) : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                        nghttp2_data_source *source, void *with)
{
	struct h2 *h = with;
	struct h2_stream *s = find(session, with, frame->hd.stream_id);

	(void)source;
	if (!s)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (h->goaway_code || h2_is_full(h))
		return NGHTTP2_ERR_WOULDBLOCK;
	h2_make_room(h, 9 + len);
	h2_gather(h, head, 9);
	h2_data_send(s, len);
	return 0;
}

const nghttp2_data_provider h2_answer_source = { .read_callback = on_read };

/* ---- bytes in ---- */

static ssize_t hand_over(struct h2 *h, struct slice bytes)
{
	return nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.at, bytes.len);
}

ssize_t h2_hand_over(struct h2 *h, struct slice bytes)
{
	size_t from = 0, at = 0;

	while (at < bytes.len) {
		at += h2_scan_step(&h->scan, slice_from(bytes, at));
		int32_t id = h2_scan_data(&h->scan);
		if (!id)
			continue;
		size_t head_len = h2_scan_head_len(&h->scan), begin = at < head_len ? 0 : at - head_len;
		ssize_t used = hand_over(h, (struct slice){ bytes.at + from, begin - from });
		if (used < 0 || !nghttp2_session_want_read(h->session))
			return used;
		from = begin;
		h->goaway_code = data_error(h, id);
		if (h->goaway_code)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return hand_over(h, slice_from(bytes, from));
}

/* ---- the session ---- */

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *c;

	check(nghttp2_session_callbacks_new(&c) == 0);
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
	nghttp2_session_callbacks_set_unpack_extension_callback(c, on_unknown);
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback2(c, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback2(c, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_not_sent);
	nghttp2_session_callbacks_set_send_data_callback(c, on_send_data);
	return c;
}

static nghttp2_option *make_options(void)
{
	nghttp2_option *o;

	check(nghttp2_option_new(&o) == 0);
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_settings(o, 32);
	nghttp2_option_set_max_outbound_ack(o, 1000);
	nghttp2_option_set_max_send_header_block_length(o, H2_HEAD_OUT);
	for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
		nghttp2_option_set_user_recv_extension_type(o, (uint8_t)type); /* so that they are counted */
	return o;
}

bool h2_session(struct h2 *h)
{
	static nghttp2_session_callbacks *callbacks; /* made once, the same for all connections */
	static nghttp2_option *options;
	const struct config_http *o = &h->c.server->config->root.http;
	uint32_t head_most = (uint32_t)(o->head_max + 32 * o->headers_max);
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)o->streams_max },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_most },
	};

	callbacks = callbacks ? callbacks : make_callbacks();
	options = options ? options : make_options();
	h->memory = h2_place_take(h->c.server->h2_memory);
	return h->memory && nghttp2_session_server_new3(&h->session, callbacks, h, options, h->memory) == 0 &&
	       nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, 3) == 0 &&
	       nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_WINDOW_ALL) == 0;
}
