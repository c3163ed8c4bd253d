/* inside.h -- the keeper's side of one issuer: when to fetch, what to publish.
 *
 * An attempt is one fetch of the key set, with a fetch of the discovery document before it where that is
 * unknown or old. At most one attempt per issuer is under way. */
#pragma once
#include "base/siphash.h"
#include "issuer/issuer.h"
#include "issuer/jwks.h"
#include "issuer/keycopy.h"
#include "issuer/outbound.h"
#include "issuer/probe.h"
#include "issuer/snapshot.h"
#include "published/published.h"

#define COOLDOWN_NS (30 * NS_PER_S) /* after a success, before a kid is asked for */
#define COOLDOWN_FILE_NS NS_PER_S
#define BACKOFF_MAX_NS (60 * NS_PER_S)
#define CONFIRM_NS (5 * NS_PER_S) /* before a missing key is believed to be gone */
#define FILE_LOOK_NS (5 * NS_PER_S)
#define DISCOVERY_AGE_NS (24 * 3600 * NS_PER_S)
#define ABSENT_KIDS 1024
#define ABSENT_NS (30 * NS_PER_S) /* a kid that a fetch did not find is asked for no sooner ... */
#define ABSENT_DOUBLINGS 4        /* ... than that, doubling each time it was looked for in vain */
#define ASKED_KIDS 16             /* remembered of one attempt */

enum fetched { FETCHED_OK, FETCHED_FAILED, FETCHEDS };

struct source {
	struct issuer_keeper *keeper;
	const struct config_issuer *config;
	unsigned char who[SHA256_LEN];
	struct published_slot *slot; /* NULL: there was no room */
	bool is_file;
	char jwks_uri[JWKS_URI_MAX]; /* empty: to be discovered */
	uint64_t discovered_ns;      /* 0: before the next fetch, discover */
	bool signs_introspection;    /* as discovery said */

	json_t *keys, *doubtful; /* in force; of these, missing in the last fetch */
	json_t *unreadable;      /* unreadable_keys.c: {kid: since when, wall clock}; NULL: none */
	char skipped[200];       /* which entry cannot be read, and why; empty: none */
	uint64_t generation, fetched_wall_s, fetched_ns, soft_ns;
	enum keys_from from;
	uint64_t hard_ns; /* monotonic: their end */
	unsigned doubts;  /* fetches in a row that missed some key for the first time */

	uint64_t due_ns, not_before_ns;
	uint64_t begun_ns, begun_wall_s; /* of the attempt under way */
	struct outbound outbound;
	struct issuer_probe reach;
	struct issuer_fetch fetch; /* its document under way */
	bool discovers;            /* and that is the discovery document */
	char discovery_url[JWKS_URI_MAX];
	unsigned failures;                  /* in a row */
	char failure[200];                  /* the last one; empty after a success */
	enum issuer_state state;            /* as last told */
	enum drill drill;                   /* the same */
	struct slice asked_kid[ASKED_KIDS]; /* that this attempt, or the next, is to find */
	char asked_bytes[ASKED_KIDS][KID_MAX];
	size_t asked_len;
	bool asked; /* somebody waits for what the next attempt finds */

	uint64_t file_stamp[3]; /* modified, size, inode, as last read */
	bool file_was_read;
	struct keycopy copy;
	uint32_t series[FETCHEDS], age, states[ISSUER_STATES], drills[DRILLS], froms[KEYS_FROM];
};

struct inquiries; /* introspect.c: opaque tokens asked about */

struct issuer_keeper {
	const struct config *config;
	struct bundle *bundle;
	struct published_issuers *published;
	struct issuer_env env;
	struct statedir *statedir;
	struct snapshots *snapshots;
	struct revoker *revoker;
	struct keycopies copies;
	struct siphash_key hash;
	struct {
		uint64_t kid, until_ns;
		unsigned times;
	} absent[ABSENT_KIDS];
	struct source *source;
	size_t len;
	struct inquiries *inquiries;
};

static inline uint64_t keeper_now(const struct issuer_keeper *k)
{
	return k->env.now_ns(k->env.with);
}

void keeper_notify_workers(struct issuer_keeper *k); /* something published has changed */

/* issuer.c: of the keys in force, as the slot has them but for their text */
struct published_keys keeper_head(const struct source *s);
uint64_t keeper_end_ns(const struct source *s); /* of the keys in force, monotonic */

struct source *keeper_find(struct issuer_keeper *k, struct slice issuer); /* by name; NULL: none */

/* state.c */
#define DRILL_MAX_S 3600
void state_open(struct source *s);
void state_close(struct source *s);
uint64_t state_age_s(const struct source *s);         /* of the keys in force */
enum issuer_state state_real(const struct source *s); /* whatever a drill shows */
bool state_is_cut_off(const struct source *s);        /* a drill forbids to reach it */
void state_look(struct source *s);                    /* tells what has changed */
uint64_t state_drill_ends_ns(const struct source *s);

/* fetch_keys.c */
void fetch_keys_begin(struct source *s);
void fetch_keys_soon(struct source *s); /* gives up what is under way; the next begins at once */
void fetch_keys_failed(struct source *s, const char *why);
void fetch_keys_succeeded(struct source *s, struct slice jwks, uint64_t max_age_s);
void fetch_keys_publish_failed(struct source *s); /* to the workers: who waits need not wait longer */
/* What was fetched before, or elsewhere, as if it had been fetched now but for its age. False: it has no key
 * that may be used. */
bool fetch_keys_adopt(struct source *s, const struct snapshot *what, enum keys_from from);
struct snapshot fetch_keys_held(const struct source *s); /* borrows */
/* key_file.c */
void key_file_look(struct source *s);

/* introspect.c */
struct inquiries *inquiries_open(struct issuer_keeper *k);
void inquiries_close(struct inquiries *all); /* once nothing is under way */

/* unknown_kids.c: kids that issuers are known not to have */
bool unknown_kid_has(const struct issuer_keeper *k, const struct source *s, struct slice kid);
void unknown_kids_learn(struct issuer_keeper *k, struct source *s);

/* unreadable_keys.c: which entries of the set that was fetched cannot be read; and `latest`, a new array,
 * with the keys held under the kids of those. */
void unreadable_keys_learn(struct source *s, struct slice jwks);
json_t *unreadable_keys_with(const struct source *s, const json_t *latest);
