/* sample.h -- a request with its memory, for tests of readers and deciders. */
#pragma once
#include "http/codec.h"
#include <stddef.h>

#define SAMPLE_FIELDS 64

struct sample {
	_Alignas(max_align_t) char store[32 * 1024];
	struct header fields[SAMPLE_FIELDS];
	struct config config;
	struct visitor visitor;
	struct request r;
};

static const struct head_bounds sample_bounds = { .head_max = 8192,
	                                              .target_max = 4096,
	                                              .fields_max = SAMPLE_FIELDS };

/* As http/ gives it out: facts zero, an empty arena. */
static inline struct request *sample_init(struct sample *s)
{
	memset(&s->config, 0, sizeof s->config);
	memset(&s->visitor, 0, sizeof s->visitor);
	memset(&s->r, 0, sizeof s->r);
	arena_init(&s->r.arena, s->store, sizeof s->store);
	s->r.config = &s->config;
	s->r.visitor = &s->visitor;
	s->r.headers = (struct headers){ .at = s->fields, .cap = SAMPLE_FIELDS };
	return &s->r;
}

/* Reads and checks a whole head. FAULTS: it is not whole. */
static inline enum fault sample_read(struct sample *s, struct slice head)
{
	enum fault why = FAULT_NONE;
	size_t seen = 0, len;

	switch (head_read_request(head, &sample_bounds, &seen, &s->r, &len, &why)) {
	case HEAD_MORE:
		return FAULTS;
	case HEAD_BAD:
		return why;
	case HEAD_DONE:
		break;
	}
	return request_check(&s->r);
}
