/* revoke.h -- the keeper's side of revocations: the list with its names, kept on disk, and the table of it.
 *
 * <state>/keys/revocations is an authenticated file of statedir.h with a count that the floor remembers. What
 * it says is believed even where an older one was put back (its revocations are real ones), but then, and
 * where it is gone or changed, revocations may be lost: that is said as an error, in the list and in a
 * metric, until Sallyport starts with a whole list. What the shared memory holds outlives the keeper,
 * whatever the file says. */
#pragma once
#include "revocation/revocation.h"

#define REVOKED_VALUE_MAX 512 /* bytes */

enum revocations_lost { LOST_NONE, LOST_GONE, LOST_OLDER, LOST_CROWDED, LOSSES };
extern const char *const revocations_lost_names[LOSSES]; /* sentence parts; NULL for none */

struct revocation {
	enum revoked_kind kind;
	char issuer[64];
	char *value;
	uint64_t mark, until_s, before_s; /* before_s: of a subject */
	uint64_t at_ms;                   /* when it was given, or taken back */
	bool undone;                      /* it was: kept so that an older word of it changes nothing */
	bool shared, found;               /* the fleet knows it; seen in the reading of revoke_sync.h under way */
};

struct revocations {
	struct revoked_table *table;
	struct statedir *kept;
	struct revocation *at;
	size_t len, cap;
	uint64_t count; /* of the file */
	enum revocations_lost lost;
	uint32_t in_force, lost_series, refused; /* series */
};

void revocations_open(struct revocations *all, struct revoked_table *table, struct statedir *kept,
                      uint64_t wall_s);
void revocations_close(struct revocations *all);
/* NULL, or a sentence part. *kept: it will outlive this Sallyport. */
const char *revocations_add(struct revocations *all, const struct revocation *what, bool *kept);
/* Takes one back. NULL, or a sentence part. */
const char *revocations_undo(struct revocations *all, uint64_t mark, uint64_t at_ms, bool *kept);
/* What another machine says. False: something later is known here. *news: it was not known. */
bool revocations_merge(struct revocations *all, const struct revocation *what, bool *news);
void revocations_keep(struct revocations *all); /* what was merged, on disk */
void revocations_are_shared(struct revocations *all, uint64_t mark, uint64_t at_ms);
size_t revocations_unshared(const struct revocations *all);
/* Those that are over go. */
void revocations_age(struct revocations *all, uint64_t wall_s);
