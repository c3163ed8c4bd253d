/* remote.c -- Redis as limit/ wants to have it. */
#include "journey/inside.h"
#include <unistd.h>

static unsigned size(void *with)
{
	const struct journey *j = with;

	return redis_fleet_size(j->env.fleet, j->env.config);
}

static enum limit_remote_state state(void *with, uint16_t slot)
{
	static const enum limit_remote_state its[] = {
		[REDIS_DOWN] = LIMIT_REMOTE_DOWN,
		[REDIS_SETTLING] = LIMIT_REMOTE_SETTLING,
		[REDIS_UP] = LIMIT_REMOTE_UP,
	};
	const struct journey *j = with;

	return its[redis_state(j->env.redis, slot)];
}

static uint64_t server_stamp(void *with, uint16_t slot, uint64_t now_ns, uint64_t *error_ns)
{
	const struct journey *j = with;

	return redis_stamp(j->env.redis, slot, now_ns, error_ns);
}

static void on_done(void *with, const struct redis_answer *a)
{
	struct limit_asked *asked = with;
	const struct journey *j = asked->remote;
	struct limit_reply reply = { .answered = a->outcome == REDIS_ANSWERED };
	const struct redis_value *said = reply.answered ? &a->values[0] : NULL;

	if (said && (said->type != REDIS_ARRAY || said->len > sizeof reply.value / sizeof reply.value[0]))
		reply.answered = false;
	for (size_t i = 0; reply.answered && i < said->len; i++) {
		reply.nil[i] = said->array[i].type != REDIS_INTEGER;
		reply.value[i] = reply.nil[i] ? 0 : said->array[i].integer;
		reply.len++;
	}
	asked->on_reply(asked, &reply, j->env.loop->now_ns);
}

static bool ask(void *with, const struct limit_question *q)
{
	struct journey *j = with;
	const struct redis_command commands[] = {
		{ q->bitfield, q->bitfield_len },
		{ q->expire, q->expire_len },
	};
	const struct redis_ask a = {
		.slot = q->slot,
		.settling = q->settling,
		.commands = commands,
		.commands_len = 2,
		.on_done = on_done,
		.with = q->asked,
	};

	q->asked->remote = j;
	return redis_ask(j->env.redis, &a) != 0;
}

static unsigned workers(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return c->root.workers ? (unsigned)c->root.workers : cores > 0 ? (unsigned)cores : 1;
}

const struct limit_remote *remote_open(struct journey *j)
{
	if (!j->env.redis)
		return NULL;
	j->remote = (struct limit_remote){
		.with = j,
		.keyspace = redis_keyspace(j->env.redis),
		.workers = workers(j->env.config),
		.slot = redis_slot,
		.size = size,
		.state = state,
		.stamp = server_stamp,
		.ask = ask,
	};
	return &j->remote;
}
