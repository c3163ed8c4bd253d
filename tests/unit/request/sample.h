/* sample.h -- a request with its memory, for tests of readers and deciders. */
#pragma once
#include "http/codec.h"
#include <stddef.h>

#define SAMPLE_FIELDS 64

struct sample {
	_Alignas(max_align_t) char store[32 * 1024];
	struct header fields[SAMPLE_FIELDS];
	struct config config;
	struct client_facts client_facts;
	struct request r;
};

extern const struct head_bounds sample_bounds;

/* As http/ gives it out: facts zero, an empty arena. */
struct request *sample_init(struct sample *s);

/* Reads and checks a whole head. FAULTS: it is not whole. */
enum fault sample_read(struct sample *s, struct slice head);
