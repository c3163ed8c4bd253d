/* unreadable_keys.c -- keys whose entry in their issuer's set can be read no more. An entry that names a kid
 * and cannot be read (a member twice, a coordinate cut off, an algorithm of tomorrow) does not say that the
 * key of this kid is gone (RFC 7517 section 5 has readers ignore what they do not understand): the key held
 * stays, for keys_hard. */
#include "base/log.h"
#include "base/strict.h"
#include "issuer/inside.h"
#include <stdio.h>

/* Says it once, however often it is fetched. */
static void tell(struct source *s, const char *kid, const char *why)
{
	char said[sizeof s->skipped];

	snprintf(said, sizeof said, "%.80s: %s", kid, why);
	if (strcmp(said, s->skipped) == 0)
		return;
	memcpy(s->skipped, said, sizeof said);
	log_warn("issuer %.*s: the entry of its key %s; a key held under that kid stays for keys_hard",
	         SLICE(s->config->id), said);
}

void unreadable_keys_learn(struct source *s, struct slice jwks)
{
	json_t *unreadable = jwks_unreadable(jwks), *since = json_object(), *why;
	json_int_t now_s = (json_int_t)s->begun_wall_s;
	const char *kid;

	json_object_foreach(unreadable, kid, why) {
		json_t *before = json_object_get(s->unreadable, kid);
		if (before)
			json_object_set(since, kid, before);
		else
			json_object_set_new(since, kid, json_integer(now_s));
		tell(s, kid, json_string_value(why));
	}
	if (!json_object_size(since))
		s->skipped[0] = '\0';
	json_decref(unreadable);
	json_decref(s->unreadable);
	s->unreadable = since;
}

static bool is_held(const struct source *s, const json_t *latest, const json_t *jwk)
{
	const char *kid = json_string_value(json_object_get(jwk, "kid"));
	const json_t *since = kid ? json_object_get(s->unreadable, kid) : NULL;
	uint64_t hard_s = s->keeper->config->root.verification.keys_hard / NS_PER_S;

	return since && (uint64_t)json_integer_value(since) + hard_s > s->begun_wall_s &&
	       !jwks_has_kid(latest, slice_of(kid));
}

json_t *unreadable_keys_with(const struct source *s, const json_t *latest)
{
	json_t *with = json_copy((json_t *)(uintptr_t)latest), *jwk;
	size_t i;

	json_array_foreach(s->keys, i, jwk)
		if (is_held(s, latest, jwk))
			json_array_append(with, jwk);
	return with;
}
