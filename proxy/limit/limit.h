/* limit.h -- how often may this key try? Token buckets (GCRA) in a table shared by this machine's workers.
 *
 * A bucket is one 64-bit theoretical arrival time in ns; the table is lock-free, of fixed size, with bounded
 * probing, and outlives workers and reloads. A slot is two 64-bit atomics, key tag and time, each valid by
 * itself. Keys are SipHash of the limit's name and the key's parts under a key that lives in the table's
 * header. Eviction takes slots whose bucket is full again; a crowded neighbourhood of debtors takes the one
 * that owes least, and counts it. All limits of one station are taken all-or-nothing: first every bucket is
 * looked at, then all are charged; where a race refuses one after all, what the others were charged is given
 * back (local buckets only). Owns nothing of the request; r->refusal, r->rate_limit and r->rate_limit_policy
 * lie in its arena. */
#pragma once
#include "request/request.h"

/* ---- one bucket: exact, no floating point ---- */
struct gcra { uint64_t period_ns, tolerance_ns; }; /* T = ceil(per/count); tau = burst * T */
struct gcra gcra_of(struct rate rate, uint64_t burst);
/* tat: theoretical arrival time. True: admitted and *tat moved; false: *retry_after_ns says when cost fits.
 */
bool gcra_take(struct gcra g, uint64_t *tat, uint64_t now_ns, uint64_t cost, uint64_t *retry_after_ns);
uint64_t gcra_remaining(struct gcra g, uint64_t tat, uint64_t now_ns);

/* ---- the table, in shared memory ---- */
size_t limit_table_memory(uint64_t slots);
struct limit_table;
/* Lays the table out where memory is still zero. */
struct limit_table *limit_table_attach(void *memory, uint64_t slots);
/* Brings the debtors of an older table of another size along. */
void limit_table_import(struct limit_table *to, struct limit_table *from, uint64_t now_ns);

/* ---- the room ---- */
struct limits;
struct limits *limits_open(const struct config *c, struct limit_table *table, struct config_errors *errors);
void limits_close(struct limits *l);

/* Stations: GO_ON, or ANSWER with FAULT_LIMITED and r->refusal. Early takes the route's limits whose key
 * needs no token; late those keyed by subject, client or tenant. now_ns: monotonic. */
enum pace limit_early(struct limits *l, struct request *r, uint64_t now_ns);
enum pace limit_late(struct limits *l, struct request *r, uint64_t now_ns);
