/* What verify/ asks of the fleet's Redis. */
#include "base/log.h"
#include "keeper/inside.h"
#include "redis/redis.h"
#include <stdlib.h>

#define WORDS_MAX 64
#define TEXTS_MAX 512

struct keeper_call {
	struct keeper_call *next;
	struct keeper *keeper;
	void (*done)(void *for_whom, bool answered, const struct slice *texts, size_t texts_len);
	void *for_whom;
};

static void drop(struct keeper *k, struct keeper_call *call)
{
	struct keeper_call **at = &k->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	free(call);
}

/* Its texts in order; what is neither text nor a list is left out. */
static size_t flatten(const struct redis_value *v, struct slice *to, size_t cap)
{
	size_t len = 0;

	if (v->type == REDIS_STRING && cap)
		to[len++] = v->text;
	for (size_t i = 0; v->type == REDIS_ARRAY && i < v->len; i++)
		len += flatten(&v->array[i], to + len, cap - len);
	return len;
}

/* Other refusals are the server's, and are said by redis/. */
static void tell_refusal(struct keeper *k, const struct redis_answer *a)
{
	bool forbidden = a->outcome == REDIS_REFUSED && slice_starts(a->values[0].text, S("NOPERM"));

	if (forbidden && !k->redis_forbids)
		log_warn("what machines tell each other through Redis stays untold: %.*s",
		         SLICE(slice_head(a->values[0].text, 160)));
	k->redis_forbids |= forbidden;
}

static void on_done(void *with, const struct redis_answer *a)
{
	static struct slice texts[TEXTS_MAX];
	struct keeper_call *call = with, copy = *call;
	bool answered = a->outcome == REDIS_ANSWERED && a->len == 1;
	size_t len = answered ? flatten(&a->values[0], texts, TEXTS_MAX) : 0;

	tell_refusal(copy.keeper, a);
	drop(copy.keeper, call);
	copy.done(copy.for_whom, answered, texts, len);
}

/* The key with its keyspace, in `room`; empty where it does not fit. */
static struct slice full_key(struct redis *r, struct slice key, char *room, size_t cap)
{
	struct text t = { .at = room, .cap = cap };

	text_add(&t, redis_keyspace(r));
	text_add(&t, key);
	return t.cut ? S("") : text_slice(&t);
}

bool keeper_ask_redis(void *with, const struct slice *words, size_t len,
                      void (*done)(void *for_whom, bool answered, const struct slice *texts,
                                   size_t texts_len),
                      void *for_whom)
{
	struct keeper *k = with;
	struct redis *r = k->redis ? redis_keeper_redis(k->redis) : NULL;
	struct slice all[WORDS_MAX];
	char room[256];

	if (!r || len < 2 || len > WORDS_MAX)
		return false;
	memcpy(all, words, len * sizeof *words);
	all[1] = full_key(r, words[1], room, sizeof room);
	struct keeper_call *call = all[1].len ? malloc(sizeof *call) : NULL;
	if (!call)
		return false;
	*call = (struct keeper_call){ k->calls, k, done, for_whom };
	k->calls = call;
	const struct redis_command command = { all, len };
	const struct redis_ask ask = { .slot = redis_slot(all[1]),
		                           .commands = &command,
		                           .commands_len = 1,
		                           .lenient = true,
		                           .on_done = on_done,
		                           .with = call };
	if (redis_ask(r, &ask))
		return true;
	drop(k, call);
	return false;
}

uint64_t keeper_redis_ms(void *with, struct slice key)
{
	struct keeper *k = with;
	struct redis *r = k->redis ? redis_keeper_redis(k->redis) : NULL;
	char room[256];
	uint64_t error_ns, stamp_ns = 0;

	if (r)
		stamp_ns =
		    redis_stamp(r, redis_slot(full_key(r, key, room, sizeof room)), k->loop->now_ns, &error_ns);
	return (stamp_ns ? stamp_ns : clock_wall_ns()) / NS_PER_MS;
}

/* After Redis was closed: what it owed an answer is not called back. */
void keeper_forget_calls(struct keeper *k)
{
	while (k->calls)
		drop(k, k->calls);
}
