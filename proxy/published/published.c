/* The slots through which key sets reach the workers. */
#include "published/published.h"
#include "base/check.h"
#include "base/random.h"

#define LAYOUT (UINT64_C(0x53564b3100000000) + sizeof(struct published_issuers))

const char *const issuer_state_names[ISSUER_STATES] = { "normal", "stale", "degraded", "blind" };
const char *const keys_from_names[KEYS_FROM] = { "nowhere", "issuer", "file", "disk", "redis" };
const char *const drill_names[DRILLS] = { "none", "unreachable", "stale", "degraded", "blind" };

size_t published_memory(void)
{
	return sizeof(struct published_issuers);
}

struct published_issuers *published_attach(void *memory)
{
	struct published_issuers *p = memory;

	check((uintptr_t)memory % _Alignof(struct published_issuers) == 0);
	if (atomic_load(&p->layout) == 0) {
		p->revoked.k0 = random_u64();
		p->revoked.k1 = random_u64();
		atomic_store(&p->layout, LAYOUT);
	}
	return atomic_load(&p->layout) == LAYOUT ? p : NULL;
}

uint64_t published_moved(const struct published_issuers *p)
{
	return atomic_load_explicit(&p->moved, memory_order_acquire);
}

bool published_who(const struct config_issuer *issuer, unsigned char who[SHA256_LEN])
{
	struct slice part[] = { issuer->id, issuer->issuer, issuer->jwks };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; good && i < sizeof part / sizeof *part; i++)
		good = (!part[i].len || EVP_DigestUpdate(ctx, part[i].at, part[i].len) == 1) &&
		       EVP_DigestUpdate(ctx, "\0", 1) == 1;
	good = good && EVP_DigestFinal_ex(ctx, who, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

const struct published_slot *published_find(const struct published_issuers *p,
                                            const unsigned char who[SHA256_LEN])
{
	for (size_t i = 0; i < ISSUERS_MAX; i++) {
		const struct published_slot *slot = &p->slot[i];
		uint64_t version = flip_seen(&slot->version);
		if (version && memcmp(slot->copy[flip_at(version)].who, who, SHA256_LEN) == 0)
			return slot;
	}
	return NULL;
}

bool published_take(const struct published_slot *slot, struct published_keys *to, uint64_t *version)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		uint64_t before = flip_seen(&slot->version);
		const struct published_keys *from = &slot->copy[flip_at(before)];
		if (before == 0)
			return false;
		memcpy(to, from, offsetof(struct published_keys, jwks));
		if (to->len <= sizeof to->jwks)
			memcpy(to->jwks, from->jwks, to->len);
		if (flip_held(&slot->version, before) && to->len <= sizeof to->jwks) {
			*version = before;
			return true;
		}
	}
	return false;
}

static bool is_kept(const struct published_slot *slot, const unsigned char (*kept)[SHA256_LEN],
                    size_t kept_len)
{
	uint64_t version = flip_seen(&slot->version);

	for (size_t i = 0; i < kept_len; i++)
		if (memcmp(slot->copy[flip_at(version)].who, kept[i], SHA256_LEN) == 0)
			return true;
	return false;
}

/* A slot of this issuer with no keys yet. */
static void begin_slot(struct published_issuers *p, struct published_slot *slot,
                       const unsigned char who[SHA256_LEN])
{
	static struct published_keys none;

	memcpy(none.who, who, SHA256_LEN);
	atomic_store(&slot->not_before_ns, 0);
	atomic_store(&slot->state, ISSUER_BLIND);
	atomic_store(&slot->drill, 0);
	atomic_store(&slot->from, KEYS_FROM_NOWHERE);
	atomic_store(&slot->reach, REACH_UNKNOWN);
	atomic_store(&slot->back_ns, 0);
	published_put(p, slot, &none, S(""));
}

struct published_slot *published_claim(struct published_issuers *p, const unsigned char who[SHA256_LEN],
                                       const unsigned char (*kept)[SHA256_LEN], size_t kept_len)
{
	const struct published_slot *old = published_find(p, who);
	struct published_slot *best = NULL;
	uint64_t best_age = UINT64_MAX;

	if (old)
		return &p->slot[old - p->slot];
	for (size_t i = 0; i < ISSUERS_MAX; i++) {
		struct published_slot *slot = &p->slot[i];
		uint64_t version = flip_seen(&slot->version);
		uint64_t age = version ? slot->copy[flip_at(version)].fetched_wall_s + 1 : 0;
		if (age < best_age && (!version || !is_kept(slot, kept, kept_len))) {
			best = slot;
			best_age = age;
		}
	}
	if (!best)
		return NULL;
	begin_slot(p, best, who);
	return best;
}

void published_put(struct published_issuers *p, struct published_slot *slot,
                   const struct published_keys *head, struct slice jwks)
{
	uint64_t version = flip_seen(&slot->version) + 1;
	struct published_keys *copy = &slot->copy[flip_at(version)];

	check(jwks.len <= sizeof copy->jwks);
	memcpy(copy, head, offsetof(struct published_keys, len));
	copy->len = jwks.len;
	if (jwks.len)
		memcpy(copy->jwks, jwks.at, jwks.len);
	flip_show(&slot->version, version); /* last: until here the other copy counts */
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&p->moved, 1);
}

uint64_t published_interval_ns(const struct config_issuer_budget *b, struct rate rate)
{
	struct rate r = rate.per_ns ? rate : b->all;

	return r.per_ns / (r.count ? r.count : 1) * (b->machines ? b->machines : 1);
}
