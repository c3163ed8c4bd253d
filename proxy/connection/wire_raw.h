/* wire_raw.h -- what a layer sees of a wire: the socket itself, and the bytes ahead of it. Part of
 * connection's door. */
#pragma once
#include "connection/wire.h"

/* Under a layer: the socket itself, and the bytes ahead of it. */
ssize_t wire_raw_read(struct wire *w, void *to, size_t cap);
bool wire_raw_write(struct wire *w, const void *from, size_t len);
/* Reads more into w->ahead without consuming; returns what lies there. *state is 1, or WIRE_LATER, WIRE_END,
 * WIRE_FAILED of this attempt. Consume with wire_skip. */
struct slice wire_peek(struct wire *w, int *state);
void wire_skip(struct wire *w, size_t len);
