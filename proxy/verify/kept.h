/* kept.h -- authenticated files in the state directory, and the floor beneath them.
 *
 * <state>/keys/<name><end>: written to a temporary file, synced and renamed. The first line carries an
 * HMAC-SHA256 over the rest. Its key is derived from the newest fleet secret, or from the machine's where
 * there is none; every secret in force verifies. Both lie outside the state directory, and so does the
 * floor: one small file that remembers, per name, the number of what was written last (a fetch time, a
 * count), so that an older file put back, or the whole directory, is noticed. What is not noticed: a machine
 * whose floor is put back as well (a snapshot of all its disks). Failures are logged and otherwise
 * harmless. */
#pragma once
#include "crypto/crypto.h"
#include "verify/verify.h"
#include <jansson.h>

#define KEPT_SECRETS 5       /* of the fleet's, the newest four; then the machine's */
#define FLOORS 100           /* names; the least recent number gives way */
#define FLOOR_BYTES 2048     /* of one copy; there are two, written in turn */

enum kept_refusal { KEPT_CHANGED, KEPT_OLDER, KEPT_FUTURE, KEPT_FOREIGN, KEPT_EXPIRED, KEPT_REFUSALS };

struct kept {
	char directory[3072];
	unsigned char key[KEPT_SECRETS][SHA256_LEN];
	size_t keys;
	uint32_t refused[KEPT_REFUSALS]; /* series */
	const struct verify_world *world; /* the floor is read and written through it */
	unsigned char floor_key[SHA256_LEN];
	uint64_t floor_count;
	struct floor { uint64_t name, number; } floor[FLOORS];
};

/* Keys for HMACs, one of each secret but at most so many, under that label. How many. */
size_t kept_keys(const CONFIG_SECRETS *secrets, size_t most, struct slice label,
                 unsigned char keys[][SHA256_LEN]);

/* NULL: no directory could be made, or no secret; all other functions take that. world outlives it. */
struct kept *kept_open(const struct config *c, const struct verify_world *world, struct slice machine_secret);
void kept_close(struct kept *k);

/* The JSON of a file whose HMAC is right; NULL: there is none, or it was refused and that was said. */
json_t *kept_take(struct kept *k, struct slice name, const char *end, size_t most);
/* False: errno says why. */
bool kept_put(struct kept *k, struct slice name, const char *end, struct slice body)
	__attribute__((warn_unused_result));
/* A file that was well signed and is not believed: counts it. */
void kept_refuse(struct kept *k, enum kept_refusal why);
void kept_series(uint32_t series[KEPT_REFUSALS], struct slice where); /* of what is not believed */

/* The number last written under that name; 0: none is known. */
uint64_t kept_floor(const struct kept *k, struct slice name);
void kept_set_floor(struct kept *k, struct slice name, uint64_t number);

/* floor.c */
void floor_read(struct kept *k);
