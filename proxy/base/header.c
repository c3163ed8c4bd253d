/* header.c -- finds the row of headers.def by name. */
#include "base/header.h"
#include "base/check.h"

#define NAME_MAX_LEN 40 /* bytes; no name in headers.def is longer */
#define SLOTS 256       /* a power of two, several times the number of names */

_Static_assert(HEADER_IDS < SLOTS / 2, "the table of names stays sparse");
_Static_assert(HEADER_IDS <= 64, "readers keep one bit for each name");

const struct slice header_names[HEADER_IDS] = {
	[HEADER_OTHER] = { "", 0 },
#define HEADER(id, name, kind) [HEADER_##id] = { name, sizeof(name) - 1 },
#include "base/headers.def"
#undef HEADER
};

const uint8_t header_kinds[HEADER_IDS] = {
#define HEADER(id, name, kind) [HEADER_##id] = FIELD_##kind,
#include "base/headers.def"
#undef HEADER
};

/* Each name with a mask of the bits in which its upper case differs, so that eight bytes are compared at once
 * and only letters are compared without case. */
static struct known {
	char name[NAME_MAX_LEN], mask[NAME_MAX_LEN];
} known[HEADER_IDS];
static uint8_t slots[SLOTS]; /* ids; 0 is empty */

static unsigned slot_of(struct slice name)
{
	unsigned first = (unsigned char)name.at[0] | 0x20u, last = (unsigned char)name.at[name.len - 1] | 0x20u;
	unsigned middle = (unsigned char)name.at[name.len / 2] | 0x20u;

	return ((unsigned)name.len * 29 + first * 13 + last * 3 + middle) & (SLOTS - 1);
}

/* The table is made from headers.def before main, and never changes. */
__attribute__((constructor)) static void make_table(void)
{
	for (unsigned id = 1; id < HEADER_IDS; id++) {
		struct slice name = header_names[id];
		unsigned slot = slot_of(name);

		check(name.len && name.len <= NAME_MAX_LEN);
		for (size_t i = 0; i < name.len; i++) {
			known[id].name[i] = name.at[i];
			known[id].mask[i] = name.at[i] >= 'a' && name.at[i] <= 'z' ? 0x20 : 0;
		}
		while (slots[slot])
			slot = (slot + 1) & (SLOTS - 1);
		slots[slot] = (uint8_t)id;
	}
}

static bool same_eight(const char *at, const struct known *k, size_t from)
{
	uint64_t a, b, mask;

	memcpy(&a, at + from, sizeof a);
	memcpy(&b, k->name + from, sizeof b);
	memcpy(&mask, k->mask + from, sizeof mask);
	return ((a ^ b) & ~mask) == 0;
}

static bool is_named(struct slice name, const struct known *k)
{
	if (name.len < 8) {
		for (size_t i = 0; i < name.len; i++)
			if ((name.at[i] ^ k->name[i]) & ~k->mask[i])
				return false;
		return true;
	}
	for (size_t i = 0; i + 8 <= name.len; i += 8)
		if (!same_eight(name.at, k, i))
			return false;
	return same_eight(name.at, k, name.len - 8);
}

enum header_id header_id(struct slice name)
{
	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return HEADER_OTHER;
	for (unsigned slot = slot_of(name); slots[slot]; slot = (slot + 1) & (SLOTS - 1)) {
		unsigned id = slots[slot];
		if (header_names[id].len == name.len && is_named(name, &known[id]))
			return (enum header_id)id;
	}
	return HEADER_OTHER;
}
