/* What an operator may do about revocations, and what is told of them. */
#include "base/text.h"
#include "verify/keeper.h"
#include <stdio.h>

#define AGE_NS (5 * NS_PER_S)

void keeper_age_revocations(struct verify_keeper *k)
{
	uint64_t now_ns = keeper_now(k);

	if (now_ns < k->aged_ns + AGE_NS)
		return;
	k->aged_ns = now_ns;
	revocations_age(&k->revoked, k->world.wall_s(k->world.with));
}

/* NULL, or what is wrong with it. *to borrows from `from`; its value is NUL-terminated in `value`. */
static const char *read(struct verify_keeper *k, const struct verify_revocation *from, struct revocation *to,
                        char value[REVOKED_VALUE_MAX + 1])
{
	uint64_t wall_s = k->world.wall_s(k->world.with);
	size_t kind = 0;

	while (kind < REVOKED_KINDS && !slice_same(from->kind, slice_of(revoked_kind_names[kind])))
		kind++;
	if (kind == REVOKED_KINDS)
		return "what is revoked is one of jti, sub, sid and kid";
	if (!keeper_find(k, from->issuer))
		return "there is no issuer of that name";
	if (!from->value.len || from->value.len > REVOKED_VALUE_MAX || memchr(from->value.at, 0, from->value.len))
		return "the value has 1 to 512 bytes";
	snprintf(value, REVOKED_VALUE_MAX + 1, "%.*s", SLICE(from->value));
	uint64_t kept_s = k->config->root.verification.revoked_for / NS_PER_S;
	*to = (struct revocation){ .kind = (enum revoked_kind)kind, .value = value, .at_ms = wall_s * 1000,
		.until_s = from->until_s ? from->until_s : wall_s + kept_s,
		.before_s = kind != REVOKED_SUB ? 0 : from->before_s ? from->before_s : wall_s };
	snprintf(to->issuer, sizeof to->issuer, "%.*s", SLICE(from->issuer));
	to->mark = revoked_mark(k->revoked.table, from->issuer, to->kind, from->value);
	return NULL;
}

const char *verify_keeper_revoke(struct verify_keeper *k, const struct verify_revocation *what, bool *kept)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation r;
	uint64_t wall_s = k->world.wall_s(k->world.with);
	const char *why = read(k, what, &r, value);

	if (!why && (r.until_s <= wall_s || r.until_s >= UINT32_MAX))
		why = "--until must lie in the future";
	if (!why && r.before_s > wall_s)
		why = "--before must not lie in the future: tokens that are yet to be issued cannot be revoked";
	if (!why)
		why = revocations_add(&k->revoked, &r, kept);
	share_tell(&k->share);
	keeper_tell_workers(k);
	return why;
}

const char *verify_keeper_unrevoke(struct verify_keeper *k, const struct verify_revocation *what, bool *kept)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation r;
	const char *why = read(k, what, &r, value);

	if (!why)
		why = revocations_undo(&k->revoked, r.mark, r.at_ms, kept);
	share_tell(&k->share);
	keeper_tell_workers(k);
	return why;
}

static void tell_one(const struct revocation *r, struct text *t)
{
	text_printf(t, "{\"kind\":\"%s\",\"issuer\":\"%s\",\"value\":\"", revoked_kind_names[r->kind], r->issuer);
	text_json(t, slice_of(r->value));
	text_printf(t, "\",\"at\":%llu,\"until\":%llu", (unsigned long long)(r->at_ms / 1000),
	            (unsigned long long)r->until_s);
	if (r->kind == REVOKED_SUB)
		text_printf(t, ",\"before\":%llu", (unsigned long long)r->before_s);
	text_char(t, '}');
}

void verify_keeper_tell_revoked(const struct verify_keeper *k, void (*write)(void *with, struct slice piece),
                                void *with)
{
	const struct revocations *all = &k->revoked;
	char line[REVOKED_VALUE_MAX * 6 + 512];
	bool first = true;

	for (size_t i = 0; i < all->len; i++) {
		struct text t = TEXT(line);
		if (all->at[i].undone)
			continue;
		if (!first)
			text_char(&t, ',');
		first = false;
		tell_one(&all->at[i], &t);
		write(with, text_slice(&t));
	}
}

enum verify_fleet verify_keeper_fleet_knows(const struct verify_keeper *k)
{
	if (!k->share.keys)
		return VERIFY_ALONE;
	return revocations_unshared(&k->revoked) ? VERIFY_FLEET_UNTOLD : VERIFY_FLEET_TOLD;
}

void verify_keeper_ask_machines(struct verify_keeper *k, uint64_t until_ns)
{
	seen_want(&k->seen, until_ns);
}

bool verify_keeper_machines_know(const struct verify_keeper *k)
{
	return !k->share.keys || seen_by_all(&k->seen);
}

void verify_keeper_write_machines(const struct verify_keeper *k, struct text *t)
{
	seen_write(&k->seen, t);
}

const char *verify_keeper_revoked_lost(const struct verify_keeper *k)
{
	return revocations_lost_names[k->revoked.lost];
}
