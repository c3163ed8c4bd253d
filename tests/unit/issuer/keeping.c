/* keeping.c -- what keeping.h promises. */
#include "keeping.h"

struct keeping keeping;

void keeping_fetch(void *with, const struct issuer_request *ask,
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

void keeping_unhang(int status)
{
	size_t len = keeping.hanging_len;

	keeping.hanging_len = 0;
	for (size_t i = 0; i < len; i++)
		keeping.hanging[i].done(keeping.hanging[i].for_whom, status, keeping.body, NEVER,
		                        status ? NULL : "too slow");
}

uint64_t keeping_now(void *with)
{
	return ((struct keeping *)with)->now_ns;
}

uint64_t keeping_wall(void *with)
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

void keeping_start_with(struct slice machine_secret)
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

void keeping_start(void)
{
	keeping_start_with(S("machine secret"));
}

void keeping_stop(void)
{
	issuer_keeper_close(keeping.keeper);
	keeping.keeper = NULL;
}

void keeping_open(struct slice jwks)
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

void keeping_path(char to[256], const char *name)
{
	snprintf(to, 256, "%s/keys/%s", keeping.state, name);
}

void keeping_close(void)
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

int keeping_begin(struct slice body)
{
	keeping_open((struct slice){ 0 });
	keeping.body = body;
	keeping_start();
	return 0;
}

int keeping_end(void **state)
{
	(void)state;
	keeping_close();
	return 0;
}
