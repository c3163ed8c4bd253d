#include "verify/exchange.h"
#include "base/random.h"
#include "base/siphash.h"
#include "base/urlencoded.h"
#include <stdatomic.h>

#define SLOTS 8192
#define PROBES 16
#define UNTIL_BITS 20                     /* of a word: the second in which the claim ends, as a circle */
#define UNTIL_MASK ((UINT64_C(1) << UNTIL_BITS) - 1)
#define CLAIM_S 120                       /* longer than an exchange takes */
#define CREDENTIAL_MAX 4096               /* bytes decoded; a longer one counts by its whole body */

struct exchanges {
	_Atomic uint64_t ready;
	struct siphash_key key;
	_Alignas(64) _Atomic uint64_t slot[SLOTS];
};

size_t exchanges_memory(void)
{
	return sizeof(struct exchanges);
}

struct exchanges *exchanges_attach(void *memory)
{
	struct exchanges *t = memory;

	if (!atomic_load(&t->ready)) {
		random_bytes(&t->key, sizeof t->key);
		atomic_store(&t->ready, 1);
	}
	return t;
}

static uint64_t tag_of(uint64_t word)
{
	return word >> UNTIL_BITS;
}

static bool is_over(uint64_t word, uint64_t now_s)
{
	return ((word - now_s) & UNTIL_MASK) > UNTIL_MASK / 2;
}

static _Atomic uint64_t *place(struct exchanges *t, uint64_t word, unsigned i)
{
	return &t->slot[(tag_of(word) + i) % SLOTS];
}

/* Does another claim of this credential stand? *room: a slot that is free, with what is in it. */
static bool is_claimed(struct exchanges *t, uint64_t mine, uint64_t now_s, const _Atomic uint64_t *but,
	_Atomic uint64_t **room, uint64_t *there)
{
	*room = NULL;
	for (unsigned i = 0; i < PROBES; i++) {
		_Atomic uint64_t *slot = place(t, mine, i);
		uint64_t word = atomic_load(slot);
		bool free = word == 0 || is_over(word, now_s);
		if (!free && slot != but && tag_of(word) == tag_of(mine))
			return true;
		if (free && !*room) {
			*room = slot;
			*there = word;
		}
	}
	return false;
}

static void give(struct exchanges *t, uint64_t mine)
{
	for (unsigned i = 0; i < PROBES; i++) {
		uint64_t expected = mine;
		if (atomic_compare_exchange_strong(place(t, mine, i), &expected, 0))
			return;
	}
}

/* False: another one has it. Two that come at the very same moment may both be told so. */
static bool take(struct exchanges *t, uint64_t mine, uint64_t now_s, bool *claimed)
{
	_Atomic uint64_t *room, *other;
	uint64_t there, ignored;

	*claimed = false;
	for (unsigned tries = 0; tries < PROBES; tries++) {
		if (is_claimed(t, mine, now_s, NULL, &room, &there))
			return false;
		if (!room)
			return true; /* full: better unclaimed than refused */
		if (!atomic_compare_exchange_strong(room, &there, mine))
			continue;
		*claimed = !is_claimed(t, mine, now_s, room, &other, &ignored);
		if (!*claimed) {
			uint64_t expected = mine;
			atomic_compare_exchange_strong(room, &expected, 0);
		}
		return *claimed;
	}
	return true;
}

static bool mentions(struct slice body, struct slice word)
{
	return body.len && memmem(body.at, body.len, word.at, word.len) != NULL;
}

/* The code or refresh token of a form (RFC 6749 sections 4.1.3 and 6), decoded into `store`; a JSON body that
 * has one counts as a whole. Empty where the grant has no credential that can be used up: many clients may
 * send one client's secret at once. */
static struct slice credential(const struct request *r, char store[static CREDENTIAL_MAX])
{
	struct slice rest = r->stash, name, value;
	size_t len;

	if (mentions(r->stash, S("\"refresh_token\"")) || mentions(r->stash, S("\"code\"")))
		return r->stash;
	while (urlencoded_next(&rest, &name, &value)) {
		if (!slice_same(name, S("code")) && !slice_same(name, S("refresh_token")))
			continue;
		if (value.len && value.len <= CREDENTIAL_MAX && urlencoded_decode(value, store, &len))
			return (struct slice){ store, len };
		return r->stash;
	}
	return S("");
}

enum pace exchange_enter(struct exchanges *t, struct request *r, uint64_t now_ns)
{
	char store[CREDENTIAL_MAX];
	struct slice c = credential(r, store);
	uint64_t now_s = now_ns / NS_PER_S, word;
	bool claimed;

	if (c.len == 0 || r->exchange)
		return GO_ON;
	word = siphash(t->key, c) << UNTIL_BITS | ((now_s + CLAIM_S) & UNTIL_MASK);
	if (tag_of(word) == 0)
		word |= UINT64_C(1) << UNTIL_BITS;
	if (!take(t, word, now_s, &claimed))
		return request_fail(r, FAULT_EXCHANGE_BUSY);
	r->exchange = claimed ? word : 0;
	return GO_ON;
}

void exchange_settle(struct exchanges *t, struct request *r)
{
	if (r->exchange)
		give(t, r->exchange);
	r->exchange = 0;
}
