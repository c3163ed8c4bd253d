/* inside.h -- limits as they were understood at open. Private to limit/. */
#pragma once
#include "base/text.h"
#include "base/siphash.h"
#include "limit/key.h"
#include "limit/limit.h"
#include "metrics/metrics.h"

enum limit_source {
	SOURCE_REDIS,
	SOURCE_LEASE,
	SOURCE_DENY_CACHE,
	SOURCE_LOCAL,
	SOURCES
}; /* of a fleet's limit */
/* Who decided: the key's own bucket, a common one, or a source. */
enum limit_by { BY_MEMORY, BY_CROWD, BY_SOURCE, LIMIT_BYS = BY_SOURCE + (int)SOURCES };
extern const char *const limit_bys[LIMIT_BYS];

enum limit_outcome { ADMITTED, REFUSED_BY_LIMIT, SHADOWED, CHARGED_LATER, OUTCOMES };

struct plan { /* one limit */
	const struct config_limit *limit;
	struct gcra gcra;
	struct key_part parts[KEY_PARTS_MAX];
	size_t parts_len;
	uint64_t name_hash;
	unsigned classes; /* bit per enum class_of */
	uint32_t shadow;  /* of a hundred keys, so many are only watched */
	bool refuses_unreadable;
	bool late, reads_body, fleet; /* fleet: counted in Redis */
	bool named;                   /* has names in Redis, which this process may not use itself */
	struct {
		uint16_t status;
		uint64_t extra;
	} outcomes[LIMIT_OUTCOMES_MAX];
	size_t outcomes_len;
	struct slice policy; /* `"name";q=..;w=..`, empty where clients are never told */
	char policy_text[160];
	uint32_t series[OUTCOMES], sources[SOURCES];
};

struct station_plans {
	const struct plan **plans;
	size_t len;
};
struct stations {
	struct station_plans early, late;
};

struct limits {
	const struct config *config;
	struct buckets *table;
	enum step_result (*read_body)(struct request *);
	struct limit_hot *hot;                /* NULL: nobody watches */
	struct fleet *fleet;                  /* NULL: alone */
	struct siphash_key pieces;            /* for long parts of keys: the same on all machines of a fleet */
	struct siphash_key names[2], records; /* of the fleet's secret, where named */
	bool named;                        /* limits of scope fleet have names in Redis, whoever counts there */
	const struct limit_resets *resets; /* NULL: nobody resets */
	uint64_t resets_seen, forgotten_until_ns;
	struct forgotten {
		uint64_t tag, until_ns;
	} forgotten[LIMIT_RESETS];
	struct plan *plans;
	size_t plans_len;
	struct stations *routes;   /* by the route's index in the configuration */
	const struct plan **lists; /* memory of all stations' lists */
};

/* At most this many limits are taken by one station: config/ refuses more. */

struct name {
	char hex[32];
	uint16_t slot;
	uint32_t owner;
}; /* of a key in Redis; whose (crowd_of) */
struct span {
	uint64_t from_ns, to_ns;
};             /* monotonic; empty where from >= to */
struct stake { /* what a fleet's limit gave to this request */
	enum limit_source source;
	struct span spent;
	bool waited, full; /* full: this machine's share was */
};

struct round { /* the limits of one station that apply to this request */
	const struct plan *plans[ROUTE_LIMITS_MAX];
	struct bucket_ask asks[ROUTE_LIMITS_MAX];
	struct bucket_answer answered[ROUTE_LIMITS_MAX];
	struct stake stakes[ROUTE_LIMITS_MAX];
	bool admitted[ROUTE_LIMITS_MAX], shadow[ROUTE_LIMITS_MAX], taken[ROUTE_LIMITS_MAX];
	size_t len;
	bool unreadable; /* a limit refuses whose field cannot be read */
};

/* Reads the parts of limit->key; the classes. False: complained. */
void parts_read(struct plan *plan);
void classes_read(struct plan *plan);

/* Reads what outcomes cost beyond limit->cost. False: complained. */
void outcomes_read(struct plan *plan);
/* The request took from these buckets: those whose cost depends on its end are kept in it. */
void outcome_expect(const struct limits *l, struct request *r, const struct round *round);

/* Whether the limit is for this request; whether the key is only watched; whether the key needs bytes of the
 * body that are still to come. */
bool plan_applies(const struct plan *plan, const struct request *r);
bool plan_is_shadow(const struct plan *plan, uint64_t tag);
bool plan_wants_body(const struct plan *plan, const struct request *r);

#define KEY_SIZE (8 + (KEY_PARTS_MAX * 2) * (4 + PIECE_MAX)) /* bytes: a part is at most two pieces */
/* The request's key, its bytes, and the tag of its bucket: where the limit is the fleet's, the first half of
 * its name in Redis, so that all machines know the bucket by the same tag. The key's values lie in the
 * request and in itself. */
void key_of(const struct limits *l, const struct plan *plan, const struct request *r, struct limit_key *to);
void key_write(const struct limit_key *k, struct text *to);
uint64_t key_tag(const struct limits *l, const struct plan *plan, const struct limit_key *k);
void piece_of_address(struct key_piece *p, enum part_kind kind, const struct in6_addr *a,
                      struct prefix_bits bits);
void piece_of_value(const struct limits *l, struct key_piece *p, struct slice value);

/* As people see it, and back: false where these are no such words. They are decoded in place and referred
 * to. */
void key_text(const struct plan *plan, const struct limit_key *key, struct text *to);
bool key_from_text(const struct limits *l, const struct plan *plan, struct slice words, struct limit_key *to);
/* Counts the station's decisions among the worker's busiest keys. */
void watch(const struct limits *l, const struct request *r, const struct round *round, uint64_t now_ns);
void watch_fetch(const struct limits *l, uint64_t tag); /* it will in a moment */

/* ---- reset.c ---- */
/* What is new in l->resets is forgotten. */
void resets_heed(struct limits *l, uint64_t now_ns);
/* Was the key reset so lately that what was asked at that time may tell of the bucket before? */
bool reset_is_on(const struct limits *l, uint64_t tag, uint64_t asked_ns);

/* Writes the constant RateLimit-Policy member of the limit. */
void fields_prepare(struct plan *plan, bool wanted);
/* Adds the station's limits to r->rate_limit and r->rate_limit_policy. */
void fields_add(struct request *r, const struct round *round, uint64_t now_ns);
