#include "verify/keeper.h"

static uint64_t hash_of(const struct verify_keeper *k, const struct source *s, struct slice kid)
{
	struct siphash_key key = { k->hash.k0 ^ (uint64_t)(s - k->source), k->hash.k1 };

	return siphash(key, kid) | 1;
}

bool absent_has(const struct verify_keeper *k, const struct source *s, struct slice kid)
{
	uint64_t hash = hash_of(k, s, kid);

	return k->absent[hash / 2 % ABSENT_KIDS].kid == hash &&
	       k->absent[hash / 2 % ABSENT_KIDS].until_ns > keeper_now(k);
}

/* After a successful fetch: of the kids that it was to find, those that are not there. */
void absent_learn(struct verify_keeper *k, struct source *s)
{
	for (size_t i = 0; i < s->asked_len; i++) {
		uint64_t hash = hash_of(k, s, s->asked_kid[i]);
		if (gather_has_kid(s->keys, s->asked_kid[i]))
			continue;
		k->absent[hash / 2 % ABSENT_KIDS].kid = hash;
		k->absent[hash / 2 % ABSENT_KIDS].until_ns = keeper_now(k) + ABSENT_NS;
	}
	s->asked_len = 0;
	s->asked = false;
}
