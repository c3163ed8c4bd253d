/* keycopy.h -- issuers' keys in the fleet's Redis: a machine whose disk has none and that starts inside an
 * issuer's outage verifies with what another one fetched.
 *
 * Under `keys:HASH` (of the issuer's name, URL and key source) lies `HMAC snapshot`, signed with a key that
 * comes of the fleet's secret and is bound to the environment: whoever writes to Redis can neither give keys
 * nor take them away. An older copy put back is noticed by what was seen there last and, where no keys are
 * held, by the floor of snapshot.h; past both the hard bound stops it, which counts from the fetch that the
 * copy names.
 *
 * The keeper looks every minute, and every 5 s where its own fetches fail: only then is a copy taken, and
 * only one that is newer by more than clocks differ, so that a key that was gone here does not come back.
 * What is missing there, not believed, or older than what is held, is written again. */
#pragma once
#include "statedir/statedir.h"

#define KEYCOPY_POLL_NS (60 * NS_PER_S)
#define KEYCOPY_NEED_NS (5 * NS_PER_S)
#define KEYCOPY_RETRY_NS (200 * NS_PER_MS) /* where Redis cannot be asked */
#define KEYCOPY_CLOCKS_S 60                /* clocks of a fleet may differ by that */
#define KEYCOPY_NAME_LEN 37

struct source;

struct keycopies { /* of one keeper */
	const struct issuer_env *env;
	unsigned char key[STATEDIR_SECRETS][SHA256_LEN];
	size_t keys;                         /* 0: nothing is shared */
	uint32_t refused[STATEDIR_REFUSALS]; /* series */
};

struct keycopy {                 /* of one source */
	char name[KEYCOPY_NAME_LEN]; /* in Redis; not NUL-terminated */
	bool asked;                  /* a question is under way */
	bool tells;                  /* the next one is a SET */
	bool awaited;                /* no keys are held, and soon Redis may give some */
	unsigned failures;           /* in a row, of questions */
	uint64_t due_ns, opened_ns;
	uint64_t seen_s;  /* when what lay there last was fetched */
	uint64_t told_s;  /* the same, of what is being told */
	uint64_t refused; /* hash of what was refused last; 0: what lay there last was believed */
};

void keycopies_open(struct keycopies *all, const struct config *c, const struct issuer_env *env);
void keycopies_close(struct keycopies *all);
void keycopy_open(struct source *s);
/* Something newer is held, or a fetch has failed: Redis is looked at now. */
void keycopy_soon(struct source *s);
uint64_t keycopy_tick(struct source *s); /* when next */
