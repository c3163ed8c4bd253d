/* statedir.h -- authenticated files in the state directory, and the counter beneath them.
 *
 * <state>/keys/<name><end>: written to a temporary file, synced and renamed. The first line carries an
 * HMAC-SHA256 over the rest. Its key is derived from the newest fleet secret, or from the machine's where
 * there is none; every secret in force verifies. Both lie outside the state directory, and so does the
 * counter: one small file that remembers, per name, the number of what was written last (a fetch time, a
 * count), so that an older file put back, or the whole directory, is noticed. What is not noticed: a machine
 * whose counter is put back as well (a snapshot of all its disks). Failures are logged and otherwise
 * harmless. */
#pragma once
#include "crypto/crypto.h"
#include "config/config.h"
#include "statedir/machine.h"
#include <jansson.h>

#define STATEDIR_SECRETS 5 /* of the fleet's, the newest four; then the machine's */
#define COUNTERS 100       /* names; the least recent number gives way */
#define COUNTER_BYTES 2048 /* of one copy; there are two, written in turn */

enum statedir_refusal {
	STATEDIR_CHANGED,
	STATEDIR_OLDER,
	STATEDIR_FUTURE,
	STATEDIR_FOREIGN,
	STATEDIR_EXPIRED,
	STATEDIR_REFUSALS
};

/* The anti-rollback counters' file, outside the state directory: whole pieces, written through to the disk.
 * Either may be NULL. */
struct counter_file {
	void *with;
	bool (*read)(void *with, void *to, size_t len, uint64_t at);
	bool (*write)(void *with, const void *from, size_t len, uint64_t at);
};

struct statedir {
	char directory[3072];
	unsigned char key[STATEDIR_SECRETS][SHA256_LEN];
	size_t keys;
	uint32_t refused[STATEDIR_REFUSALS]; /* series */
	struct counter_file file;
	unsigned char counter_key[SHA256_LEN];
	uint64_t counter_writes;
	struct statedir_counter {
		uint64_t name, number;
	} counter[COUNTERS];
};

/* Keys for HMACs, one of each secret but at most so many, under that label. How many. */
size_t statedir_keys(const CONFIG_SECRETS *secrets, size_t most, struct slice label,
                     unsigned char keys[][SHA256_LEN]);

/* NULL: no directory could be made, or no secret; all other functions take that. `file` is copied. */
struct statedir *statedir_open(const struct config *c, const struct counter_file *file,
                               struct slice machine_secret);
void statedir_close(struct statedir *k);

/* The JSON of a file whose HMAC is right; NULL: there is none, or it was refused and that was said. */
json_t *statedir_read(struct statedir *k, struct slice name, const char *end, size_t most);
/* False: errno says why. */
bool statedir_write(struct statedir *k, struct slice name, const char *end, struct slice body)
    __attribute__((warn_unused_result));
/* A file that was well signed and is not believed: counts it. */
void statedir_refuse(struct statedir *k, enum statedir_refusal why);
void statedir_series(uint32_t series[STATEDIR_REFUSALS], struct slice where); /* of what is not believed */

/* The number last written under that name; 0: none is known. */
uint64_t statedir_counter(const struct statedir *k, struct slice name);
void statedir_set_counter(struct statedir *k, struct slice name, uint64_t number);

/* counters.c */
void counters_read(struct statedir *k);
