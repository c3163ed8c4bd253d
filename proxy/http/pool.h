/* pool.h -- requests in flight, bounded per worker. Part of http's door. */
#pragma once
#include "request/request.h"

struct http_server;

/* A request with its arena, zeroed facts, id and span made; NULL where out of memory, over
 * http.requests_in_flight_max or where on_take says no: s->why_unborn. */
struct request *http_request_take(struct http_server *s, struct client_facts *v);
void http_request_give(struct http_server *s, struct request *r);
size_t http_requests_used(const struct http_server *s); /* taken and not given back, without tunnels */
/* None can be taken for this target: the status to say that with, in the words of whoever asks. Counts it. */
unsigned http_unborn(const struct http_server *s, enum fault why, struct slice target);
/* It has become a tunnel: its place is free for another request. */
void http_request_tunnels(struct http_server *s, struct request *r);
