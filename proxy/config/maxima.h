/* maxima.h -- how much a configuration may have where memory of fixed size waits for it. config/ refuses
 * more; the rooms size their memory by the same numbers and rely on it. Part of config's door. */
#pragma once

#define ISSUERS_MAX 32       /* each has a slot of the published keys */
#define EGRESS_MAX 8         /* ways out to one issuer */
#define ENDPOINTS_MAX 1024   /* of all upstreams: each has a record of its addresses and health */
#define ENDPOINT_LEN_MAX 190 /* bytes; it is published together with its upstream's name */
#define REDIS_SERVERS_MAX 16 /* the others are found from these */
#define CARRIERS_MAX 4       /* places that one route takes tokens from */
#define CLAIMS_WANTED_MAX 16 /* claims that routes have conditions for, together */
#define KEY_PARTS_MAX 8      /* of one limit */
#define ROUTE_LIMITS_MAX 16  /* limits of one route */
#define LIMIT_OUTCOMES_MAX 8 /* statuses in one limit's outcomes */
#define LIMIT_OWED_MAX 4     /* limits with outcomes on one route */
