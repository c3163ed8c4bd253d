/* codec.c -- RESP by hiredis: commands into bytes, bytes into values that lie in the ask they answer. */
#include "redis/channel.h"
#include <stdlib.h>

#define WORDS_MAX 64
#define NESTED_MAX 8 /* arrays in each other; hiredis before 1.0 had this bound of its own */

#if HIREDIS_MAJOR >= 1
typedef size_t elements_t;
#else
typedef int elements_t;
#endif

bool codec_format(struct query *a, const struct redis_command *c, struct slice *to)
{
	const char *words[WORDS_MAX];
	size_t lens[WORDS_MAX];
	char *formatted = NULL;

	if (c->len == 0 || c->len > WORDS_MAX)
		return false;
	for (size_t i = 0; i < c->len; i++) {
		words[i] = c->arguments[i].len ? c->arguments[i].at : "";
		lens[i] = c->arguments[i].len;
	}
	long long len = redisFormatCommandArgv(&formatted, (int)c->len, words, lens);
	char *room = len > 0 ? ask_room(a, (size_t)len) : NULL;
	if (room) {
		memcpy(room, formatted, (size_t)len);
		*to = (struct slice){ room, (size_t)len };
	}
	if (len > 0) {
		if (a->internal) /* it may be an AUTH */
			secret_wipe(formatted, (size_t)len);
		redisFreeCommand(formatted);
	}
	return room != NULL;
}

/* ---- values ---- */

static struct query *front(const redisReadTask *t)
{
	struct channel *l = t->privdata;

	return list_is_empty(&l->sent) ? NULL : list_entry(l->sent.next, struct query, place);
}

/* Where the value goes; NULL where nobody asked for it. */
static struct redis_value *place_of(const redisReadTask *t, struct query *a)
{
	static struct redis_value dropped; /* the OK of an ASKING */

	if (!a)
		return NULL;
	if (t->parent) {
		struct redis_value *parent = t->parent->obj;
		return (struct redis_value *)(uintptr_t)&parent->array[t->idx];
	}
	return a->asking_due ? &dropped : &a->values[a->round[a->got]];
}

static void *on_string(const redisReadTask *t, char *at, size_t len)
{
	struct query *a = front(t);
	struct redis_value *v = place_of(t, a);
	bool is_known =
	    t->type == REDIS_REPLY_STRING || t->type == REDIS_REPLY_STATUS || t->type == REDIS_REPLY_ERROR;
	char *room = v && is_known ? ask_room(a, len) : NULL;

	if (!room)
		return NULL;
	memcpy(room, at, len);
	*v = (struct redis_value){ .text = { room, len },
		                       .type = t->type == REDIS_REPLY_ERROR    ? REDIS_ERROR
		                               : t->type == REDIS_REPLY_STATUS ? REDIS_STATUS
		                                                               : REDIS_STRING };
	return v;
}

static bool is_too_deep(const redisReadTask *t)
{
	unsigned depth = 1;

	while ((t = t->parent))
		depth++;
	return depth > NESTED_MAX;
}

static void *on_array(const redisReadTask *t, elements_t len)
{
	struct query *a = front(t);
	struct redis_value *v = place_of(t, a), *elements = NULL;

	if (v && t->type == REDIS_REPLY_ARRAY && !is_too_deep(t) && (size_t)len <= REPLY_MAX / sizeof *v)
		elements = ask_room(a, (size_t)len * sizeof *v);
	if (!elements)
		return NULL;
	*v = (struct redis_value){ .type = REDIS_ARRAY, .array = elements, .len = (size_t)len };
	return v;
}

static void *on_integer(const redisReadTask *t, long long n)
{
	struct redis_value *v = place_of(t, front(t));

	if (v)
		*v = (struct redis_value){ .type = REDIS_INTEGER, .integer = n };
	return v;
}

static void *on_nil(const redisReadTask *t)
{
	struct redis_value *v = t->type == REDIS_REPLY_NIL ? NULL : place_of(t, front(t));

	if (v)
		*v = (struct redis_value){ .type = REDIS_NIL };
	return v;
}

/* These come in RESP3 only, which we never ask for: whoever speaks it talks nonsense. */
#if HIREDIS_MAJOR >= 1
static void *on_double(const redisReadTask *t, double n, char *at, size_t len)
{
	(void)t, (void)n, (void)at, (void)len;
	return NULL;
}

static void *on_bool(const redisReadTask *t, int is)
{
	(void)t, (void)is;
	return NULL;
}
#endif

static void on_free(void *v)
{
	(void)v; /* it goes with its ask */
}

redisReader *codec_reader(struct channel *l)
{
	static redisReplyObjectFunctions functions = {
		.createString = on_string,
		.createArray = on_array,
		.createInteger = on_integer,
		.createNil = on_nil,
		.freeObject = on_free,
#if HIREDIS_MAJOR >= 1
		.createDouble = on_double,
		.createBool = on_bool,
#endif
	};
	redisReader *r = redisReaderCreateWithFunctions(&functions);

	if (r)
		r->privdata = l;
	return r;
}
