/* wire.h -- one non-blocking socket, perhaps with TLS on it. Part of connection's door.
 *
 * Registered once, edge-triggered. "Readable" is remembered: a read that comes back short clears it, but
 * after the peer's FIN only a read of 0 does. A reset that came in the same moment as data is told by nothing
 * more: after such a read the wire is unsure, and is looked at when it has been quiet for WIRE_UNSURE_NS, or
 * by whoever depends on it before. A write never blocks: what the kernel does not take is queued,
 * and the owner watches wire_backlog() and stops reading the other side above WIRE_HIGH. The owner sets
 * on_ready and owner; on_ready is called once per turn in which anything changed. */
#pragma once
#include "connection/loop.h"
#include <sys/types.h>

#define WIRE_HIGH (64 * 1024)           /* bytes queued over which nothing more should be written */
#define WIRE_UNSURE_NS (25 * NS_PER_MS) /* after a short read, to twice that: is there an end behind it? */
#define WIRES_LOOKED_AT 64              /* at once, at most */

enum { WIRE_LATER = 0, WIRE_END = -1, WIRE_FAILED = -2 };

struct wire;

/* What TLS puts between the socket and the wire's user. */
struct wire_layer {
	ssize_t (*read)(struct wire *w, void *to, size_t cap);       /* as wire_read */
	bool (*write)(struct wire *w, const void *from, size_t len); /* as wire_write */
	bool (*pending)(const struct wire *w);                       /* decrypted bytes are waiting */
	void (*shut)(struct wire *w);                                /* say goodbye (close_notify) */
	void (*free)(struct wire *w);
};

struct wire {
	struct loop *loop;
	int fd;
	struct event event;
	struct list ready_link;
	struct list unsure_link; /* in loop->unsure: the last read came back short, none told more since */
	struct grave grave;
	const struct wire_layer *layer; /* NULL: plain */
	void *layered;
	void (*on_ready)(struct wire *w);
	void *owner;
	bool connecting, readable, writable, hung_up, ended, failed, shut, closed;
	bool write_failed;            /* the peer takes nothing more; what it sent may still be read */
	bool abandoned;               /* see wire_abandon */
	bool drained;                 /* the backlog became empty in this turn */
	int error;                    /* errno of the failure */
	struct block *out, *out_last; /* queued bytes */
	size_t out_len;
	uint64_t moved_ns; /* when the peer last took or gave anything, as far as we were told */
	uint64_t asked_ns; /* the kernel was last asked how much of its queue is left: */
	int unsent;        /* bytes, then */
	uint64_t bytes_in, bytes_out;
	struct block *ahead; /* bytes read before their reader was known (PROXY header, ClientHello) */
};

/* Takes the descriptor over (it is made non-blocking). NULL: out of memory, fd closed. */
struct wire *wire_open(struct loop *l, int fd, bool connecting);

/* Bytes into `to`: their count, WIRE_LATER, WIRE_END (orderly end), or WIRE_FAILED. */
ssize_t wire_read(struct wire *w, void *to, size_t cap);
/* False where the wire has failed. */
bool wire_write(struct wire *w, struct slice bytes);
static inline size_t wire_backlog(const struct wire *w)
{
	return w->out_len;
}
/* Bytes that may be written now: a whole piece where nothing waits, so that large bodies take few calls, and
 * never so many that more than PIECE_SIZE would wait. */
static inline size_t wire_room(const struct wire *w)
{
	return w->out_len == 0 ? PIECE_SIZE : w->out_len < WIRE_HIGH ? PIECE_SIZE - WIRE_HIGH : 0;
}
/* Calls on_ready in this or the next turn even without an edge. */
void wire_nudge(struct wire *w);

/* No more from us: close_notify and FIN once the backlog is out. */
void wire_shut(struct wire *w);
/* What is unsent is not worth keeping: closing will reset the connection, and the kernel keeps nothing. */
static inline void wire_abandon(struct wire *w)
{
	w->abandoned = true;
}
/* The end: no callback after this; the memory goes at the end of the turn. Unsent bytes are lost. */
void wire_close(struct wire *w);
