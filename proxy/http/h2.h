/* h2.h -- one HTTP/2 connection of a client (RFC 9113), spoken by nghttp2. Private to http/.
 *
 * GREETING (our settings are not acknowledged yet) -> OPEN -> LINGER (the session is over, our side is shut,
 * what still comes is discarded so that the last GOAWAY is not lost) -> LOST (the wire is useless) -> gone,
 * as soon as no request refers to the connection. Requests are served from the first frame on.
 *
 * Nothing is written when it is said: a connection that has something to say, or to look at, is put on
 * server->dirty and settled once, at the end of the turn, by http_flush(). It is freed nowhere else, but for
 * http_kill() of a connection without requests. */
#pragma once
#include "http/h2_answer.h"
#include "http/h2_discard.h"
#include "http/h2_memory.h"
#include "http/h2_past.h"
#include "http/h2_scan.h"
#include "http/http.h"

/* Of a stream before its body is wanted: the protocol's own default. A smaller one, told while a client is
 * already sending (RFC 9113 section 6.9.2), makes its window negative, which httpx takes for an error. */
#define H2_WINDOW 65535
#define H2_WINDOW_OPEN (64 * 1024)      /* of a stream whose body is being forwarded */
#define H2_WINDOW_ALL (1024 * 1024)     /* of a connection; credited on receipt */
#define H2_OPENED_MOST 16               /* streams of one connection that may have the wide window */
#define H2_RECORD (16 * 1024)           /* content of a TLS record */
#define H2_GATHER (3 * H2_RECORD)       /* bytes of one write: more of them are not cheaper */
#define H2_OUT_MOST (H2_GATHER - 3 * 9) /* bytes of an answer queued in a stream: one write, with heads */
#define H2_OUT_LEAST (16 * 1024)        /* the same where the connection's streams hold more than this: */
#define H2_OUT_ALL (256 * 1024)
#define H2_READ_MOST (256 * 1024) /* bytes read in one turn before others have theirs */
#define H2_LINGER_NS (2 * NS_PER_S)
#define H2_LINGER_BYTES (64 * 1024)
#define H2_LOOK_NS (250 * NS_PER_MS) /* from look to look whether all that we said has left */
#define H2_NOTICE_NS NS_PER_S        /* from the shutdown notice to the last GOAWAY, at most */
#define H2_CREDIT_MOST 200           /* control frames that may be earned in advance by useful ones */
#define H2_TRAILERS_MOST 16          /* trailer fields of a request, and bytes of them */
#define H2_TRAILER_BYTES 1024
#define H2_HEAD_OUT SCRATCH_SIZE /* of an answer's head: the longest we take, and what we add */
#define H2_ABSURD 8              /* heads over http.head_max times this are not read to their end */

enum h2_phase { H2_GREETING, H2_OPEN, H2_LINGER, H2_LOST, H2_GONE };
enum h2_leaving { H2_STAYS, H2_NOTICED, H2_LEFT }; /* what the peer knows of our going */

struct h2 {
	struct http_connection c; /* first */
	nghttp2_session *session;
	nghttp2_mem *memory;       /* its place */
	struct list dirty;         /* in server->dirty */
	struct h2_stream *heading; /* whose section of fields began last */
	struct list streams;       /* struct h2_stream.link: all whose request is not given back */
	uint64_t requests;
	uint64_t since_ns;               /* this phase began */
	uint64_t idle_ns;                /* the last stream ended */
	uint64_t head_ns;                /* a request head began and is not whole yet; 0: none */
	uint64_t stuck_ns;               /* the wire's backlog began; 0: there is none */
	uint64_t looked_ns;              /* streams were last searched for stalled ones */
	uint64_t notice_ns;              /* the shutdown notice was given */
	uint64_t resets_ns, controls_ns; /* how far the peer has drawn on its allowances (GCRA) */
	size_t out_len;                  /* bytes of answers queued in all streams */
	size_t gathered;                 /* bytes waiting in the loop's scratch_out, within a flush */
	size_t lingered;
	uint64_t look_ns;     /* lingering and deaf: when to look whether all has left */
	uint32_t credit;      /* control frames earned */
	uint32_t opened;      /* streams with the wide window */
	uint32_t answers;     /* heads of answers that were submitted */
	uint32_t goaway_code; /* not 0: end the session with this HTTP/2 error code */
	struct h2_past past;
	struct h2_scan scan;
	struct h2_rest rests[H2_RESTS_MOST]; /* oldest first */
	uint8_t rests_len, phase, leaving;
	uint16_t unborn_status; /* what a head for which no request could be taken is answered; 0: unknown */
	uint8_t unborn;         /* enum fault: why it could not */
	bool spoken;            /* our SETTINGS were given to the wire */
	bool deaf;              /* lingering: nothing more is read */
	bool choked;            /* some room() was 0 for the wire's backlog */
};

