/* h1.h -- one HTTP/1.1 connection of a client. Private to http/.
 *
 * IDLE -> HEAD (a part of a head is here) -> REQUEST (in the journey's hands) -> IDLE, or LINGER (our side is
 * shut, what still comes is discarded for a while, since a plain close would lose the answer) -> gone. TUNNEL
 * after a 101. */
#pragma once
#include "http/http.h"

enum h1_state { H1_IDLE, H1_HEAD, H1_REQUEST, H1_TUNNEL, H1_LINGER, H1_GONE };

#define H1_LINGER_NS (2 * NS_PER_S)
/* A client that keeps its connection may be sending while we begin to drain: its next request is answered,
 * with Connection: close. Only one that stays silent this long is closed without. */
#define H1_DRAIN_NS (5 * NS_PER_S)
#define H1_LINGER_BYTES (64 * 1024)

struct h1 {
	struct http_connection c;  /* first */
	struct block *in;          /* bytes read and not yet used */
	struct request *request;
	struct h1_exchange *exchange; /* in the request's arena */
	uint64_t requests;
	size_t seen;               /* of a partial head: searched up to here */
	size_t lingered;           /* bytes discarded */
	uint8_t state;             /* enum h1_state; changed by h1_move alone */
	bool killed;               /* closed as soon as its request is given back */
};

struct h1_exchange {
	uint64_t limit, got;       /* of its content, bytes */
	struct slice pending;      /* the answer's head, not written yet; in the request's arena */
	bool continued, broken;
	bool malformed;            /* the request's body: the answer can still be given */
	bool answered;             /* a final head was given */
	bool chunked, ended;       /* of the answer */
	bool close;                /* the connection ends with this exchange */
	struct body body;          /* last: the request's, whose trailer is not zeroed */
};

void h1_move(struct h1 *h, enum h1_state to);
void h1_close(struct h1 *h);
extern const struct client_ops h1_ops;
/* Discards what of the request's body is at hand; true when it has ended. */
bool h1_swallow(struct h1 *h, struct h1_exchange *x);
void h1_next(struct h1 *h); /* the exchange is over: next request, or the end */
