/* sample.c -- what sample.h promises. */
#include "sample.h"

const struct head_bounds sample_bounds = { .head_max = 8192,
	                                       .target_max = 4096,
	                                       .fields_max = SAMPLE_FIELDS };

struct request *sample_init(struct sample *s)
{
	memset(&s->config, 0, sizeof s->config);
	memset(&s->client_facts, 0, sizeof s->client_facts);
	memset(&s->r, 0, sizeof s->r);
	arena_init(&s->r.arena, s->store, sizeof s->store);
	s->r.config = &s->config;
	s->r.client_facts = &s->client_facts;
	s->r.headers = (struct headers){ .at = s->fields, .cap = SAMPLE_FIELDS };
	return &s->r;
}

enum fault sample_read(struct sample *s, struct slice head)
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
