/* A set-associative cache of verdicts. */
#include "verify/cache.h"
#include "base/check.h"
#include "base/random.h"

#define RECORD_SIZE 1024
#define RECORD_TEXT (RECORD_SIZE - sizeof(struct cache_name) - sizeof(struct claims))
#define REFUSALS 4096 /* in sets of 4 */
#define REFUSAL_WAYS 4

struct record {
	struct cache_name name;
	struct claims claims; /* claims.text points at the text below */
	char text[RECORD_TEXT];
};

struct set {
	uint64_t tag[CACHE_WAYS]; /* of the record in the same place; 0: none */
	uint64_t used[CACHE_WAYS];
};

struct cache_refusal {
	struct cache_name name;
	uint64_t until_ns; /* 0: none */
};

struct cache {
	uint64_t seed, uses;
	size_t sets;
	struct set *set;
	struct record *record; /* sets * CACHE_WAYS */
	struct cache_refusal refused[REFUSALS];
};

struct cache *cache_open(size_t verdicts)
{
	struct cache *c = calloc(1, sizeof *c);

	_Static_assert(sizeof(struct record) == RECORD_SIZE, "a record is 1 KiB");
	check(verdicts >= CACHE_WAYS);
	if (!c)
		return NULL;
	c->seed = random_u64();
	c->sets = verdicts / CACHE_WAYS;
	c->set = calloc(c->sets, sizeof *c->set);
	c->record = calloc(c->sets * CACHE_WAYS, sizeof *c->record); /* untouched pages cost nothing */
	if (c->set && c->record)
		return c;
	cache_close(c);
	return NULL;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	free(c->set);
	free(c->record);
	free(c);
}

/* Where to look. SHA-256 is even already; the seed keeps places from being chosen, the generation and issuer
 * separate what must never meet. Never 0. */
static uint64_t tag_of(const struct cache *c, const struct cache_name *name)
{
	uint64_t word;

	memcpy(&word, name->token, sizeof word);
	word ^= c->seed ^ name->generation * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)name->issuer << 48;
	return word ? word : 1;
}

static bool is_same(const struct cache_name *a, const struct cache_name *b)
{
	return a->generation == b->generation && a->issuer == b->issuer &&
	       memcmp(a->token, b->token, SHA256_LEN) == 0;
}

const struct claims *cache_find(struct cache *c, const struct cache_name *name, uint16_t *key)
{
	uint64_t tag = tag_of(c, name);
	size_t at = tag % c->sets;
	struct set *set = &c->set[at];

	for (size_t way = 0; way < CACHE_WAYS; way++) {
		struct record *record = &c->record[at * CACHE_WAYS + way];
		if (set->tag[way] != tag || !is_same(&record->name, name))
			continue;
		set->used[way] = ++c->uses;
		*key = record->name.key;
		return &record->claims;
	}
	return NULL;
}

void cache_put(struct cache *c, const struct cache_name *name, const struct claims *claims)
{
	uint64_t tag = tag_of(c, name);
	size_t at = tag % c->sets, way = 0;
	struct set *set = &c->set[at];

	if (claims->len > RECORD_TEXT)
		return;
	for (size_t i = 1; i < CACHE_WAYS; i++)
		if (set->used[i] < set->used[way])
			way = i;
	struct record *record = &c->record[at * CACHE_WAYS + way];
	record->name = *name;
	record->claims = *claims;
	if (claims->len)
		memcpy(record->text, claims->text, claims->len);
	record->claims.text = record->text;
	set->tag[way] = tag;
	set->used[way] = ++c->uses;
}

bool cache_is_refused(const struct cache *c, const struct cache_name *name, uint64_t now_ns)
{
	size_t at = tag_of(c, name) % (REFUSALS / REFUSAL_WAYS) * REFUSAL_WAYS;

	for (size_t i = at; i < at + REFUSAL_WAYS; i++)
		if (c->refused[i].until_ns > now_ns && is_same(&c->refused[i].name, name))
			return true;
	return false;
}

void cache_refuse(struct cache *c, const struct cache_name *name, uint64_t now_ns)
{
	size_t at = tag_of(c, name) % (REFUSALS / REFUSAL_WAYS) * REFUSAL_WAYS, oldest = at;

	for (size_t i = at; i < at + REFUSAL_WAYS; i++)
		if (c->refused[i].until_ns < c->refused[oldest].until_ns)
			oldest = i;
	c->refused[oldest] = (struct cache_refusal){ *name, now_ns + CACHE_REFUSED_NS };
}
