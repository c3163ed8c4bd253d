/* keeping.h -- a keeper in a world of fake time, whose issuer answers what a test wants. */
#pragma once
#include "../jose/tokens.h"
#include "base/log.h"
#include "issuer/inside.h"
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S (24 * 3600)
#define NEVER UINT64_MAX

static struct keeping {
	struct config config;
	struct config_issuer issuer;
	char state[64];
	struct published_issuers *published;
	struct issuer_keeper *keeper;
	uint64_t now_ns, wall_s;

	/* the issuer */
	int status; /* of the key set; 0: refuses; -1: hangs */
	int discovery_status;
	struct slice body; /* the key set */
	const char *discovery;
	uint64_t max_age_s;
	unsigned discoveries, fetches, moved;
	char url[256];    /* last asked for */
	char floor[4096]; /* machine.floor */
	struct {
		void (*done)(void *, int, struct slice, uint64_t, const char *);
		void *for_whom;
	} hanging[64];
	size_t hanging_len;

	/* the fleet's Redis; NULL: none. answer: of what it owes one; false: of nothing */
	bool (*redis)(void *, const struct slice *, size_t, void (*)(void *, bool, const struct slice *, size_t),
	              void *);
	bool (*answer)(void);
} keeping;

static void keeping_fetch(void *with, const struct issuer_request *ask,
                          void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom)
{
	struct keeping *k = with;
	bool is_discovery = slice_ends(ask->url, S("openid-configuration"));
	int status = is_discovery ? k->discovery_status : k->status;

	snprintf(k->url, sizeof k->url, "%.*s", SLICE(ask->url));
	*(is_discovery ? &k->discoveries : &k->fetches) += 1;
	if (status < 0) {
		if (k->hanging_len == 64)
			abort();
		k->hanging[k->hanging_len].done = done;
		k->hanging[k->hanging_len++].for_whom = for_whom;
	} else {
		struct slice body = is_discovery ? slice_of(k->discovery) : k->body;
		done(for_whom, status, body, k->max_age_s, status ? NULL : "connection refused");
	}
}

/* What hung is answered after all, whoever still wants it. */
static inline void keeping_unhang(int status)
{
	size_t len = keeping.hanging_len;

	keeping.hanging_len = 0;
	for (size_t i = 0; i < len; i++)
		keeping.hanging[i].done(keeping.hanging[i].for_whom, status, keeping.body, NEVER,
		                        status ? NULL : "too slow");
}

static uint64_t keeping_now(void *with)
{
	return ((struct keeping *)with)->now_ns;
}

static uint64_t keeping_wall(void *with)
{
	return ((struct keeping *)with)->wall_s;
}

static bool keeping_floor_read(void *with, void *to, size_t len, uint64_t at)
{
	memcpy(to, ((struct keeping *)with)->floor + at, len);
	return true;
}

static bool keeping_floor_write(void *with, const void *from, size_t len, uint64_t at)
{
	memcpy(((struct keeping *)with)->floor + at, from, len);
	return true;
}

static uint64_t keeping_redis_ms(void *with, struct slice key)
{
	(void)key;
	return ((struct keeping *)with)->wall_s * 1000;
}

static void keeping_moved(void *with)
{
	((struct keeping *)with)->moved++;
}

static inline void keeping_start_with(struct slice machine_secret)
{
	struct issuer_env world = { .with = &keeping,
		                        .fetch = keeping_fetch,
		                        .now_ns = keeping_now,
		                        .wall_s = keeping_wall,
		                        .moved = keeping_moved,
		                        .counters_read = keeping_floor_read,
		                        .counters_write = keeping_floor_write,
		                        .redis = keeping.redis,
		                        .redis_ms = keeping_redis_ms };

	keeping.keeper = issuer_keeper_open(&keeping.config, NULL, keeping.published, world, machine_secret);
}

static inline void keeping_start(void)
{
	keeping_start_with(S("machine secret"));
}

static inline void keeping_stop(void)
{
	issuer_keeper_close(keeping.keeper);
	keeping.keeper = NULL;
}

static inline void keeping_open(struct slice jwks)
{
	size_t size = (published_memory() + 63) / 64 * 64;
	void *memory = aligned_alloc(64, size);

	memset(&keeping, 0, sizeof keeping);
	if (!memory)
		abort();
	keeping.published = published_attach(memset(memory, 0, size));
	snprintf(keeping.state, sizeof keeping.state, "/tmp/sallyport-keys-XXXXXX");
	if (!mkdtemp(keeping.state))
		abort();
	keeping.now_ns = 5000 * NS_PER_S;
	keeping.wall_s = 1800000000;
	keeping.status = keeping.discovery_status = 200;
	keeping.max_age_s = NEVER;
	keeping.discovery = "{\"issuer\":\"https://i/\",\"jwks_uri\":\"https://i/keys\"}";
	keeping.issuer = (struct config_issuer){
		.id = S("auth0"),
		.issuer = S("https://i/"),
		.jwks = jwks,
		.budget = { .all = { 80, NS_PER_S }, .keys = { 10, NS_PER_S }, .machines = 1 }
	};
	keeping.config.root.state = slice_of(keeping.state);
	keeping.config.root.issuers = &keeping.issuer;
	keeping.config.root.issuers_len = 1;
	keeping.config.root.verification = (struct config_verification){ .keys_soft = 600 * NS_PER_S,
		                                                             .keys_hard = DAY_S * NS_PER_S,
		                                                             .wait = 2 * NS_PER_S };
}

static inline void keeping_path(char to[256], const char *name)
{
	snprintf(to, 256, "%s/keys/%s", keeping.state, name);
}

static inline void keeping_close(void)
{
	static const char *const files[] = { "auth0.json", "newest", "old.json", "jwks", "newest.old" };
	char path[256];

	keeping_stop();
	keeping_unhang(0);
	free(keeping.published);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		keeping_path(path, files[i]);
		unlink(path);
	}
	keeping_path(path, "");
	rmdir(path);
	rmdir(keeping.state);
}

/* A fixture's work: a keeper that runs, with an issuer that answers so. */
static inline int keeping_begin(struct slice body)
{
	keeping_open((struct slice){ 0 });
	keeping.body = body;
	keeping_start();
	return 0;
}

/* A fixture: after each test. */
static inline int keeping_end(void **state)
{
	(void)state;
	keeping_close();
	return 0;
}
