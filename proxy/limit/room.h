/* room.h -- limits as they were understood at open. Private to limit/. */
#pragma once
#include "limit/table.h"
#include "metrics/metrics.h"

#define PARTS_MAX 8

enum part_kind {
	PART_ADDRESS = 1, PART_PREFIX, PART_PREFIX48, /* of the address, which every request has */
	PART_SUBJECT, PART_CLIENT, PART_TENANT,       /* of the token */
	PART_JA4, PART_ROUTE, PART_CLASS, PART_CERTIFICATE, PART_HEADER,
};

struct part {
	enum part_kind kind;
	struct slice header; /* of PART_HEADER: its name */
	enum header_id id;
};

enum outcome { ADMITTED, REFUSED_BY_LIMIT, SHADOWED, OUTCOMES };

struct plan { /* one limit */
	const struct config_limit *limit;
	struct gcra gcra;
	struct part parts[PARTS_MAX];
	size_t parts_len;
	uint64_t name_hash;
	unsigned classes; /* bit per enum class_of */
	bool late;
	struct slice policy; /* `"name";q=..;w=..`, empty where clients are not told */
	char policy_text[160];
	uint32_t series[OUTCOMES];
};

struct station { const struct plan **plans; size_t len; };
struct stations { struct station early, late; };

struct limits {
	const struct config *config;
	struct limit_table *table;
	struct plan *plans;
	size_t plans_len;
	struct stations *routes; /* by the route's index in the configuration */
	const struct plan **lists; /* memory of all stations' lists */
};

/* At most this many limits are taken by one station: limits_open complains of more. */
#define STATION_MAX 16

/* Reads the parts of limit->key. False: complained. */
bool parts_read(struct plan *plan, struct config_errors *errors);
/* The tag of the request's bucket. */
uint64_t key_tag(const struct limits *l, const struct plan *plan, const struct request *r);

/* Writes the constant RateLimit-Policy member of the limit. */
void fields_prepare(struct plan *plan, bool wanted);
/* Adds the station's limits to r->rate_limit and r->rate_limit_policy. answered: parallel to plans. */
void fields_tell(struct request *r, const struct plan *const *plans, const struct answered *answered,
                 size_t len, uint64_t now_ns);
