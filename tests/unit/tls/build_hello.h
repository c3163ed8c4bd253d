/* build_hello.h -- writes a ClientHello of wished lists, for tests. */
#pragma once
#include "base/check.h"
#include "base/slice.h"

struct building {
	unsigned char at[40000];
	size_t len;
	size_t open[8], sizes[8], depth; /* vectors whose length is not known yet */
};

void put(struct building *b, uint32_t n, size_t bytes);

void put_bytes(struct building *b, const void *from, size_t len);

void begin_vector(struct building *b, size_t bytes);

void end_vector(struct building *b);

/* Up to the version, random and session id: then come begin_vector(2) and ciphers. */
void begin_hello(struct building *b);

void put_list(struct building *b, const uint16_t *at, size_t len);

/* An extension with a body that fits its type: the name a.example, h2 and http/1.1, TLS 1.3 and 1.2. */
void put_extension(struct building *b, uint16_t type, const uint16_t *algorithms, size_t len);

/* The message in records of at most `most` bytes each. */
struct slice in_records(const struct building *message, size_t most, struct building *to);
