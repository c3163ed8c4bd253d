/* gcra.h -- how often may something happen? A bucket of tokens as one 64-bit time, exact, without floating
 * point: the generic cell rate algorithm. No clock, no memory of its own. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t count;  /* events */
	uint64_t per_ns; /* in this time; 10/s is {10, 1e9} */
};

/* T and tau: a token comes back every period_ns; the bucket holds tolerance_ns worth of them. */
struct gcra {
	uint64_t period_ns, tolerance_ns;
};
/* T = ceil(per/count); tau = burst * T, at most 2^62 (146 years, where the bucket holds less than burst). */
struct gcra gcra_of(struct rate rate, uint64_t burst);
/* tat: theoretical arrival time. True: admitted and *tat moved; false: *retry_after_ns says when cost fits
 * (UINT64_MAX: it never does). Times are below 2^63. */
bool gcra_take(struct gcra g, uint64_t *tat, uint64_t now_ns, uint64_t cost, uint64_t *retry_after_ns);
/* Charges also what the bucket does not hold, down to a debt of one burst. False: it owed that much already,
 * and *tat stays. */
bool gcra_owe(struct gcra g, uint64_t *tat, uint64_t now_ns, uint64_t cost);
uint64_t gcra_remaining(struct gcra g, uint64_t tat, uint64_t now_ns);
