/* admin.h -- the operator's way in: a Unix socket for commands, a plain HTTP listener for probes and
 * metrics.
 *
 * * The socket has mode 0600 and the peer's credentials are checked besides. A connection is one line in
 * (a verb) and one JSON object out, then it ends; 16 at once, a second for the line. The keeper serves
 * both; the command line is the other end. */
#pragma once
#include "base/text.h"
#include "miniserver/miniserver.h"

#define ADMIN_LINE 2048 /* bytes of a verb, what it takes, and a newline */

/* ---- the server's side, on the keeper's loop ---- */
struct admin;
struct admin_ask;

struct admin_env {
	uid_t allowed; /* besides root */
	/* verb: a word, and what it takes behind a space. Answered by admin_answer, now or later, exactly once
	 * (never after on_gone). */
	void (*on_ask)(void *with, struct admin_ask *ask, struct slice verb);
	void (*on_gone)(void *with, struct admin_ask *ask); /* the peer left before its answer; may be NULL */
	void *with;
};

/* A bound and listening socket of mode 0600 at `path`. -1: *why is a sentence. Takes the place of a dead
 * one's socket, never of a living one's. */
int admin_bind(const char *path, char *why, size_t why_cap);
/* Takes the name away. */
void admin_unbind(const char *path);
/* The listening descriptor stays the caller's. NULL: out of memory. */
struct admin *admin_open(struct loop *l, int fd, const struct admin_env *w);
void admin_pause(struct admin *a); /* no new connections; those that are there are answered */
bool admin_is_idle(const struct admin *a);
void admin_close(struct admin *a);
void admin_answer(struct admin_ask *ask, struct slice json);
uid_t admin_uid(const struct admin_ask *ask); /* who asks */

/* ---- probes and metrics: GET and HEAD of /livez, /readyz, /startupz, /metrics and nothing else ---- */
struct probes;

struct probes_env {
	const char *(*unready)(void *with); /* why no new traffic should come; NULL: it may */
	bool (*is_started)(void *with);     /* has ever been ready */
	void *with;
};
struct probes *probes_open(struct loop *l, int fd, const struct probes_env *w);
bool probes_drain(struct probes *p); /* as miniserver_drain */
void probes_close(struct probes *p);

/* ---- the client's side: blocking ---- */
enum admin_result { ADMIN_ANSWERED, ADMIN_ABSENT, ADMIN_DENIED, ADMIN_FAILED };
/* *answer is the JSON text (free), or a sentence about what failed. */
enum admin_result admin_call(const char *path, struct slice verb, unsigned timeout_s, char **answer);
