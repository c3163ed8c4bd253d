/* crowd.c -- how many slots the keys of one /24, one /64 or one /48 hold: an eighth of the table each at
 * most, so that no one network can fill it, whatever keys it makes up.
 *
 * A slot remembers for whom it was claimed. A claim counts up at once; what has passed since is found by
 * looking again at the slots, at most ten times a second and only where somebody has reached the eighth. In
 * between counts are too high, never too low but for claims made during such a look. Networks are told apart
 * by a keyed hash of twelve bits: a quiet one that meets a loud one's shares its lot, which is a common
 * bucket of its own. */
#include "buckets/inside.h"
#include "base/clock.h"
#include <string.h>

#define SHARE 8 /* a network holds one slot of so many */
#define LOOK_NS (100 * NS_PER_MS)
#define SAMPLE 65536 /* slots of a look; tags are spread evenly */
#define KNOWN (UINT32_C(1) << 31)
#define COARSE (UINT32_C(1) << 30)

struct in6_addr crowd_net(const struct in6_addr *from, bool coarse)
{
	struct in6_addr net = *from;
	size_t keep = IN6_IS_ADDR_V4MAPPED(from) ? 15 : coarse ? 6 : 8;

	memset(net.s6_addr + keep, 0, sizeof net.s6_addr - keep);
	return net;
}

static uint32_t number_of(const struct buckets *t, const struct in6_addr *from, bool coarse)
{
	struct in6_addr net = crowd_net(from, coarse);

	return (uint32_t)siphash(t->key, (struct slice){ (const char *)&net, sizeof net }) % CROWDS;
}

uint32_t crowd_of(const struct buckets *t, const struct in6_addr *from)
{
	if (!from)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(from))
		return KNOWN | number_of(t, from, false);
	return KNOWN | COARSE | number_of(t, from, true) * CROWDS | number_of(t, from, false);
}

static uint64_t slots_of(const struct buckets *t)
{
	return t->hoods * NEAR;
}

static struct crowds *crowds_of(struct buckets *t)
{
	return (struct crowds *)(void *)(t->slot + (t->hoods + t->common) * NEAR);
}

static _Atomic uint32_t *fine(struct crowds *c, uint32_t owner)
{
	return &c->held[0][owner % CROWDS];
}

static _Atomic uint32_t *coarse(struct crowds *c, uint32_t owner)
{
	return &c->held[1][owner / CROWDS % CROWDS];
}

size_t crowds_memory(uint64_t slots)
{
	return sizeof(struct crowds) + slots * sizeof(uint32_t);
}

static bool reached(struct buckets *t, uint32_t owner)
{
	struct crowds *c = crowds_of(t);
	uint64_t most = slots_of(t) / SHARE;

	return atomic_load_explicit(fine(c, owner), memory_order_relaxed) >= most || crowd_is_wide(t, owner);
}

bool crowd_is_wide(struct buckets *t, uint32_t owner)
{
	return owner & COARSE &&
	       atomic_load_explicit(coarse(crowds_of(t), owner), memory_order_relaxed) >= slots_of(t) / SHARE;
}

static void look(struct buckets *t, uint64_t now_ns)
{
	struct crowds *c = crowds_of(t), seen = { 0 };
	uint64_t all = slots_of(t), looked = all < SAMPLE ? all : SAMPLE;
	uint64_t start = 0;

	if (looked < all)
		start = siphash(t->key, (struct slice){ (const char *)&now_ns, sizeof now_ns }) % all;
	for (uint64_t i = 0; i < looked; i++) {
		uint64_t at = (start + i) % all;
		uint32_t owner = atomic_load_explicit(&c->owner[at], memory_order_relaxed);
		if (!owner || atomic_load_explicit(&t->slot[at].tat, memory_order_relaxed) <= now_ns)
			continue;
		++*fine(&seen, owner);
		*coarse(&seen, owner) += (owner & COARSE) != 0;
	}
	for (size_t i = 0; i < 2 * CROWDS; i++)
		atomic_store_explicit(&c->held[i / CROWDS][i % CROWDS],
		                      (uint32_t)(seen.held[i / CROWDS][i % CROWDS] * all / looked),
		                      memory_order_relaxed);
}

bool crowd_is_full(struct buckets *t, uint32_t owner, uint64_t now_ns)
{
	struct crowds *c = crowds_of(t);
	uint64_t last_ns = atomic_load_explicit(&c->looked_ns, memory_order_relaxed);

	if (!owner || !reached(t, owner))
		return false;
	if (now_ns < last_ns + LOOK_NS || !atomic_compare_exchange_strong(&c->looked_ns, &last_ns, now_ns))
		return true;
	look(t, now_ns);
	return reached(t, owner);
}

void crowd_claim(struct buckets *t, const struct slot *s, uint32_t owner)
{
	struct crowds *c = crowds_of(t);

	atomic_store_explicit(&c->owner[s - t->slot], owner, memory_order_relaxed);
	if (!owner)
		return;
	atomic_fetch_add_explicit(fine(c, owner), 1, memory_order_relaxed);
	if (owner & COARSE)
		atomic_fetch_add_explicit(coarse(c, owner), 1, memory_order_relaxed);
}
