/* pieces.h -- cuts an input in ways that the input itself chooses, for readers whose verdict must not
 * depend on
 * how the bytes come in. */
#pragma once
#include "base/slice.h"

struct pieces {
	uint64_t state;
};

/* 1 to most, small ones often. */
static inline size_t pieces_next(struct pieces *p, size_t most)
{
	p->state = p->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	uint64_t draw = p->state >> 33;
	size_t size = draw & 1 ? 1 : draw & 2 ? (size_t)(draw >> 2) % 8 + 1 : (size_t)(draw >> 2) % most + 1;

	return size < most ? size : most;
}

/* A seed from the bytes themselves, so that a finding replays. */
static inline struct pieces pieces_of(struct slice bytes)
{
	struct pieces p = { bytes.len + 1 };

	for (size_t i = 0; i < bytes.len; i++)
		p.state = p.state * 31 + (unsigned char)bytes.at[i];
	return p;
}
