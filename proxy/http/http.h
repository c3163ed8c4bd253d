/* http.h -- HTTP/1.1 and HTTP/2 on wires. Both make the same struct request; nothing past this door knows
 * which.
 *
 * Towards clients: http_serve takes a wire whose TLS is done (or that has none) and reports each request
 * whose head is whole and well formed. Bodies are pulled (ops->body_read), answers are pushed within room()
 * bytes; whenever either may go on, or the client leaves, the request is woken. After SETTLE the journey
 * calls ops->finish, which frees the request. Towards upstreams: head_read_answer, body_decode and
 * body_encode are the codec that forward/ uses. */
#pragma once
#include "connection/connection.h"
#include "http/codec.h"
#include "http/pool.h"
#include "request/request.h"

enum { BODY_LATER = 0, BODY_END = -1, BODY_BROKEN = -2, BODY_TOO_LONG = -3 };

struct response { /* the head of an answer */
	uint16_t status;
	struct headers *fields; /* without framing and connection fields: those are ours to set */
	bool has_length;
	uint64_t length; /* meaningful where has_length */
	bool no_body;    /* HEAD, 204, 304: ends with the head */
	bool close;      /* HTTP/1: close after this */
};

struct client_ops {
	/* Body bytes into `to`: count, or BODY_LATER, BODY_END (trailers are whole), BODY_BROKEN, BODY_TOO_LONG
	 * (over r->body limit set by body_limit). After BODY_LATER the request is woken when there is more. */
	ssize_t (*body_read)(struct request *r, void *to, size_t cap);
	/* The trailer fields, after BODY_END; false where there are none. */
	bool (*trailers)(const struct request *r, struct headers *to);
	void (*body_limit)(struct request *r, uint64_t bytes);
	/* From FORWARD on an HTTP/2 stream's window may grow beyond 16 KiB. */
	void (*body_open)(struct request *r);
	void (*say_continue)(struct request *r);                       /* 100, once */
	bool (*head)(struct request *r, const struct response *head);  /* false: the client is gone */
	bool (*early)(struct request *r, const struct response *head); /* a 103 or other 1xx, not 101 */
	size_t (*room)(const struct request *r);                       /* body bytes it takes now */
	bool (*body)(struct request *r, struct slice bytes);
	bool (*end)(struct request *r, const struct headers *trailers); /* trailers may be NULL */
	void (*abort)(struct request *r);              /* the answer cannot be completed: close or RST_STREAM */
	void (*flush)(struct request *r);              /* what head and body gathered goes out now */
	bool (*is_gone)(const struct request *r);      /* the client has left */
	bool (*is_flushed)(const struct request *r);   /* all of the answer is with the kernel */
	uint64_t (*taken_ns)(const struct request *r); /* when the client last took or gave anything */
	/* After a 101: hands over the raw wire and unread bytes. NULL for HTTP/2. The http connection keeps
	 * owning the wire; it calls request_wake on its edges. */
	struct wire *(*tunnel)(struct request *r, struct slice *unread);
	void (*finish)(struct request *r); /* SETTLE is done: frees the request */
};

struct http_server { /* one per worker: what all its connections share */
	struct loop *loop;
	const struct config *config;
	void (*on_request)(void *with,
	                   struct request *r); /* a whole head; r->fault set where it is bad already */
	void (*on_touch)(void *with, const struct client_facts *v); /* before this client's bytes are read */
	/* enum ext_auth_kind: which kind of proxy asks by that target, where no request can be taken; may be NULL
	 * */
	uint8_t (*on_unborn)(void *with, struct slice target);
	/* r takes a place, one of `used` of at most `most`: false where its client has its share of them. Then
	 * what it took is given back, and what it holds has become a tunnel. All three or none. */
	bool (*on_take)(void *with, struct request *r, size_t used, size_t most);
	void (*on_give)(void *with, struct request *r);
	void (*on_tunnel)(void *with, struct request *r);
	/* the connection is gone; no request refers to v */
	void (*on_closed)(void *with, struct client_facts *v);
	void *with;
	bool draining;           /* close each connection after the request in hand */
	struct list connections; /* of struct http_connection.link, for drain */
	size_t connections_len;
	struct list dirty; /* HTTP/2 connections to be settled by http_flush */
	struct request_pool *pool;
	uint8_t why_unborn; /* enum fault: why the last http_request_take gave none */
	struct h2_memory *h2_memory;
};

/* The first bytes of the body, at most BLOCK_SIZE, into r->stash; read on with http_body_read. GO_ON: the
 * stash is full or the body has ended; WAIT: more is to come, the request is woken; ANSWER: r->fault says
 * why. Sends 100-continue to whoever expects it. */
enum step_result http_stash(struct request *r);
/* When more of the body must have come, by timeouts.body_rate after a grace of 10 s; UINT64_MAX: never. */
uint64_t http_body_due(const struct request *r);
/* As ops->body_read, but the stash comes first: *stash_used (start 0) remembers how much of it was read. */
ssize_t http_body_read(struct request *r, size_t *stash_used, void *to, size_t cap);

void http_server_init(struct http_server *s, struct loop *loop, const struct config *c);
void http_server_free(struct http_server *s); /* after all connections are gone */

/* The common front of both protocols; h1.c and h2.c embed it first. */
struct http_connection {
	struct list link;
	struct http_server *server;
	struct wire *wire;
	struct client_facts *client_facts;
	struct deadline deadline;
	void (*drain)(struct http_connection *c); /* say GOAWAY, or close when idle */
	void (*kill)(struct http_connection *c);  /* now; requests are cut */
	/* Ends now, or in this turn, where no request is in hand and the last answer has left. Else false. */
	bool (*give_way)(struct http_connection *c);
};

/* Takes wire and client_facts over; on_closed gives the client_facts back. */
struct http_connection *http_serve(struct http_server *s, struct wire *w, struct client_facts *v);
struct http_connection *http_serve_h1(struct http_server *s, struct wire *w, struct client_facts *v);
struct http_connection *http_serve_h2(struct http_server *s, struct wire *w, struct client_facts *v);
/* For give_way: nothing of an answer is under way, or its client has long taken nothing (then what is left is
 * not worth keeping). */
bool http_is_quiet(const struct http_server *s, struct wire *w);
/* The end of a turn: what HTTP/2 streams have to say leaves now, gathered by connection. After the walk. */
void http_flush(struct http_server *s);
/* Polite end of all connections; idle ones close at once. */
void http_drain(struct http_server *s);
void http_kill(struct http_server *s);
