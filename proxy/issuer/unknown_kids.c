/* Remembers kids that issuers were found not to have. */
#include "issuer/inside.h"

static uint64_t hash_of(const struct issuer_keeper *k, const struct source *s, struct slice kid)
{
	struct siphash_key key = { k->hash.k0 ^ (uint64_t)(s - k->source), k->hash.k1 };

	return siphash(key, kid) | 1;
}

bool unknown_kid_has(const struct issuer_keeper *k, const struct source *s, struct slice kid)
{
	uint64_t hash = hash_of(k, s, kid);

	return k->absent[hash / 2 % ABSENT_KIDS].kid == hash &&
	       k->absent[hash / 2 % ABSENT_KIDS].until_ns > keeper_now(k);
}

/* The first wait is short: an issuer may sign with a key a moment before it publishes it. */
static void learn(struct issuer_keeper *k, uint64_t hash)
{
	size_t at = hash / 2 % ABSENT_KIDS;
	unsigned times = k->absent[at].kid == hash ? k->absent[at].times : 0;

	k->absent[at].kid = hash;
	k->absent[at].until_ns = keeper_now(k) + (ABSENT_NS << times);
	k->absent[at].times = times < ABSENT_DOUBLINGS ? times + 1 : times;
}

/* After a successful fetch: of the kids that it was to find, those that are not there. */
void unknown_kids_learn(struct issuer_keeper *k, struct source *s)
{
	for (size_t i = 0; i < s->asked_len; i++)
		if (!jwks_has_kid(s->keys, s->asked_kid[i]))
			learn(k, hash_of(k, s, s->asked_kid[i]));
	s->asked_len = 0;
	s->asked = false;
}
