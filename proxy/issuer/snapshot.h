/* snapshot.h -- a key set with the time of its fetch, as it is kept for a start inside an issuer's outage: on
 * disk, and in the fleet's Redis (keycopy.h).
 *
 * <state>/keys/<issuer name>.json, an authenticated file of statedir.h. `newest` beside them remembers the
 * latest fetch of each, and so does the floor outside the directory, so that an old file put back is noticed.
 * (Whoever puts back all three is stopped by the hard bound alone.) Failures are logged and otherwise
 * harmless. */
#pragma once
#include "issuer/jwks.h"
#include "statedir/statedir.h"

struct snapshot {
	json_t *keys, *doubtful; /* in force; of these, missing in the last fetch */
	uint64_t fetched_wall_s;
	char jwks_uri[JWKS_URI_MAX];
};
#define SNAPSHOT_BYTES_MAX (2 * KEYSET_BYTES_MAX + 8192) /* of its text */

/* JSON; free() it. NULL: no memory. */
char *snapshot_write(const struct config_issuer *issuer, const struct snapshot *from)
    __attribute__((warn_unused_result));
/* What was fetched within these times (wall clock, s), inclusive. NULL, or a sentence part and *refusal; then
 * *to holds nothing. */
const char *snapshot_read(const json_t *root, const struct config_issuer *issuer, uint64_t oldest_s,
                          uint64_t latest_s, struct snapshot *to, enum statedir_refusal *refusal)
    __attribute__((warn_unused_result));
void snapshot_free(struct snapshot *s); /* what it holds */

struct snapshots;
/* kept: outlives them; may be NULL. */
struct snapshots *snapshots_open(struct statedir *kept);
void snapshots_close(struct snapshots *s);

/* False: there is none that can be trusted (said in the log where a file was refused). */
bool snapshots_load(struct snapshots *s, const struct config_issuer *issuer, uint64_t wall_s,
                    struct snapshot *to) __attribute__((warn_unused_result));
void snapshots_save(struct snapshots *s, const struct config_issuer *issuer, const struct snapshot *from);
/* When the keys were fetched that were saved last, wall clock; 0: none is known. */
uint64_t snapshots_newest_s(const struct snapshots *s, const struct config_issuer *issuer);
