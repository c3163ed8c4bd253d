/* wire_state.h -- what is known of a wire's other end. Part of connection's door. */
#pragma once
#include "connection/wire.h"

/* When the peer last took anything. The kernel tells us of room only once a third of its queue is free, for
 * which a slow peer may need minutes: while we have a backlog it is asked, four times a second at most. */
uint64_t wire_taken_ns(struct wire *w);
/* Bytes that the peer has not got yet, in our queue and the kernel's; what it took meanwhile counts as moved.
 * One system call. */
size_t wire_unsent(struct wire *w);
/* Something may be read now without a new edge. */
bool wire_is_readable(const struct wire *w);
/* Is there anything to read, or is the peer gone altogether? A reset comes as one more "readable", or with
 * what was sent before it; then hung_up is set. One system call for all of them. */
void wires_look(struct wire *const *at, size_t len);
static inline void wire_look(struct wire *w)
{
	wires_look(&w, 1);
}
static inline bool wire_is_unsure(const struct wire *w)
{
	return !list_is_empty(&w->unsure_link);
}
