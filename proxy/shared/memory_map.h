/* memory_map.h -- tables as memory files, one beside the other, and what a process keeps of them. Part of
 * memory.c.
 *
 * * All lie in one reserved piece of addresses, with a page between them that nobody can touch. */
#pragma once
#include "shared/memory.h"

#define MAP_PAGE ((size_t)4096)
#define MAP_EVERY_SEAT UINT32_MAX

struct map_row {
	const char *name;
	unsigned writers, readers;
	size_t head, len;
};

/* Maps them all writable and fills s->part, s->seat_at and the memory of all seats; place[i] is row i's.
 * False: errno says why. */
bool map_all(struct shared *s, const struct map_row *row, size_t rows, const size_t seat[static SEAT_PARTS],
             char **place) __attribute__((warn_unused_result));
/* Keeps what the role (one bit) may write or read, and the memory of one seat or of every one. */
bool map_narrow(struct shared *s, unsigned role, unsigned seat) __attribute__((warn_unused_result));
void map_end(struct shared *s);
