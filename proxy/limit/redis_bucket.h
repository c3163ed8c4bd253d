/* redis_bucket.h -- one bucket in Redis: an unsigned 63-bit field V, the theoretical arrival time in ns since
 * 1970 on the server's clock. Pure: words in, words out. Private to limit/.
 *
 *     m = max(u, Vk)     tau_m = u + tau - m     H = 2^63 - 1 - tau_m
 *     BITFIELD k OVERFLOW SAT  INCRBY u63 0 -m          -> D = max(V - m, 0)
 *                OVERFLOW FAIL INCRBY u63 0 (c*T + H)   -> nil where D + c*T > tau_m: refused
 *                              INCRBY u63 0 -H          -> undoes the shift; fails where the one above did
 *                              INCRBY u63 0 m           -> V, absolute again
 *     PEXPIRE  k (2*tau + 2 s)
 *
 * One command decides and charges at once, so questions of any number of proxies may run in any order: who
 * is admitted owns the interval (V - c*T, V], which begins at u or later and ends at u + tau or before,
 * and V never falls, so intervals are disjoint: those stamped in [s, t] lie in [s, t + tau]. Vk, the
 * highest V known to who asks, makes a server that lost its memory start from there. */
#pragma once
#include "limit/limit.h"

struct redis_query {
	uint64_t stamp_ns; /* u: the request's time on the server's clock, below 2^62 */
	uint64_t known_ns; /* Vk on the same clock; 0: nothing is known */
	struct gcra gcra;  /* T and tau, below 2^61 */
	uint64_t tokens;   /* c */
};

struct words { /* what is sent; slices point into it and to the key */
	struct slice bitfield[22], expire[3];
	size_t bitfield_len;
	char digits[4][24];
};

struct ruling {
	bool admitted;
	uint64_t debt_ns, tat_ns; /* D, V */
};

/* How much of the bucket may still be owed for, tau_m; 0 where Vk says that nothing fits. */
uint64_t question_room(const struct redis_query *q);
/* False: Vk alone refuses, so there is nothing to ask. */
bool question_write(const struct redis_query *q, struct slice key, struct words *to);
/* False: that is no answer to it. */
bool question_read(const struct limit_reply *reply, struct ruling *to);
/* Of a refusal: how many tokens would have fitted. */
uint64_t question_rest(const struct redis_query *q, const struct ruling *r);

/* What was admitted without asking and is not paid by the time that passed. V becomes max(V, base) + owed:
 *     BITFIELD k OVERFLOW SAT INCRBY u63 0 -base   INCRBY u63 0 (base + owed)
 *                             INCRBY u63 #1 -room  INCRBY u63 #1 room          PEXPIRE k (2*tau + owed + 2 s)
 * base is the present, or the highest time known where that is later. So settlements of any machines and
 * tokens of the same moment make the same V in whatever order they come. A second field, which only
 * settlements touch, has when somebody who had been away last found room in the bucket; room_ns: when this
 * one did, on the server's clock, or 0. The reply has the latest of all. */
void settlement_write(struct gcra gcra, uint64_t base_ns, uint64_t owed_ns, uint64_t room_ns,
                      struct slice key, struct words *to);
bool settlement_read(const struct limit_reply *reply, uint64_t *tat_ns, uint64_t *room_ns);
