/* A slot changes in two ways only, each one compare-and-swap: its time moves (a charge, or the charge given
 * back), or its tag changes. A process killed between any two instructions leaves valid slots.
 *
 * A tag changes only where the slot's time has passed, which is what a full bucket looks like for every key:
 * the newcomer needs no second write to begin. What races can do:
 * - A charge lands on a slot that was given to another key since it was found. The charger looks at the tag
 *   again after its swap and, where it moved, charges its own bucket too: the other key is a token short.
 * - A slot is given away between its old key's charge and the taker's swap of the tag (the taker saw the time
 *   from before the charge). The old key, whose bucket was full, is forgiven that charge: at most one request
 *   per worker, in a window of nanoseconds, for a key that was idle.
 * - Two workers bring the same new key. Both choose the same slot, so one swap fails and its
 *   worker finds the other's slot. Where the neighbourhood changed between their choices each finds the other
 *   when it looks again before charging, gives its slot up and starts over.
 * - Workers' stamps differ by e (a turn of the loop). A bucket that is full by one's stamp is in debt by the
 *   other's: at most e * rate tokens more.
 * So a key is never refused more than its due by more than a token per race, and admitted beyond burst +
 * rate * t by no more than the above. */
#include "buckets/inside.h"
#include "base/check.h"
#include "base/random.h"

#define LAYOUT UINT64_C(0x534c595f4c494d02) /* "SLY_LIM", version 2 */
#define TRIES 8
#define SAMPLE 65536

static uint64_t hoods_for(uint64_t slots)
{
	return slots < NEAR ? 1 : (slots + NEAR - 1) / NEAR;
}

static uint64_t common_for(uint64_t slots)
{
	return hoods_for(hoods_for(slots));
}

size_t buckets_memory(uint64_t slots)
{
	return sizeof(struct buckets) + (hoods_for(slots) + common_for(slots)) * NEAR * sizeof(struct slot) +
	       crowds_memory(hoods_for(slots) * NEAR);
}

struct buckets *buckets_attach(void *memory, uint64_t slots)
{
	struct buckets *t = memory;

	check((uintptr_t)memory % 64 == 0 && slots > 0 && slots <= UINT64_C(1) << 32);
	if (atomic_load(&t->layout) == 0) {
		t->slots = slots;
		t->hoods = hoods_for(slots);
		t->common = common_for(slots);
		random_bytes(&t->key, sizeof t->key);
		atomic_store(&t->layout, LAYOUT);
	}
	return atomic_load(&t->layout) == LAYOUT && t->slots == slots ? t : NULL;
}

struct siphash_key buckets_key(const struct buckets *t)
{
	return t->key;
}

uint64_t buckets_tag(const struct buckets *t, struct slice key)
{
	uint64_t tag = siphash(t->key, key);

	return tag ? tag : 1;
}

/* The tag's upper half spread over n neighbourhoods, n <= 2^32. */
static uint64_t spread(uint64_t tag, uint64_t n)
{
	return (tag >> 32) * n >> 32;
}

/* The two neighbourhoods in which a key may lie. */
struct near {
	struct slot *hood[2];
};

static struct near near_of(struct buckets *t, uint64_t tag)
{
	return (struct near){ { t->slot + spread(tag, t->hoods) * NEAR,
		                    t->slot + spread(tag << 32, t->hoods) * NEAR } };
}

void buckets_fetch(struct buckets *t, uint64_t tag)
{
	struct near near = near_of(t, tag);

	for (size_t i = 0; i < 2; i++) {
		__builtin_prefetch(near.hood[i]);
		__builtin_prefetch(near.hood[i] + NEAR / 2);
	}
}

static struct near common_near_of(struct buckets *t, uint64_t tag)
{
	struct slot *common = t->slot + t->hoods * NEAR;

	return (struct near){ { common + spread(tag, t->common) * NEAR,
		                    common + spread(tag << 32, t->common) * NEAR } };
}

/* Common buckets are told apart by limit and by who brings the key: its network. So a newcomer whose own
 * network is quiet is not refused, however full the table. Of nobody known: by the neighbourhood that was
 * crowded, eight neighbourhoods to one. */
static uint64_t common_tag(struct buckets *t, const struct bucket_ask *a)
{
	struct {
		uint64_t limit, part;
		struct in6_addr net;
	} key = { .limit = a->limit };

	if (a->from)
		key.net = crowd_net(a->from, crowd_is_wide(t, crowd_of(t, a->from)));
	else
		key.part = spread(a->tag, t->hoods) / NEAR;
	return buckets_tag(t, (struct slice){ (const char *)&key, sizeof key });
}

static struct slot *find(const struct near *n, uint64_t tag)
{
	for (size_t i = 0; i < 2 * NEAR; i++) {
		struct slot *s = &n->hood[i / NEAR][i % NEAR];
		if (atomic_load_explicit(&s->tag, memory_order_acquire) == tag)
			return s;
	}
	return NULL;
}

