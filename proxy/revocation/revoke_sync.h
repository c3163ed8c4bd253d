/* revoke_sync.h -- revocations that the machines of a fleet tell each other through Redis.
 *
 * One sorted set holds records, scored by when they were told (Redis's clock, ms): `HMAC kind issuer until
 * before at undone value`, under a key that comes of the fleet's secret and bound to the environment, so that
 * whoever writes to Redis can neither revoke nor take back. Of two records of one token the later `at`
 * counts, so that an old one played again changes nothing. Every keeper holds all records that it ever
 * believed, in its own signed file, and compares: what is missing in Redis is told again, so that deleting
 * there undoes nothing where it was known. (A machine that never saw a record cannot miss it until another
 * one tells it again, within a minute.) Read every 300 ms from where the last reading ended, and whole once a
 * minute and whenever Redis was away. */
#pragma once
#include "revocation/revoke.h"

#define REVOKE_SYNC_POLL_NS (300 * NS_PER_MS)
#define REVOKE_SYNC_RETRY_NS (200 * NS_PER_MS)
#define REVOKE_SYNC_WHOLE_NS (60 * NS_PER_S)
#define REVOKE_SYNC_OVERLAP_MS 2000 /* read again: what was told at nearly the same time */
#define REVOKE_SYNC_PAGE 128        /* records of one reading */
#define REVOKE_SYNC_BATCH 16        /* records told, or taken out, at once */
#define REVOKE_SYNC_RECORD 1200     /* bytes */

enum revoke_sync_doing {
	REVOKE_SYNC_NOTHING,
	REVOKE_SYNC_READING,
	REVOKE_SYNC_TELLING,
	REVOKE_SYNC_REMOVING
};

struct revoke_sync {
	const struct config *config;
	const struct revocation_env *env;
	struct revocations *all;
	void (*on_news)(void *with); /* something was believed that was not known here */
	void *with;
	unsigned char key[STATEDIR_SECRETS][SHA256_LEN];
	size_t keys;                  /* 0: nothing is shared */
	enum revoke_sync_doing doing; /* what is asked of Redis and not answered yet */
	bool whole, between;          /* this reading; between two pages of one */
	uint64_t due_ns, whole_due_ns, from_ms, newest_ms, offset;
	uint64_t began_ms, read_ms; /* Redis's clock as the reading began; the same of the last that was ended */
	uint64_t told_ms;           /* ... as the last record was taken; 0: none was */
	struct {
		uint64_t mark, at_ms;
	} told[REVOKE_SYNC_BATCH];
	size_t told_len;
	char removed[REVOKE_SYNC_BATCH][REVOKE_SYNC_RECORD];
	size_t removed_len;
	uint32_t refused, unshared; /* series */
};

void revoke_sync_open(struct revoke_sync *s, const struct config *c, const struct revocation_env *env,
                      struct revocations *all, void (*on_news)(void *with), void *with);
void revoke_sync_close(struct revoke_sync *s);
/* At once, where it can be. */
void revoke_sync_send(struct revoke_sync *s);
uint64_t revoke_sync_tick(struct revoke_sync *s, uint64_t now_ns); /* when next */

/* revoke_record.c */
bool revoke_sync_write(const struct revoke_sync *s, const struct revocation *r, char to[REVOKE_SYNC_RECORD]);
/* False: it is not authentic, or of an issuer that is not known here (*foreign false). Its value is written
 * to `value`. */
bool revoke_sync_read(const struct revoke_sync *s, struct slice record, struct revocation *to,
                      char value[REVOKED_VALUE_MAX + 1], bool *foreign);
