/* What one machine was told of an opaque token, for the others of its fleet: a copy in Redis, sealed, so that
 * neither reading nor writing Redis yields an identity. It is asked before the issuer is; what is not there,
 * late or not ours costs nothing but that question. */
#include "base/text.h"
#include "issuer/introspect.h"
#include "metrics/metrics.h"

#define KEY_PREFIX "tok:"
#define KEY_LEN (sizeof KEY_PREFIX - 1 + SEAL_NAME_LEN)
#define STAMP_LEN 8 /* wall clock seconds of the question, little endian */
#define COPY_MAX (STAMP_LEN + OPAQUE_TEXT_MAX + SEAL_OVERHEAD)
#define FUTURE_S 60 /* clocks of a fleet may differ by that */

static bool key_of(const struct introspection *q, char to[KEY_LEN])
{
	memcpy(to, KEY_PREFIX, sizeof KEY_PREFIX - 1);
	return seal_name(&q->all->seal, (struct slice){ (const char *)q->id, sizeof q->id },
	                 to + sizeof KEY_PREFIX - 1);
}

static uint64_t wall_s(const struct introspection *q)
{
	const struct issuer_env *env = &q->all->keeper->env;

	return env->wall_s(env->with);
}

/* The claims, and how long ago they were said. False: there is nothing to be believed. */
static bool read_copy(const struct introspection *q, struct slice value, char room[COPY_MAX],
                      struct slice *text, uint64_t *age_s)
{
	char key[KEY_LEN];
	size_t len;
	uint64_t asked_s = 0, now_s = wall_s(q);

	if (value.len > COPY_MAX || !key_of(q, key) ||
	    !unseal_value(&q->all->seal, (struct slice){ key, sizeof key }, value, room, &len))
		return false;
	if (len <= STAMP_LEN)
		return false;
	for (int i = STAMP_LEN; i > 0; i--)
		asked_s = asked_s << 8 | (unsigned char)room[i - 1];
	*text = (struct slice){ room + STAMP_LEN, len - STAMP_LEN };
	*age_s = now_s > asked_s ? now_s - asked_s : 0;
	return asked_s <= now_s + FUTURE_S && reply_is_readable(&q->by->plan, *text);
}

/* Into published memory, as old as it is. */
static void publish(const struct introspection *q, struct slice text, uint64_t age_ns)
{
	struct opaque_table *table = inquiry_table(q);
	struct opaque_head head = { .asked_ns = q->begun_ns > age_ns ? q->begun_ns - age_ns : 1 };
	struct opaque_seen own;

	memcpy(head.id, q->id, sizeof head.id);
	if (opaque_find(table, q->id, &own) && own.head.asked_ns >= head.asked_ns)
		return;
	head.generation = atomic_fetch_add(&q->all->keeper->published->generations, 1) + 1;
	opaque_put(table, &head, text);
}

static void on_got(void *for_whom, struct slice value)
{
	struct introspection *q = for_whom;
	const struct config_opaque *o = q->by->source->config->opaque;
	char room[COPY_MAX];
	struct slice text;
	uint64_t age_s;

	if (!value.at || !read_copy(q, value, room, &text, &age_s) || age_s > o->stale / NS_PER_S) {
		inquiry_send(q);
		return;
	}
	publish(q, text, age_s * NS_PER_S);
	if (age_s * NS_PER_S > o->fresh / 5 * 4) { /* it may be fallen back on, but is to be asked for again */
		inquiry_send(q);
		return;
	}
	metrics_add(q->by->series[OUTCOME_SHARED], 1);
	inquiry_end(q);
}

bool fleet_ask(struct introspection *q)
{
	const struct issuer_env *env = &q->all->keeper->env;
	char key[KEY_LEN];

	return env->fleet_get && key_of(q, key) &&
	       env->fleet_get(env->with, (struct slice){ key, sizeof key }, on_got, q);
}

void fleet_learn(struct introspection *q, struct slice text)
{
	const struct issuer_env *env = &q->all->keeper->env;
	uint64_t asked_s = wall_s(q) - (keeper_now(q->all->keeper) - q->begun_ns) / NS_PER_S;
	char key[KEY_LEN], plain[STAMP_LEN + OPAQUE_TEXT_MAX], sealed[sizeof plain + SEAL_OVERHEAD];
	struct slice name = { key, sizeof key }, value = { plain, STAMP_LEN + text.len };

	if (!env->fleet_put || !key_of(q, key))
		return;
	for (int i = 0; i < STAMP_LEN; i++)
		plain[i] = (char)(asked_s >> 8 * i & 0xff);
	memcpy(plain + STAMP_LEN, text.at, text.len);
	uint64_t stale_ms = q->by->source->config->opaque->stale / NS_PER_MS;
	uint64_t fresh_ms = q->by->source->config->opaque->fresh / NS_PER_MS;
	if (seal_value(&q->all->seal, name, value, sealed))
		env->fleet_put(env->with, name, (struct slice){ sealed, value.len + SEAL_OVERHEAD },
		               stale_ms > fresh_ms ? stale_ms : fresh_ms);
}

void fleet_forget(struct introspection *q)
{
	const struct issuer_env *env = &q->all->keeper->env;
	char key[KEY_LEN];

	if (env->fleet_put && key_of(q, key))
		env->fleet_put(env->with, (struct slice){ key, sizeof key }, S(""), 0);
}
