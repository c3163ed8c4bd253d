/* passing.c -- what passing.h promises. */
#include "passing.h"

void keeping_pass(uint64_t s)
{
	uint64_t until_ns = keeping.now_ns + s * NS_PER_S, base_ns = keeping.now_ns, base_s = keeping.wall_s;

	for (;;) {
		uint64_t next_ns = issuer_keeper_tick(keeping.keeper);
		if (keeping.answer && keeping.answer())
			continue;
		if (next_ns <= keeping.now_ns)
			next_ns = keeping.now_ns + NS_PER_MS;
		if (next_ns > until_ns)
			break;
		keeping.now_ns = next_ns;
		keeping.wall_s = base_s + (keeping.now_ns - base_ns) / NS_PER_S;
	}
	keeping.now_ns = until_ns;
	keeping.wall_s = base_s + s;
	issuer_keeper_tick(keeping.keeper);
}

struct published_slot *keeping_slot(void)
{
	unsigned char who[SHA256_LEN];

	if (!published_who(&keeping.issuer, who))
		abort();
	return published_claim(keeping.published, who, NULL, 0);
}

struct published_keys *keeping_seen(void)
{
	static struct published_keys seen;
	uint64_t version;

	if (!published_take(keeping_slot(), &seen, &version))
		abort();
	return &seen;
}

bool keeping_publishes(const char *kid)
{
	struct published_keys *seen = keeping_seen();
	const char *why;
	struct keyset *keys = seen->len ? keyset_read((struct slice){ seen->jwks, seen->len }, &why) : NULL;
	bool has = keyset_has_kid(keys, slice_of(kid));

	keyset_free(keys);
	return has;
}
