/* Finds out whose bytes crash workers, and blocks them for a while. */
#include "shared/suspects.h"
#include <string.h>

/* Its worker may be killed at any moment: the address is not named while it is being written. */
void suspect_name(struct suspect *s, const struct in6_addr *address)
{
	atomic_store_explicit(&s->named, 0, memory_order_relaxed);
	if (!address)
		return;
	atomic_signal_fence(memory_order_seq_cst);
	s->address = *address;
	atomic_store_explicit(&s->named, 1, memory_order_release);
}

/* An IPv6 address stands for its /64, which is one client's. */
static struct in6_addr net_of(const struct in6_addr *address)
{
	struct in6_addr net = *address;

	if (!IN6_IS_ADDR_V4MAPPED(address))
		memset(net.s6_addr + 8, 0, 8);
	return net;
}

/* The two halves of it as the atomics hold them. */
static void halves(const struct in6_addr *address, uint64_t half[2])
{
	struct in6_addr net = net_of(address);

	memcpy(half, &net, sizeof net);
}

bool blocked_has(const struct blocked *b, const struct in6_addr *address, uint64_t now_ns)
{
	uint32_t len = atomic_load_explicit(&b->len, memory_order_acquire);
	uint64_t half[2];

	if (len == 0)
		return false;
	halves(address, half);
	for (uint32_t i = 0; i < len && i < BLOCKED_MAX; i++) {
		const struct blocked_client *at = &b->at[i];
		uint64_t until_ns = atomic_load(&at->until_ns);
		/* an entry being rewritten has no end, or another one when looked at again */
		if (until_ns > now_ns && atomic_load(&at->high) == half[0] && atomic_load(&at->low) == half[1] &&
		    atomic_load(&at->until_ns) == until_ns)
			return true;
	}
	return false;
}

static struct blocked_client *choose(struct blocked *b, const uint64_t half[2])
{
	uint32_t len = atomic_load(&b->len);

	len = len < BLOCKED_MAX ? len : BLOCKED_MAX;
	struct blocked_client *first = &b->at[0];

	for (uint32_t i = 0; i < len; i++) {
		struct blocked_client *at = &b->at[i];
		if (atomic_load(&at->high) == half[0] && atomic_load(&at->low) == half[1])
			return at;
		if (atomic_load(&at->until_ns) < atomic_load(&first->until_ns))
			first = at;
	}
	return len < BLOCKED_MAX ? &b->at[len] : first;
}

void blocked_add(struct blocked *b, const struct in6_addr *address, uint64_t until_ns)
{
	uint64_t half[2];

	halves(address, half);
	struct blocked_client *at = choose(b, half);
	atomic_store(&at->until_ns, 0);
	atomic_store(&at->high, half[0]);
	atomic_store(&at->low, half[1]);
	atomic_store(&at->until_ns, until_ns);
	uint32_t used = (uint32_t)(at - b->at) + 1;
	if (used > atomic_load(&b->len))
		atomic_store(&b->len, used);
}

static void forget_old(struct crashes *b, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->len; i++)
		if (now_ns - b->at[i].at_ns < CRASH_NS)
			b->at[kept++] = b->at[i];
	b->len = kept;
}

static struct crash *find(struct crashes *b, const struct in6_addr *address)
{
	for (size_t i = 0; i < b->len; i++)
		if (IN6_ARE_ADDR_EQUAL(&b->at[i].address, address))
			return &b->at[i];
	return NULL;
}

static void remember(struct crashes *b, const struct in6_addr *address, uint64_t now_ns)
{
	if (b->len == CRASHES_MAX) /* the oldest gives way */
		memmove(b->at, b->at + 1, --b->len * sizeof b->at[0]);
	b->at[b->len++] = (struct crash){ *address, now_ns };
}

bool crashes_attribute(struct crashes *b, const struct suspect *s, struct blocked *bars, uint64_t now_ns,
                       struct in6_addr *whom)
{
	struct in6_addr address = s->address; /* once: the dead may have left anything there */

	*whom = net_of(&address);
	forget_old(b, now_ns);
	if (!atomic_load(&s->named))
		return false;
	struct crash *before = find(b, whom);
	if (!before) {
		remember(b, whom, now_ns);
		return false;
	}
	before->at_ns = now_ns;
	blocked_add(bars, whom, now_ns + CRASH_NS);
	return true;
}
