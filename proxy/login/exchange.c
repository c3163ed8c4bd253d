/* Lets one request at a time use an authorization code or a refresh token. */
#include "login/exchange.h"
#include "base/random.h"
#include "base/text.h"
#include "base/urlencoded.h"
#include <jansson.h>
#include <stdatomic.h>

#define SLOTS 8192
#define PROBES 16
#define UNTIL_BITS 20 /* of a word: the second in which the claim ends, as a circle */
#define UNTIL_MASK ((UINT64_C(1) << UNTIL_BITS) - 1)
#define USED (UINT64_C(1) << UNTIL_BITS) /* the exchange has succeeded */
#define TAG_SHIFT (UNTIL_BITS + 1)
#define CLAIM_S 120         /* longer than an exchange takes */
#define USED_S 30           /* twins of one click or of several tabs come within this */
#define CREDENTIAL_MAX 4096 /* bytes decoded; a longer one counts by its whole body */

enum holder { NOBODY, A_TWIN, SPENT };

struct exchanges {
	union {
		struct {
			_Atomic uint64_t ready;
			struct siphash_key key;
		};
		char head[EXCHANGES_HEAD];
	};
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
	return word >> TAG_SHIFT;
}

static bool is_over(uint64_t word, uint64_t now_s)
{
	return ((word - now_s) & UNTIL_MASK) > UNTIL_MASK / 2;
}

static _Atomic uint64_t *place(struct exchanges *t, uint64_t word, unsigned i)
{
	return &t->slot[(tag_of(word) + i) % SLOTS];
}

static uint64_t word_of(uint64_t tag, uint64_t now_s, uint64_t for_s)
{
	return tag << TAG_SHIFT | ((now_s + for_s) & UNTIL_MASK);
}

/* Who has this credential? *room: a slot that is free, with what is in it. */
static enum holder holder_of(struct exchanges *t, uint64_t mine, uint64_t now_s, const _Atomic uint64_t *but,
                             _Atomic uint64_t **room, uint64_t *there)
{
	*room = NULL;
	for (unsigned i = 0; i < PROBES; i++) {
		_Atomic uint64_t *slot = place(t, mine, i);
		uint64_t word = atomic_load(slot);
		bool free = word == 0 || is_over(word, now_s);
		if (!free && slot != but && tag_of(word) == tag_of(mine))
			return word & USED ? SPENT : A_TWIN;
		if (free && !*room) {
			*room = slot;
			*there = word;
		}
	}
	return NOBODY;
}

static void replace(struct exchanges *t, uint64_t mine, uint64_t by)
{
	for (unsigned i = 0; i < PROBES; i++) {
		uint64_t expected = mine;
		if (atomic_compare_exchange_strong(place(t, mine, i), &expected, by))
			return;
	}
}

/* NOBODY: it is ours now. Two that come at the very same moment may both be told of a twin. */
static enum holder take(struct exchanges *t, uint64_t mine, uint64_t now_s, bool *claimed)
{
	_Atomic uint64_t *room, *other;
	uint64_t there, ignored;
	enum holder who;

	*claimed = false;
	for (unsigned tries = 0; tries < PROBES; tries++) {
		who = holder_of(t, mine, now_s, NULL, &room, &there);
		if (who != NOBODY)
			return who;
		if (!room)
			return NOBODY; /* full: better unclaimed than refused */
		if (!atomic_compare_exchange_strong(room, &there, mine))
			continue;
		who = holder_of(t, mine, now_s, room, &other, &ignored);
		*claimed = who == NOBODY;
		if (!*claimed) {
			uint64_t expected = mine;
			atomic_compare_exchange_strong(room, &expected, 0);
		}
		return who;
	}
	return NOBODY;
}

/* ---- what can be used only once ---- */

static bool is_one_time(struct slice name)
{
	return slice_same(name, S("code")) || slice_same(name, S("refresh_token"));
}

/* The code or refresh token of a form (RFC 6749 sections 4.1.3 and 6), names and value decoded. */
static struct slice of_form(struct slice body, char store[static CREDENTIAL_MAX])
{
	struct slice rest = body, name, value;
	size_t len;

	while (urlencoded_next(&rest, &name, &value)) {
		if (name.len > CREDENTIAL_MAX || !urlencoded_decode(name, store, &len) ||
		    !is_one_time((struct slice){ store, len }))
			continue;
		if (value.len && value.len <= CREDENTIAL_MAX && urlencoded_decode(value, store, &len))
			return (struct slice){ store, len };
		return body;
	}
	return S("");
}

static struct slice of_object(const json_t *object, struct slice body, char store[static CREDENTIAL_MAX])
{
	const json_t *value = json_object_get(object, "refresh_token");
	size_t len;

	if (!value)
		value = json_object_get(object, "code");
	if (!value)
		return S("");
	len = json_string_length(value);
	if (!len || len > CREDENTIAL_MAX)
		return body; /* not a string, empty or too long: the issuer will say what it thinks of it */
	memcpy(store, json_string_value(value), len);
	return (struct slice){ store, len };
}

/* The same of a JSON body. One that cannot be read, or is not here whole, counts as a whole. */
static struct slice of_json(struct slice body, char store[static CREDENTIAL_MAX])
{
	json_t *object = json_loadb(body.at, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	struct slice found = json_is_object(object) ? of_object(object, body, store) : body;

	json_decref(object);
	return found;
}

/* Empty where the grant has no credential that can be used up: many clients may send one client's secret at
 * once. The same credential is the same in a form and in JSON. */
static struct slice credential(const struct request *r, char store[static CREDENTIAL_MAX])
{
	struct slice body = slice_trim(r->stash);

	return body.len && body.at[0] == '{' ? of_json(body, store) : of_form(r->stash, store);
}

enum step_result exchange_enter(struct exchanges *t, struct request *r, uint64_t now_ns)
{
	char store[CREDENTIAL_MAX];
	struct slice c = credential(r, store);
	uint64_t now_s = now_ns / NS_PER_S, word;
	enum holder who;
	bool claimed;

	if (c.len == 0 || r->exchange)
		return GO_ON;
	word = word_of(siphash(t->key, c), now_s, CLAIM_S);
	if (tag_of(word) == 0)
		word = word_of(1, now_s, CLAIM_S);
	who = take(t, word, now_s, &claimed);
	if (who != NOBODY)
		return request_fail(r, who == SPENT ? FAULT_EXCHANGE_USED : FAULT_EXCHANGE_BUSY);
	r->exchange = claimed ? word : 0;
	return GO_ON;
}

void exchange_settle(struct exchanges *t, struct request *r, uint64_t now_ns)
{
	bool used = r->status >= 200 && r->status < 300;

	if (r->exchange)
		replace(t, r->exchange, used ? word_of(tag_of(r->exchange), now_ns / NS_PER_S, USED_S) | USED : 0);
	r->exchange = 0;
}

/* ---- for a fleet ---- */

bool exchange_name(const struct exchange_key *key, const struct request *r, char to[EXCHANGE_NAME])
{
	char store[CREDENTIAL_MAX];
	struct slice c = credential(r, store);
	uint64_t half[2] = { siphash(key->half[0], c), siphash(key->half[1], c) };
	struct text hex = { .at = to, .cap = EXCHANGE_NAME };

	text_hex(&hex, half, sizeof half);
	return c.len > 0;
}

void exchange_machine(const struct exchanges *t, char to[EXCHANGE_MACHINE])
{
	uint64_t its = siphash(t->key, S("machine"));
	struct text hex = { .at = to, .cap = EXCHANGE_MACHINE };

	text_hex(&hex, &its, sizeof its);
}
