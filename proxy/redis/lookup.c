/* Asks the keeper for the addresses of servers' names. */
#include "base/check.h"
#include "base/log.h"
#include "base/refresh.h"
#include "redis/keeper_inside.h"
#include <stdlib.h>

#define FORGOTTEN_NS (3600 * NS_PER_S) /* not wanted so long, its record may go to another name */

struct name_lookup {
	struct lookups *lookups;
	struct refresh refresh;
	uint64_t wanted_ns;
	bool asked;
};

struct lookups {
	struct redis_keeper_env env;
	struct name_lookup at[REDIS_NAMES]; /* beside the records of the same number */
	bool full_told;
};

struct lookups *lookups_open(const struct redis_keeper_env *w)
{
	struct lookups *l = calloc(1, sizeof *l);

	check(l);
	l->env = *w;
	for (size_t i = 0; i < REDIS_NAMES; i++)
		l->at[i] = (struct name_lookup){ .lookups = l, .refresh.due_ns = UINT64_MAX };
	return l;
}

void lookups_close(struct lookups *l)
{
	free(l);
}

static struct redis_names *names_of(struct lookups *l)
{
	return &l->env.published->names;
}

static size_t free_record(struct lookups *l, uint64_t now_ns)
{
	uint32_t len = atomic_load(&names_of(l)->len);

	if (len < REDIS_NAMES)
		return len;
	for (size_t i = 0; i < REDIS_NAMES; i++)
		if (!l->at[i].asked && now_ns - l->at[i].wanted_ns > FORGOTTEN_NS)
			return i;
	return REDIS_NAMES;
}

void lookups_want(struct lookups *l, const char *host)
{
	uint64_t now_ns = l->env.loop->now_ns;
	size_t i = addresses_find(names_of(l), host);

	if (i == REDIS_NAMES) {
		i = free_record(l, now_ns);
		if (i == REDIS_NAMES) {
			if (!l->full_told)
				log_warn("redis: %s is not looked up: %u names are known already", host, REDIS_NAMES);
			l->full_told = true;
			return;
		}
		addresses_name(names_of(l), i, host);
		l->at[i] = (struct name_lookup){ .lookups = l, .refresh.due_ns = now_ns };
	}
	l->at[i].wanted_ns = now_ns;
	if (l->at[i].refresh.due_ns == UINT64_MAX && !l->at[i].asked)
		l->at[i].refresh.due_ns = now_ns; /* known from the keeper before us */
}

static void on_found(void *for_whom, const struct sockaddr_storage *found, size_t len)
{
	struct name_lookup *one = for_whom;
	struct lookups *l = one->lookups;
	size_t i = (size_t)(one - l->at);
	const char *host = names_of(l)->name[i].host;
	uint64_t now_ns = l->env.loop->now_ns;

	one->asked = false;
	if (len) {
		if (refresh_found(&one->refresh, now_ns))
			log_info("redis: the name %s is resolved again", host);
		addresses_set(names_of(l), i, found, len);
	} else if (refresh_failed(&one->refresh, now_ns)) {
		log_warn("redis: the name %s cannot be resolved", host);
	}
}

void lookups_sweep(struct lookups *l)
{
	uint64_t now_ns = l->env.loop->now_ns;

	for (size_t i = 0; i < REDIS_NAMES; i++) {
		struct name_lookup *one = &l->at[i];
		if (one->asked || one->refresh.due_ns > now_ns)
			continue;
		if (now_ns - one->wanted_ns > FORGOTTEN_NS) {
			one->refresh.due_ns = UINT64_MAX;
			continue;
		}
		one->asked = true;
		l->env.resolve(l->env.with, names_of(l)->name[i].host, 0, on_found, one);
	}
}

uint64_t lookups_due_ns(const struct lookups *l)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < REDIS_NAMES; i++)
		if (!l->at[i].asked && l->at[i].refresh.due_ns < due)
			due = l->at[i].refresh.due_ns;
	return due;
}
