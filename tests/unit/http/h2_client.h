/* h2_client.h -- an HTTP/2 client for tests: nghttp2's client session on the world's other end. */
#pragma once
#include "h2_world.h"
#include <nghttp2/nghttp2.h>
#include <errno.h>

#define ANSWERS 512

struct answer_seen {
	int status;
	size_t len;     /* bytes of content */
	char text[128]; /* its beginning */
	char from[16], trailer[16], id[40];
	unsigned interim; /* heads with 1xx */
	bool ended;       /* END_STREAM came */
	bool closed;
	uint32_t code; /* that the stream was closed with */
};

struct upload {
	uint64_t len, sent;
	bool stuck, trailers;
};

struct client_side {
	struct world *w;
	nghttp2_session *session;
	struct answer_seen seen[ANSWERS]; /* by (id - 1) / 2 */
	int32_t goaway;                   /* error code; -1: none came */
	int32_t goaway_last;
	unsigned goaways;
	bool over;      /* the server closed */
	bool greedless; /* reads nothing from the socket */
	FILE *tape;     /* see client_record */
};

struct answer_seen *seen(struct client_side *c, int32_t id);

void client_open(struct client_side *c, struct world *w);

void client_close(struct client_side *c);

/* All of it, turning the server meanwhile where the socket is full. False: the server is gone. */
bool client_raw(struct client_side *c, const void *bytes, size_t len);

void client_send(struct client_side *c);

void client_receive(struct client_side *c);

void client_turns(struct client_side *c, int turns);

/* Turns until the stream is closed at the client. */
struct answer_seen *client_await(struct client_side *c, int32_t id);

void client_until_over(struct client_side *c);

nghttp2_nv nv(const char *name, const char *value);

/* `more`: pairs of name and value, NULL at the end; may be NULL. */
int32_t client_ask_with(struct client_side *c, const char *method, const char *path, struct upload *body,
                        const char *const *more);

int32_t client_ask(struct client_side *c, const char *method, const char *path, struct upload *body);