/* Are all slots debtors? */
static bool is_crowded(const struct near *n, uint64_t now_ns)
{
	unsigned debtors = 0;

	for (size_t i = 0; i < 2 * NEAR; i++)
		debtors += atomic_load_explicit(&n->hood[i / NEAR][i % NEAR].tat, memory_order_acquire) > now_ns;
	return debtors == 2 * NEAR;
}

/* In one neighbourhood: the slot with the oldest time, and how many are debtors. */
static struct slot *oldest_of(struct slot *hood, uint64_t now_ns, uint64_t *oldest, unsigned *debtors)
{
	size_t best = 0;

	*oldest = UINT64_MAX;
	*debtors = 0;
	for (size_t i = 0; i < NEAR; i++) {
		uint64_t there = atomic_load_explicit(&hood[i].tat, memory_order_acquire);
		bool older = there < *oldest;
		best = older ? i : best;
		*oldest = older ? there : *oldest;
		*debtors += there > now_ns;
	}
	return &hood[best];
}

/* The slot with the oldest time in the neighbourhood with fewer debtors: the same one for whoever looks at
 * the same moment. */
static struct slot *choose(const struct near *n, uint64_t now_ns, uint64_t *tat)
{
	struct slot *best[2];
	uint64_t oldest[2];
	unsigned debtors[2];

	for (size_t i = 0; i < 2; i++)
		best[i] = oldest_of(n->hood[i], now_ns, &oldest[i], &debtors[i]);
	size_t hood = debtors[0] == debtors[1] ? oldest[1] < oldest[0] : debtors[1] < debtors[0];
	*tat = oldest[hood];
	return best[hood];
}

static bool is_alone(const struct near *n, const struct slot *mine, uint64_t tag)
{
	for (size_t i = 0; i < 2 * NEAR; i++) {
		const struct slot *s = &n->hood[i / NEAR][i % NEAR];
		if (s != mine && atomic_load(&s->tag) == tag)
			return false;
	}
	return true;
}

/* Who brings a new key: its address, or its crowd where that is known already. */
struct bringer {
	const struct in6_addr *from;
	uint32_t owner;
};

/* The key's slot, made where there is none. NULL: all slots are debtors, or those who bring it hold too many
 * (or the race was lost TRIES times). by NULL: the least debtor goes instead, and its debt with it; in the
 * common region only. */
static struct slot *claim(struct buckets *t, const struct near *n, uint64_t tag, uint64_t now_ns,
                          const struct bringer *by)
{
	uint32_t owner = 0;

	for (int i = 0; i < TRIES; i++) {
		struct slot *s = find(n, tag);
		uint64_t tat, old;
		if (s)
			return s;
		if (by && !owner)
			owner = by->from ? crowd_of(t, by->from) : by->owner;
		s = choose(n, now_ns, &tat);
		if (by && (tat > now_ns || crowd_is_full(t, owner, now_ns)))
			return NULL;
		old = atomic_load(&s->tag);
		if (atomic_load(&s->tat) != tat || !atomic_compare_exchange_strong(&s->tag, &old, tag))
			continue;
		if (tat > now_ns)
			atomic_compare_exchange_strong(&s->tat, &tat, now_ns);
		if (is_alone(n, s, tag)) {
			if (by)
				crowd_claim(t, s, owner);
			return s;
		}
		uint64_t mine = tag;
		atomic_compare_exchange_strong(&s->tag, &mine, 0);
	}
	return NULL;
}

enum charge { CHARGED, REFUSED, MOVED };

static enum charge charge(struct slot *s, const struct bucket_ask *a, uint64_t tag, uint64_t now_ns,
                          struct bucket_answer *to)
{
	bool admitted;

	to->slot = s;
	to->tag = tag;
	to->before = atomic_load_explicit(&s->tat, memory_order_acquire);
	do {
		to->tat = to->before > a->floor_ns ? to->before : a->floor_ns;
		admitted = a->owed ? gcra_owe(a->gcra, &to->tat, now_ns, a->cost)
		                   : gcra_take(a->gcra, &to->tat, now_ns, a->cost, &to->retry_after_ns);
	} while (admitted && !atomic_compare_exchange_weak(&s->tat, &to->before, to->tat));
	to->shown_tat = to->tat;
	if (atomic_load(&s->tag) != tag)
		return MOVED;
	return admitted ? CHARGED : REFUSED;
}

bool buckets_take(struct buckets *t, const struct bucket_ask *a, uint64_t now_ns, struct bucket_answer *to)
{
	struct near near = near_of(t, a->tag);
	enum charge done = MOVED;
	struct slot *s;

	to->crowded = false;
	for (int i = 0; i < TRIES && done == MOVED; i++) {
		s = claim(t, &near, a->tag, now_ns, &(struct bringer){ a->from, 0 });
		if (!s)
			break;
		done = charge(s, a, a->tag, now_ns, to);
	}
	if (done != MOVED)
		return done == CHARGED;
	to->crowded = true;
	uint64_t tag = common_tag(t, a);
	near = common_near_of(t, tag);
	for (int i = 0; i < TRIES && done == MOVED; i++) {
		s = claim(t, &near, tag, now_ns, NULL);
		if (!s)
			break;
		done = charge(s, a, tag, now_ns, to);
	}
	if (done == MOVED) /* every race was lost: the wait is short */
		to->retry_after_ns = a->gcra.period_ns;
	return done == CHARGED;
}

