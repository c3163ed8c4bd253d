/* The table of what issuers said of opaque tokens. */
#include "published/opaque.h"
#include "base/check.h"
#include <stdio.h>

/* With a NUL behind it, so that no two lists look the same. */
static bool add(EVP_MD_CTX *ctx, struct slice part)
{
	return (!part.len || EVP_DigestUpdate(ctx, part.at, part.len) == 1) &&
	       EVP_DigestUpdate(ctx, "\0", 1) == 1;
}

/* The claims that routes have conditions for. */
static bool add_conditions(EVP_MD_CTX *ctx, const struct config *c)
{
	bool good = true;

	for (size_t i = 0; i < c->root.routes_len; i++) {
		const struct config_route_verify *rule = c->root.routes[i].verify;
		for (size_t j = 0; rule && good && j < rule->claims.len; j++)
			good = add(ctx, rule->claims.at[j].name);
	}
	return good;
}

bool opaque_who(const struct config *c, const struct config_issuer *issuer, unsigned char who[SHA256_LEN])
{
	const struct config_opaque *o = issuer->opaque;
	struct slice part[] = {
		S("2"),         issuer->id, /* the number moves when other claims are kept */
		issuer->issuer, o->endpoint,          o->by == OPAQUE_BY_USERINFO ? S("u") : S("i"),
		o->client_id,   issuer->client_claim, issuer->tenant_claim
	};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; good && i < sizeof part / sizeof *part; i++)
		good = add(ctx, part[i]);
	good = good && add_conditions(ctx, c) && EVP_DigestFinal_ex(ctx, who, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

bool opaque_id(struct crypt *c, const unsigned char who[SHA256_LEN], const unsigned char token[SHA256_LEN],
               unsigned char id[SHA256_LEN])
{
	unsigned char both[2 * SHA256_LEN], digest[HASH_MAX];
	size_t len;

	memcpy(both, who, SHA256_LEN);
	memcpy(both + SHA256_LEN, token, SHA256_LEN);
	if (!crypt_digest(c, HASH_SHA256, (struct slice){ (const char *)both, sizeof both }, digest, &len))
		return false;
	memcpy(id, digest, SHA256_LEN);
	return true;
}

/* The first of the set that an id falls into; SHA-256 is even already. */
static size_t set_of(const unsigned char id[SHA256_LEN], size_t records)
{
	uint64_t word;

	memcpy(&word, id, sizeof word);
	return word % (records / OPAQUE_WAYS) * OPAQUE_WAYS;
}

static bool is_same(const unsigned char a[SHA256_LEN], const unsigned char b[SHA256_LEN])
{
	return memcmp(a, b, SHA256_LEN) == 0;
}

/* ---- reading ---- */

static bool take_head(const struct opaque_answer *a, const unsigned char id[SHA256_LEN],
                      struct opaque_seen *to)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		uint64_t version = flip_seen(&a->version);
		if (!version || !is_same(a->copy[flip_at(version)].head.id, id))
			return false;
		*to = (struct opaque_seen){ a, version, a->copy[flip_at(version)].head };
		if (flip_held(&a->version, version))
			return is_same(to->head.id, id) && to->head.len && to->head.len <= OPAQUE_TEXT_MAX;
	}
	return false;
}

bool opaque_find(const struct opaque_table *t, const unsigned char id[SHA256_LEN], struct opaque_seen *to)
{
	size_t first = set_of(id, OPAQUE_ANSWERS);

	for (size_t i = first; i < first + OPAQUE_WAYS; i++)
		if (take_head(&t->answer[i], id, to))
			return true;
	return false;
}

bool opaque_text(const struct opaque_seen *seen, char to[OPAQUE_TEXT_MAX])
{
	memcpy(to, seen->at->copy[flip_at(seen->version)].text, seen->head.len);
	return flip_held(&seen->at->version, seen->version);
}

enum opaque_word opaque_heard_why(const struct opaque_table *t, const unsigned char id[SHA256_LEN],
                                  uint64_t now_ns, char why[OPAQUE_WHY_MAX])
{
	size_t first = set_of(id, OPAQUE_WORDS);

	for (size_t i = first; i < first + OPAQUE_WAYS; i++) {
		const struct opaque_note *n = &t->note[i];
		uint64_t version = flip_seen(&n->version);
		if (!version || !is_same(n->copy[flip_at(version)].id, id))
			continue;
		uint64_t until_ns = n->copy[flip_at(version)].until_ns, word = n->copy[flip_at(version)].word;
		if (why)
			memcpy(why, n->copy[flip_at(version)].why, OPAQUE_WHY_MAX);
		if (flip_held(&n->version, version))
			return now_ns < until_ns ? (enum opaque_word)word : OPAQUE_NOTHING;
	}
	return OPAQUE_NOTHING;
}

