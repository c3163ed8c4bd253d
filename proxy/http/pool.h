/* pool.h -- requests in flight, bounded per worker. Part of http's door. */
#pragma once
#include "request/request.h"

struct http_server;

/* A request with its arena, zeroed facts, id and span made; NULL where out of memory or over
 * http.requests_in_flight_max. */
struct request *http_request_take(struct http_server *s, struct visitor *v);
void http_request_give(struct http_server *s, struct request *r);
/* None can be taken for this target: the status to say that with, in the words of whoever asks. Counts it. */
unsigned http_overloaded(const struct http_server *s, struct slice target);
/* It has become a tunnel: its place is free for another request. */
void http_request_tunnels(struct http_server *s, struct request *r);
