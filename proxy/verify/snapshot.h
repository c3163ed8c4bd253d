/* snapshot.h -- key sets on disk, so that a start inside an issuer's outage verifies from them.
 *
 * <state>/keys/<issuer name>.json, written to a temporary file, synced and renamed; the first line carries an
 * HMAC-SHA256 over the rest, its key derived from the machine's secret, which lies elsewhere. `newest` beside
 * them remembers the latest fetch of each, so that an old file put back is noticed. (Whoever puts back the
 * whole directory is stopped by the hard bound alone.) Failures are logged and otherwise harmless. */
#pragma once
#include "config/config.h"
#include "verify/gather.h"

struct snapshots;
/* NULL: no directory could be made; all other functions take that. */
struct snapshots *snapshots_open(struct slice state, struct slice machine_secret);
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
