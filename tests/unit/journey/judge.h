/* judge.h -- the logs of a trial against a reference bucket. */
#pragma once
#include "proxies.h"

struct verdicts {
	unsigned arrivals, admitted, ideal, by[SOURCES];
	uint64_t excess;        /* tokens by which the bucket was ever overdrawn, rounded up */
	unsigned wrong_denials; /* of the deny cache, that the reference would have admitted */
	unsigned bystanders, bystanders_refused;
	uint64_t worst_wait_ns, error_ns;
};

extern struct entry *logged;

/* slack_ns: what readings of the clock may differ by. */
struct verdicts judge(uint64_t slack_ns, bool deny_cache);

/* Did a process stand still for so long that the trial says nothing of the proxy? */
bool stalled(uint64_t most_ns);

/* Of the hot key, between two moments of the scenario. */
unsigned admitted_between(uint64_t from_ns, uint64_t to_ns);

void tell(const char *what, const struct verdicts *v);

/* Questions that the server executed so far. */
unsigned questions(void);

/* No script ran, and no key is left without a time to live. */
void check_server(void);