/* ---- writing: the keeper alone ---- */

/* The record of this id, else the one to be overwritten: a free one, or the one asked for longest ago. (Who
 * is used is asked for again and again.) */
static struct opaque_answer *choose_answer(struct opaque_table *t, const unsigned char id[SHA256_LEN])
{
	struct opaque_answer *best = NULL;
	uint64_t best_ns = UINT64_MAX;
	size_t first = set_of(id, OPAQUE_ANSWERS);

	for (size_t i = first; i < first + OPAQUE_WAYS; i++) {
		struct opaque_answer *a = &t->answer[i];
		uint64_t version = flip_seen(&a->version);
		const struct opaque_head *head = &a->copy[flip_at(version)].head;
		if (version && is_same(head->id, id))
			return a;
		uint64_t asked_ns = version && head->len ? head->asked_ns : 0;
		if (!best || asked_ns < best_ns) {
			best = a;
			best_ns = asked_ns;
		}
	}
	return best;
}

void opaque_put(struct opaque_table *t, const struct opaque_head *head, struct slice text)
{
	struct opaque_answer *a = choose_answer(t, head->id);
	uint64_t version = flip_seen(&a->version) + 1;
	const struct opaque_head *old = &a->copy[flip_at(~version)].head;
	struct slice old_text = { a->copy[flip_at(~version)].text, old->len };

	check(text.len && text.len <= OPAQUE_TEXT_MAX);
	bool unchanged = version > 1 && is_same(old->id, head->id) && slice_same(old_text, text);
	a->copy[flip_at(version)].head = *head;
	a->copy[flip_at(version)].head.len = text.len;
	if (unchanged)
		a->copy[flip_at(version)].head.generation = old->generation;
	memcpy(a->copy[flip_at(version)].text, text.at, text.len);
	flip_show(&a->version, version); /* last: until here the other copy counts */
	atomic_fetch_add(&t->moved, 1);
}

void opaque_take_back(struct opaque_table *t, const unsigned char id[SHA256_LEN])
{
	struct opaque_answer *a = choose_answer(t, id);
	uint64_t version = flip_seen(&a->version) + 1;

	if (version == 1 || !is_same(a->copy[flip_at(~version)].head.id, id))
		return;
	a->copy[flip_at(version)].head = (struct opaque_head){ .len = 0 };
	flip_show(&a->version, version);
	atomic_fetch_add(&t->moved, 1);
}

/* The same. *same: it is of this id already. */
static struct opaque_note *choose_note(struct opaque_table *t, const unsigned char id[SHA256_LEN], bool *same)
{
	size_t first = set_of(id, OPAQUE_WORDS);
	struct opaque_note *best = NULL;
	uint64_t best_ns = UINT64_MAX;

	*same = false;
	for (size_t i = first; i < first + OPAQUE_WAYS && !*same; i++) {
		struct opaque_note *n = &t->note[i];
		uint64_t version = flip_seen(&n->version);
		uint64_t until_ns = version ? n->copy[flip_at(version)].until_ns : 0;
		*same = version && is_same(n->copy[flip_at(version)].id, id);
		if (!best || *same || until_ns < best_ns) {
			best = n;
			best_ns = until_ns;
		}
	}
	return best;
}

static void tell(struct opaque_table *t, const unsigned char id[SHA256_LEN], enum opaque_word word,
                 const char *why, uint64_t until_ns)
{
	bool same;
	struct opaque_note *n = choose_note(t, id, &same);
	uint64_t version = flip_seen(&n->version) + 1;

	if (word == OPAQUE_NOTHING && !same)
		return;
	memcpy(n->copy[flip_at(version)].id, id, SHA256_LEN);
	n->copy[flip_at(version)].until_ns = until_ns;
	n->copy[flip_at(version)].word = word;
	snprintf(n->copy[flip_at(version)].why, OPAQUE_WHY_MAX, "%s", why);
	flip_show(&n->version, version);
	atomic_fetch_add(&t->moved, 1);
}

void opaque_publish(struct opaque_table *t, const unsigned char id[SHA256_LEN], enum opaque_word word,
                    uint64_t until_ns)
{
	tell(t, id, word, "", until_ns);
}

void opaque_publish_why(struct opaque_table *t, const unsigned char id[SHA256_LEN], const char *why,
                        uint64_t until_ns)
{
	tell(t, id, OPAQUE_UNUSABLE, why, until_ns);
}
