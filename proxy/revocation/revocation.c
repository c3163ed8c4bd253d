/* Revocations as the keeper and its operator see them. */
#include "base/text.h"
#include "base/check.h"
#include "revocation/inside.h"
#include <stdio.h>

#define AGE_NS (5 * NS_PER_S)

struct revoker *revoker_open(const struct config *c, struct revoked_table *table, struct statedir *state,
                             const struct revocation_env *env, void (*on_news)(void *with), void *with)
{
	struct revoker *r = calloc(1, sizeof *r);

	check(r);
	*r = (struct revoker){ .config = c, .env = *env, .on_news = on_news, .with = with };
	revocations_open(&r->all, table, state, env->wall_s(env->with));
	revoke_sync_open(&r->sync, c, &r->env, &r->all, on_news, with);
	machines_open(&r->machines, &r->sync, &r->env);
	return r;
}

void revoker_close(struct revoker *r)
{
	revoke_sync_close(&r->sync);
	revocations_close(&r->all);
	free(r);
}

uint64_t revoker_tick(struct revoker *r)
{
	uint64_t now_ns = r->env.now_ns(r->env.with), shares, looks;

	if (now_ns >= r->aged_ns + AGE_NS) {
		r->aged_ns = now_ns;
		revocations_age(&r->all, r->env.wall_s(r->env.with));
	}
	if (!r->config->root.issuers_len)
		return UINT64_MAX;
	shares = revoke_sync_tick(&r->sync, now_ns);
	looks = machines_tick(&r->machines, now_ns);
	return shares < looks ? shares : looks;
}

static bool has_issuer(const struct revoker *r, struct slice name)
{
	for (size_t i = 0; i < r->config->root.issuers_len; i++)
		if (slice_same(r->config->root.issuers[i].id, name))
			return true;
	return false;
}

/* NULL, or what is wrong with it. *to borrows from `from`; its value is NUL-terminated in `value`. */
static const char *read(struct revoker *r, const struct revocation_order *from, struct revocation *to,
                        char value[REVOKED_VALUE_MAX + 1])
{
	uint64_t wall_s = r->env.wall_s(r->env.with);
	size_t kind = 0;

	while (kind < REVOKED_KINDS && !slice_same(from->kind, slice_of(revoked_kind_names[kind])))
		kind++;
	if (kind == REVOKED_KINDS)
		return "what is revoked is one of jti, sub, sid and kid";
	if (!has_issuer(r, from->issuer))
		return "there is no issuer of that name";
	if (!from->value.len || from->value.len > REVOKED_VALUE_MAX || memchr(from->value.at, 0, from->value.len))
		return "the value has 1 to 512 bytes";
	snprintf(value, REVOKED_VALUE_MAX + 1, "%.*s", SLICE(from->value));
	uint64_t kept_s = r->config->root.verification.revoked_for / NS_PER_S;
	*to = (struct revocation){ .kind = (enum revoked_kind)kind,
		                       .value = value,
		                       .at_ms = wall_s * 1000,
		                       .until_s = from->until_s ? from->until_s : wall_s + kept_s,
		                       .before_s = kind != REVOKED_SUB ? 0
		                                   : from->before_s    ? from->before_s
		                                                       : wall_s };
	snprintf(to->issuer, sizeof to->issuer, "%.*s", SLICE(from->issuer));
	to->mark = revoked_mark(r->all.table, from->issuer, to->kind, from->value);
	return NULL;
}

const char *revoker_add(struct revoker *r, const struct revocation_order *what, bool *kept)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation one;
	uint64_t wall_s = r->env.wall_s(r->env.with);
	const char *why = read(r, what, &one, value);

	if (!why && (one.until_s <= wall_s || one.until_s >= UINT32_MAX))
		why = "--until must lie in the future";
	if (!why && one.before_s > wall_s)
		why = "--before must not lie in the future: tokens that are yet to be issued cannot be revoked";
	if (!why)
		why = revocations_add(&r->all, &one, kept);
	revoke_sync_send(&r->sync);
	r->on_news(r->with);
	return why;
}

const char *revoker_undo(struct revoker *r, const struct revocation_order *what, bool *kept)
{
	char value[REVOKED_VALUE_MAX + 1];
	struct revocation one;
	const char *why = read(r, what, &one, value);

	if (!why)
		why = revocations_undo(&r->all, one.mark, one.at_ms, kept);
	revoke_sync_send(&r->sync);
	r->on_news(r->with);
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

void revoker_print(const struct revoker *r, void (*write)(void *with, struct slice piece), void *with)
{
	const struct revocations *all = &r->all;
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

enum revoker_fleet revoker_fleet_knows(const struct revoker *r)
{
	if (!r->sync.keys)
		return REVOKER_ALONE;
	return revocations_unshared(&r->all) ? REVOKER_FLEET_UNTOLD : REVOKER_FLEET_TOLD;
}

void revoker_ask_machines(struct revoker *r, uint64_t until_ns)
{
	machines_want(&r->machines, until_ns);
}

bool revoker_machines_know(const struct revoker *r)
{
	return !r->sync.keys || machines_by_all(&r->machines);
}

void revoker_print_machines(const struct revoker *r, struct text *t)
{
	machines_write(&r->machines, t);
}

const char *revoker_lost(const struct revoker *r)
{
	return revocations_lost_names[r->all.lost];
}
