/* tables.h -- where the tables of tables.def lie. Part of memory.h. */
#pragma once
#include <stddef.h>

/* Parts of a seat's memory. */
enum seat_part {
#define TABLE(name, writers, readers, head, bytes)
#define SEAT(name, bytes) SEAT_PART_##name,
#include "shared/tables.def"
#undef TABLE
#undef SEAT
	SEAT_PARTS
};

enum { PARTS_MAX = 32 };
/* A memory file: a table, or the head of one. */
struct part {
	char *at;
	size_t len;
	unsigned writers, readers;
	int read_only;
};