bool buckets_look(struct buckets *t, const struct bucket_ask *a, uint64_t now_ns, struct bucket_answer *to)
{
	struct near near = near_of(t, a->tag);
	struct slot *s = find(&near, a->tag);
	uint64_t tat;

	to->slot = NULL;
	to->crowded = false;
	if (!s && (is_crowded(&near, now_ns) || crowd_is_full(t, crowd_of(t, a->from), now_ns))) {
		uint64_t tag = common_tag(t, a);
		to->crowded = true;
		near = common_near_of(t, tag);
		s = find(&near, tag);
	}
	to->tat = s ? atomic_load_explicit(&s->tat, memory_order_acquire) : 0;
	to->shown_tat = tat = to->tat;
	return gcra_take(a->gcra, &tat, now_ns, a->cost, &to->retry_after_ns);
}

bool buckets_find(struct buckets *t, uint64_t tag, uint64_t *tat)
{
	struct near near = near_of(t, tag);
	struct slot *s = find(&near, tag);

	*tat = s ? atomic_load_explicit(&s->tat, memory_order_acquire) : 0;
	return s != NULL;
}

/* Where the slot went to another key meanwhile, what was written is taken back from it. */
bool buckets_raise(struct buckets *t, uint64_t tag, uint64_t tat, uint64_t now_ns, uint32_t owner)
{
	struct near near = near_of(t, tag);

	for (int i = 0; i < TRIES; i++) {
		struct slot *s = claim(t, &near, tag, now_ns, &(struct bringer){ NULL, owner });
		if (!s)
			return false;
		uint64_t there = atomic_load(&s->tat), written = tat;
		while (there < tat && !atomic_compare_exchange_weak(&s->tat, &there, tat))
			;
		if (atomic_load(&s->tag) == tag)
			return true;
		if (there < tat)
			atomic_compare_exchange_strong(&s->tat, &written, there);
	}
	return false;
}

/* The time is set back only where it is still the one written: a charge since then may have counted on time
 * that had passed, and taking ours out from under it would give those tokens twice. */
void buckets_give_back(struct bucket_answer *a)
{
	uint64_t written = a->tat;

	if (atomic_load(&a->slot->tag) == a->tag &&
	    atomic_compare_exchange_strong(&a->slot->tat, &written, a->before))
		a->shown_tat = a->tat = a->before;
}

uint64_t buckets_tat(struct buckets *t, uint64_t tag)
{
	struct near near = near_of(t, tag);
	const struct slot *s = find(&near, tag);

	return s ? atomic_load_explicit(&s->tat, memory_order_acquire) : 0;
}

uint64_t buckets_advance(struct buckets *t, uint64_t tag, uint64_t floor_ns, uint64_t end_ns,
                         uint64_t most_ns)
{
	struct near near = near_of(t, tag);
	struct slot *s = find(&near, tag);
	uint64_t there = s ? atomic_load(&s->tat) : 0, from, step;

	do {
		from = there > floor_ns ? there : floor_ns;
		step = end_ns > from ? end_ns - from : 0;
		step = step < most_ns ? step : most_ns;
	} while (s && step && !atomic_compare_exchange_weak(&s->tat, &there, from + step));
	return s ? step : 0;
}

void buckets_retreat(struct buckets *t, uint64_t tag, uint64_t ns)
{
	struct near near = near_of(t, tag);
	struct slot *s = find(&near, tag);

	if (s && ns)
		atomic_fetch_sub(&s->tat, ns);
}

/* Only a debt is taken away, and only the key's own: a debtor's slot is not given to another. */
bool buckets_forgive(struct buckets *t, uint64_t tag, uint64_t now_ns)
{
	struct near near = near_of(t, tag);
	struct slot *s = find(&near, tag);
	uint64_t tat = s ? atomic_load(&s->tat) : 0;

	while (tat > now_ns && atomic_load(&s->tag) == tag)
		if (atomic_compare_exchange_weak(&s->tat, &tat, now_ns))
			return true;
	return false;
}

uint64_t buckets_used(const struct buckets *t, uint64_t now_ns)
{
	uint64_t all = t->hoods * NEAR, looked = all < SAMPLE ? all : SAMPLE, used = 0;
	uint64_t start = looked < all ? random_u64() % all : 0; /* tags are spread evenly: any run will do */

	for (uint64_t i = 0; i < looked; i++)
		used += atomic_load_explicit(&t->slot[(start + i) % all].tat, memory_order_relaxed) > now_ns;
	return used * all / looked;
}
