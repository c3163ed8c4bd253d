/* miniserver.h -- a small HTTP/1.1 server for our own answers: probes, metrics, the admin socket, dev mode's
 * issuer and echo. Never the proxy's public face.
 *
 * Plain text only, strict as the codec is; keep-alive, pipelining in order, HEAD, Expect: 100-continue. What
 * is malformed is answered 4xx and closed. Bounded: MINISERVER_CONNECTIONS at once (the longest idle one
 * gives way to a new one), heads of MINISERVER_HEAD, bodies of MINISERVER_BODY, MINISERVER_IDLE_NS for a
 * whole request and between two; of answers that nobody takes MINISERVER_WAITING in all, or the newest alone.
 * It allocates per connection, never per request, except for a body and for what the socket does not take. */
#pragma once
#include "connection/connection.h"
#include "request/request.h"

#define MINISERVER_CONNECTIONS 256
#define MINISERVER_HEAD (16 * 1024)                   /* bytes */
#define MINISERVER_BODY (64 * 1024)                   /* bytes held */
#define MINISERVER_WAITING ((size_t)16 * 1024 * 1024) /* bytes */
#define MINISERVER_IDLE_NS (30 * NS_PER_S)

struct miniserver;

struct miniserver_ask {
	struct slice method;           /* HEAD is told as HEAD; the answer's body is left out by us */
	struct slice path, query;      /* as received, not decoded; query without '?' */
	const struct headers *headers; /* valid until the callback returns, like all slices here */
	struct slice body;             /* whole, or its first MINISERVER_BODY bytes where bodies are counted */
	uint64_t body_len;             /* bytes that came */
	int fd;                        /* the socket, for SO_PEERCRED and the like; not to be read or written */
	void *private;
};

/* Serves the connections of a listening socket, which stays the caller's. on_ask answers before it returns
 * (or 500 is sent) and does not close the server. NULL: out of memory. */
struct miniserver *miniserver_open(struct loop *l, int listen_fd,
                                   void (*on_ask)(void *with, struct miniserver_ask *ask), void *with);
/* Bodies of any length are taken: counted, and dropped past MINISERVER_BODY. Without this they end in 413. */
void miniserver_count_bodies(struct miniserver *s);
/* Takes no new connections; those that wait for an answer get it, the others are closed. True when none is
 * left: to be called once a turn until then. */
bool miniserver_drain(struct miniserver *s);
/* Closes all connections at once. */
void miniserver_close(struct miniserver *s);

/* extra_header_lines: complete lines ("Allow: GET\r\n"), or empty. Content-Length, Date and Connection are
 * ours. Exactly once per ask; false: the client is gone, or the head did not fit 4 KiB (500 is sent). */
bool miniserver_answer(struct miniserver_ask *ask, unsigned status, struct slice content_type,
                       struct slice extra_header_lines, struct slice body);

/* Instead of miniserver_answer: a body of `len` bytes, made while the client takes it. fill writes exactly
 * `len` bytes of it from offset `from` on; `with` must outlive the server. */
bool miniserver_stream(struct miniserver_ask *ask, unsigned status, struct slice content_type, uint64_t len,
                       void (*fill)(void *with, uint64_t from, char *to, size_t len), void *with);
