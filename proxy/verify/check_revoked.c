/* Is the token of this request revoked? Judged each time, never cached; and again for open tunnels. */
#include "verify/inside.h"

static uint64_t mark(const struct revoked_table *t, const struct issuer *i, enum revoked_kind kind,
                     struct slice value)
{
	return value.len ? revoked_mark(t, i->config->id, kind, value) : 0;
}

bool check_token_revoked(const struct verify *v, const struct issuer *i, const struct claims *c,
                         struct slice kid, struct request *r, uint64_t wall_s)
{
	const struct revoked_table *t = &v->published->revoked;
	bool tunnel = r->upgrade_websocket;

	if (!tunnel && atomic_load_explicit(&t->used, memory_order_acquire) == 0)
		return false;
	const struct revoked_marks m = {
		.issued_s = c->issued_s,
		.of = { [REVOKED_JTI] = mark(t, i, REVOKED_JTI, claims_get(c, CLAIM_ID)),
		        [REVOKED_SUB] = mark(t, i, REVOKED_SUB, claims_get(c, CLAIM_SUBJECT)),
		        [REVOKED_SID] = mark(t, i, REVOKED_SID, claims_get(c, CLAIM_SESSION)),
		        [REVOKED_KID] = mark(t, i, REVOKED_KID, kid) }
	};
	struct revoked_marks *kept = tunnel ? arena_take(&r->arena, sizeof *kept) : NULL;
	if (kept)
		*kept = m;
	r->revocable = kept;
	return revoked_has(t, &m, wall_s);
}

uint64_t verify_revocations_moved(const struct verify *v)
{
	return atomic_load_explicit(&v->published->revoked.moved, memory_order_acquire);
}

bool verify_is_revoked(const struct verify *v, const struct request *r, uint64_t wall_s)
{
	return r->revocable && revoked_has(&v->published->revoked, r->revocable, wall_s);
}
