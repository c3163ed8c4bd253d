/* keeper_inside.h -- the keeper's parts of redis/: looking names up, and the heartbeat. Private to redis/. */
#pragma once
#include "redis/redis.h"

/* ---- names.c ---- */
size_t addresses_find(const struct redis_names *n, const char *host); /* REDIS_NAMES: it is not there */
/* Gives the i-th record, or the first free one, to a host. */
void addresses_name(struct redis_names *n, size_t i, const char *host);
void addresses_set(struct redis_names *n, size_t i, const struct sockaddr_storage *found, size_t len);

/* ---- lookup.c: names that are wanted are looked up now, and again every 30 s ---- */
struct lookups;
struct lookups *lookups_open(const struct redis_keeper_env *w);
void lookups_close(struct lookups *l);
void lookups_want(struct lookups *l, const char *host);
void lookups_sweep(struct lookups *l);
uint64_t lookups_due_ns(const struct lookups *l);
