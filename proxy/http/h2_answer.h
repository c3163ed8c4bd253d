/* h2_answer.h -- the answer out on an HTTP/2 stream: heads, DATA, trailers. Private to http/. */
#pragma once
#include "http/http.h"
#include <nghttp2/nghttp2.h>

struct h2;
struct h2_stream;

bool h2_head(struct request *r, const struct response *a);
bool h2_early(struct request *r, const struct response *a);
void h2_say_continue(struct request *r);
size_t h2_room(const struct request *r);
bool h2_body(struct request *r, struct slice bytes);
bool h2_end(struct request *r, const struct headers *trailers);
void h2_resume(struct h2_stream *s); /* bytes are to be asked for again */
/* A 503 for a stream for which no request could be taken. */
void h2_refuse_unborn(struct h2 *h, int32_t id);
ssize_t h2_data_len(struct h2_stream *s, size_t most, uint32_t *flags);
void h2_data_send(struct h2_stream *s, size_t len);
extern const nghttp2_data_provider h2_answer_source;
void h2_drop(struct h2 *h, struct block *first); /* gives a chain of blocks back */
