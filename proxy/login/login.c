/* Lets logins in while their issuer can serve them. */
#include "base/check.h"
#include "login/login.h"
#include "published/published.h"
#include "verify/verify.h"

#define STEP_NS (30 * NS_PER_S)
#define STEP_PERCENT 10
#define MINUTE_NS (60 * NS_PER_S)
#define LEAST_PER_MINUTE 60       /* where less is normal, or nothing is known */
#define BURST 2                   /* requests, of the ramp */
#define AT_ONCE_NS (NS_PER_S / 4) /* of the budget: with 80 a second, no second sees more than 100 */
#define AT_ONCE_LEAST 4           /* requests */

struct login_issuer {
	_Alignas(64) _Atomic uint64_t who; /* whose it is: the first bytes of the slot's digest */
	_Atomic uint64_t minute;           /* number of the minute << 32 | requests let in during it */
	_Atomic uint64_t normal;           /* requests a minute, smoothed, * 8; 0: not known */
	_Atomic uint64_t next_ns;          /* of the ramp: theoretical arrival time of a GCRA */
	_Atomic uint64_t all_ns, own_ns;   /* the same of budget.all and budget.logins */
	_Atomic uint64_t sent;             /* of the keeper's requests, those that all_ns is charged with */
};

struct logins {
	struct login_issuer of[ISSUERS_MAX];
};

size_t logins_memory(void)
{
	return sizeof(struct logins);
}

struct logins *logins_attach(void *memory)
{
	return memory;
}

unsigned login_ramp(uint64_t since_ns)
{
	uint64_t percent = STEP_PERCENT * (1 + since_ns / STEP_NS);

	return percent < 100 ? (unsigned)percent : 100;
}

/* The place of the issuer's slot; emptied where another issuer had it. */
static struct login_issuer *place(struct logins *l, const struct verify_issuer *i)
{
	struct login_issuer *p = &l->of[i->at];
	uint64_t who, was = atomic_load(&p->who);

	memcpy(&who, i->who, sizeof who);
	if (was != who && atomic_compare_exchange_strong(&p->who, &was, who)) {
		atomic_store(&p->minute, 0);
		atomic_store(&p->normal, 0);
		atomic_store(&p->next_ns, 0);
		atomic_store(&p->all_ns, 0);
		atomic_store(&p->own_ns, 0);
	}
	return p;
}

/* Minutes of a ramp are not normal ones. */
static void learn(struct login_issuer *p, uint64_t word, bool normal)
{
	uint64_t sample = (word & UINT32_MAX) * 8, was = atomic_load(&p->normal);

	if (normal && word)
		atomic_store(&p->normal, was ? was - was / 8 + sample / 8 : sample);
}

static void count(struct login_issuer *p, uint64_t now_ns, bool normal)
{
	uint64_t minute = now_ns / MINUTE_NS, word = atomic_load(&p->minute);

	for (;;) {
		bool same = word >> 32 == minute;
		if (atomic_compare_exchange_weak(&p->minute, &word, same ? word + 1 : minute << 32 | 1)) {
			if (!same)
				learn(p, word, normal);
			return;
		}
	}
}

/* One of the bucket, which the workers share. */
static bool take(_Atomic uint64_t *tat, struct gcra bucket, uint64_t now_ns)
{
	uint64_t was = atomic_load(tat), to, wait_ns;

	do {
		to = was;
		if (!gcra_take(bucket, &to, now_ns, 1, &wait_ns))
			return false;
	} while (!atomic_compare_exchange_weak(tat, &was, to));
	return true;
}

static bool is_let_in(struct login_issuer *p, unsigned percent, uint64_t now_ns)
{
	uint64_t normal = atomic_load(&p->normal) / 8;
	uint64_t a_minute = (normal > LEAST_PER_MINUTE ? normal : LEAST_PER_MINUTE) * percent;
	uint64_t period_ns = MINUTE_NS * 100 / a_minute;

	return take(&p->next_ns, (struct gcra){ period_ns, BURST * period_ns }, now_ns);
}

static uint64_t at_once_ns(uint64_t interval_ns)
{
	return AT_ONCE_LEAST * interval_ns > AT_ONCE_NS ? AT_ONCE_LEAST * interval_ns : AT_ONCE_NS;
}

/* So many that went anyway; never more than the whole burst is owed. */
static void charge(_Atomic uint64_t *next, uint64_t n, uint64_t interval_ns, uint64_t now_ns)
{
	uint64_t next_ns = atomic_load(next), most_ns = now_ns + at_once_ns(interval_ns), to_ns;

	do {
		uint64_t room = next_ns < most_ns && interval_ns ? (most_ns - next_ns) / interval_ns : 0;
		to_ns = next_ns + (n < room ? n : room) * interval_ns;
	} while (!atomic_compare_exchange_weak(next, &next_ns, to_ns));
}

/* The keeper asks for keys and tokens whatever we do, within the same budget; so what it has sent is charged
 * first, from where the bucket stood: what it sent long ago has drained already. */
static void yield_to_keeper(struct login_issuer *p, const struct verify_issuer *i, uint64_t interval_ns,
                            uint64_t now_ns)
{
	uint64_t sent = atomic_load(&i->slot->sent), seen = atomic_load(&p->sent);

	if (sent != seen && atomic_compare_exchange_strong(&p->sent, &seen, sent))
		charge(&p->all_ns, sent - seen, interval_ns, now_ns);
}

static bool take_at(_Atomic uint64_t *tat, uint64_t interval_ns, uint64_t now_ns)
{
	return take(tat, (struct gcra){ interval_ns, at_once_ns(interval_ns) }, now_ns);
}

static bool is_within_budget(struct login_issuer *p, const struct verify_issuer *i, uint64_t now_ns)
{
	const struct config_issuer_budget *b = &i->config->budget;
	uint64_t interval_ns = published_interval_ns(b, b->all);

	yield_to_keeper(p, i, interval_ns, now_ns);
	return take_at(&p->all_ns, interval_ns, now_ns) &&
	       take_at(&p->own_ns, published_interval_ns(b, b->logins), now_ns);
}

enum step_result login_enter(struct verify *v, struct logins *l, struct request *r, uint64_t now_ns)
{
	struct verify_issuer i;

	if (!verify_issuer(v, r->route->needs_issuer, &i))
		return GO_ON; /* nothing is known of it */
	struct login_issuer *p = place(l, &i);
	uint64_t back_ns = atomic_load(&i.slot->back_ns);
	unsigned percent = back_ns && now_ns > back_ns ? login_ramp(now_ns - back_ns) : 100;
	if (atomic_load(&i.slot->reach) == REACH_AWAY)
		return request_fail(r, FAULT_ISSUER_AWAY);
	if (percent < 100 && !is_let_in(p, percent, now_ns))
		return request_fail(r, FAULT_ISSUER_RETURNING);
	if (!is_within_budget(p, &i, now_ns))
		return request_fail(r, FAULT_ISSUER_BUSY);
	count(p, now_ns, percent == 100);
	return GO_ON;
}
