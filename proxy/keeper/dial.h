/* dial.h -- is somebody listening there? A connection is begun and closed again. Private to keeper/. */
#pragma once
#include "connection/connection.h"

struct dialler;
struct dialler *dialler_open(struct loop *l);
/* Those under way end without a connection. */
void dialler_close(struct dialler *d);
/* done is called later, exactly once, though not from within this call. */
void dial(struct dialler *d, const struct sockaddr_storage *to, socklen_t len, uint64_t timeout_ns,
          void (*done)(void *for_whom, bool accepted), void *for_whom);
