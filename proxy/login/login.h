/* login.h -- what the absence of an issuer means for those who want to log in. Part of login's door.
 *
 * A route with needs_issuer leads to what cannot work without it: a login page, a token endpoint. While the
 * keeper finds the issuer out of reach its requests are answered 503 at once (a page that tries again by
 * itself, for browsers), so that no code is used up and nobody waits for a time-out. When the issuer is back
 * after more than a minute, all who waited would come at once: they are let in on a ramp, 10 % of the normal
 * rate of these requests more every 30 s, until after five minutes all may come. Whoever holds a valid token
 * is on other routes and notices nothing.
 *
 * Each of these requests counts as one that the issuer will see, within its budget and after all that the
 * keeper asks: what keys, refreshes and questions about tokens leave of budget.all, and at most
 * budget.logins.
 *
 * The normal rate is counted by the minute in memory that the workers share; what lies there is 64-bit words,
 * each valid by itself. */
#pragma once
#include "login/exchange.h"

struct verify;
struct logins;
size_t logins_memory(void);
/* `memory` is zeroed before its first attach. */
struct logins *logins_attach(void *memory);

/* GO_ON; ANSWER with ISSUER_AWAY, or ISSUER_RETURNING for those whom the ramp does not let in yet, or
 * ISSUER_BUSY for those whom the budget does not. */
enum step_result login_enter(struct verify *v, struct logins *l, struct request *r, uint64_t now_ns);

/* What of the normal rate is let in, in percent, so long after the return; 100: the ramp is over. */
unsigned login_ramp(uint64_t since_ns);
