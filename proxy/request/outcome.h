/* outcome.h -- how a request ended short of its upstream, and what its end costs. Part of request's door. */
#pragma once
#include "config/config.h"
#include "request/headers.h"

struct answer {      /* an answer of our own that is no fault: redirect, CORS preflight */
	uint16_t status; /* 0: none */
	struct headers fields;
};

struct refusal {                      /* by a limit */
	const struct config_limit *limit; /* the one violated; NULL where none */
	uint64_t retry_after_ns;
};

struct owed_costs { /* limits with outcomes, to be charged at SETTLE; limit/ alone reads them */
	size_t len;
	struct {
		const void *plan, *name;
		uint64_t tag;
	} at[LIMIT_OWED_MAX];
};