struct h2_crumb;   /* h2_head.c */
struct h2_stream { /* in its request's arena */
	struct list link;
	struct h2 *h;
	struct request *request;
	int32_t id;
	uint8_t fault;         /* enum fault: what the head turned out to be */
	bool told;             /* the request was reported; it is the journey's until finish */
	bool finished, closed; /* by the journey; the stream is no more, or its connection */
	bool stillborn;        /* it was closed before its head was whole */

	size_t head_len, fields_mark;          /* of the head so far; arena use before its first field */
	struct h2_crumb *crumbs, *crumbs_last; /* of Cookie */

	struct block *in, *in_last; /* body received and not read yet */
	uint64_t got, limit;        /* bytes read; how many may be */
	struct headers in_trailers;
	bool in_ended, hungry;        /* END_STREAM is here; body_read had nothing to give */
	bool opened;                  /* counted in h->opened */
	struct block *out, *out_last; /* answer not sent yet */
	size_t out_len;
	struct headers trailers;
	bool continued, answered; /* a 100, the final head was submitted */
	bool bare;                /* that head ends the answer */
	bool ended;               /* the answer is whole here */
	bool sent;                /* and its last frame was given to the wire */
	bool deferred, starved;   /* nghttp2 waits for bytes; the journey waits for room */
	bool cut, aborted;        /* to be reset behind what is queued; reset by us for no fault of the peer's */
	uint64_t taken_ns;
};

/* ---- h2.c: the connection ---- */
void h2_touch(struct h2 *h); /* settle it at the end of this turn */
/* Two GOAWAYs, a round trip or a second apart, so that nothing under way is lost (RFC 9113 section 6.8). */
void h2_leave(struct h2 *h);
void h2_leave_now(struct h2 *h);  /* the second of them */
void h2_greeted(struct h2 *h);    /* our settings are acknowledged */
void h2_count_cut(uint32_t code); /* the connection is ended for its peer's fault */
/* Bytes that leave in one write with what else was gathered; make_room keeps a frame together. */
bool h2_is_full(const struct h2 *h); /* enough waits already */
void h2_make_room(struct h2 *h, size_t len);
void h2_gather(struct h2 *h, const void *from, size_t len);

/* ---- h2_frames.c: what nghttp2 reports ---- */
/* Makes h->session, in h->memory; false: out of memory. Settings and window are submitted. */
bool h2_session(struct h2 *h);
/* Bytes of the peer to nghttp2: a DATA frame is judged when all before it has been handed over. Their count,
 * or an error of nghttp2's. */
ssize_t h2_hand_over(struct h2 *h, struct slice bytes);

/* ---- h2_head.c: a request's head, field by field ---- */
/* 0, or NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE where the stream is reset. */
int h2_field(struct h2_stream *s, struct slice name, struct slice value);
/* The head is whole: sets all that request.h calls "as received", or s->fault. more: DATA follows. */
void h2_head_ends(struct h2_stream *s, bool more);
/* As h2_field, of the section behind the body. */
int h2_trailer(struct h2_stream *s, struct slice name, struct slice value);

/* ---- h2_stream.c: a stream's life, and its body in ---- */
struct h2_stream *h2_stream_open(struct h2 *h, int32_t id); /* NULL: too many requests in flight */
void h2_report(struct h2_stream *s);
void h2_take_in(struct h2_stream *s, struct slice bytes);
void h2_in_ends(struct h2_stream *s);
void h2_stream_closes(struct h2_stream *s, enum fault why); /* why: for one whose head is not whole */
/* Reset that says nothing against the peer. */
void h2_reset(struct h2_stream *s, uint32_t code);
void h2_stream_sent(struct h2_stream *s); /* its last frame is out */
extern const struct client_ops h2_ops;

static inline struct h2_stream *h2_of(const struct request *r)
{
	return (struct h2_stream *)(void *)r->client;
}
