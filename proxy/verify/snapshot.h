/* snapshot.h -- key sets on disk, so that a start inside an issuer's outage verifies from them.
 *
 * <state>/keys/<issuer name>.json, an authenticated file of kept.h. `newest` beside them remembers the latest
 * fetch of each, and so does the floor outside the directory, so that an old file put back is noticed.
 * (Whoever puts back all three is stopped by the hard bound alone.) Failures are logged and otherwise
 * harmless. */
#pragma once
#include "verify/gather.h"
#include "verify/kept.h"

struct snapshots;
/* kept: outlives them; may be NULL. */
struct snapshots *snapshots_open(struct kept *kept);
void snapshots_close(struct snapshots *s);

struct snapshot {
	json_t *keys; /* a reference */
	uint64_t fetched_wall_s;
	char jwks_uri[JWKS_URI_MAX];
};
/* False: there is none that can be trusted (said in the log where a file was refused). */
bool snapshots_load(struct snapshots *s, const struct config_issuer *issuer, uint64_t wall_s,
                    struct snapshot *to) __attribute__((warn_unused_result));
void snapshots_save(struct snapshots *s, const struct config_issuer *issuer, const struct snapshot *from);
