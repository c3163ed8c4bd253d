/* h1.h -- one HTTP/1.1 connection of a client. Private to http/.
 *
 * IDLE -> HEAD (a part of a head is here) -> REQUEST (in the journey's hands) -> IDLE, or LINGER (our side is
 * shut, what still comes is discarded until the client stops, since a plain close would lose the answer, and
 * what was said is waited for until it has left) -> gone. TUNNEL after a 101. */
#pragma once
#include "http/http.h"

enum h1_state { H1_IDLE, H1_HEAD, H1_REQUEST, H1_TUNNEL, H1_LINGER, H1_GONE };

#define H1_LINGER_NS (2 * NS_PER_S)      /* without a byte of the client */
#define H1_LINGER_BODY_NS (5 * NS_PER_S) /* the same, where it is in the middle of a body that nobody wants */
#define H1_LINGER_MOST_NS (30 * NS_PER_S)
#define H1_LOOK_NS (250 * NS_PER_MS) /* from look to look whether all that we said has left */
/* A client that keeps its connection may be sending while we begin to drain: its next request is answered,
 * with Connection: close. Only one that stays silent this long is closed without. */
#define H1_DRAIN_NS (5 * NS_PER_S)
#define H1_LINGER_TURN (256 * 1024) /* bytes discarded in a turn, then others have theirs */

struct h1 {
	struct http_connection c; /* first */
	struct block *in;         /* bytes read and not yet used */
	struct request *request;
	struct h1_exchange *exchange; /* in the request's arena */
	uint64_t requests;
	size_t seen;                         /* of a partial head: searched up to here */
	uint64_t linger_ns, linger_until_ns; /* without a byte, and in all */
	uint8_t state;                       /* enum h1_state; changed by h1_move alone */
	bool killed;                         /* closed as soon as its request is given back */
	bool deaf;                           /* lingering: nothing more is read */
};

struct h1_exchange {
	uint64_t limit, got;  /* of its content, bytes */
	struct slice pending; /* the answer's head, not written yet; in the request's arena */
	bool continued, broken;
	bool malformed;      /* the request's body: the answer can still be given */
	bool answered;       /* a final head was given */
	bool chunked, ended; /* of the answer */
	bool close;          /* the connection ends with this exchange */
	struct body body;    /* last: the request's, whose trailer is not zeroed */
};

void h1_move(struct h1 *h, enum h1_state to);
void h1_close(struct h1 *h);
extern const struct client_ops h1_ops;
/* Discards what of the request's body is at hand; true when it has ended. */
bool h1_swallow(struct h1 *h, struct h1_exchange *x);
void h1_next(struct h1 *h); /* the exchange is over: next request, or the end */
