/* tunnels.h -- WebSocket connections after their handshake. Part of forward's door. */
#pragma once
#include "request/request.h"

struct forward;
size_t forward_tunnels(const struct forward *f);
/* Whether http.tunnels_max leaves a place beside the tunnels and the requests that may become some. */
bool forward_has_room(const struct forward *f);
/* Ends the tunnels of those requests. */
void forward_revoke(struct forward *f, bool (*is_revoked)(void *with, const struct request *r), void *with);
/* Jittered end of tunnels at drain. */
void forward_drain(struct forward *f);
