/* fake.h -- a client that writes down what it is told, and a request of it. */
#pragma once
#include "respond/respond.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

struct fake {
	char head[16384], body[8192]; /* fields as lines; NUL-terminated */
	size_t body_len;
	unsigned status, heads, ends;
	bool has_length, no_body, close;
	uint64_t length;
	struct config config;
	struct client_facts client_facts;
	struct header fields[32];
	struct request r;
};

extern struct fake fake;
extern _Alignas(max_align_t) char fake_arena[16384];

extern const struct client_ops fake_ops;

void fake_ask(struct slice name, struct slice value);

struct request *fake_request(void);

/* The value of a field of the answer, "" where it is not there; of the first, where there are several. */
const char *fake_field(const char *name);
