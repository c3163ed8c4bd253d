/* machine.c -- one machine of a scene: its shared memory, and its configurations in force and draining. */
#include "scene.h"
#include "base/check.h"
#include <stdlib.h>
#include <sys/stat.h>

#define TABLE_SLOTS 4096

static void *zeroed(size_t len)
{
	void *p = aligned_alloc(64, (len + 63) / 64 * 64);

	check(p);
	return memset(p, 0, (len + 63) / 64 * 64);
}

static uint64_t now_of(void *with)
{
	(void)with;
	return scene_now_ns;
}

static uint64_t wall_of(void *with)
{
	(void)with;
	return scene_wall_ns() / NS_PER_S;
}

static bool key_unknown(void *with, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	issuer_keeper_unknown(((struct machine *)with)->now->keeper, issuer, kid, iat_s);
	return true;
}

static bool token_unknown(void *with, struct slice issuer, struct slice token)
{
	issuer_keeper_token(((struct machine *)with)->now->keeper, issuer, token);
	return true;
}

static void log_line_of(void *with, struct slice line, bool valued)
{
	struct scene *s = with;

	(void)valued;
	s->ends++;
	if (line.len > sizeof s->log - 1 - s->log_len)
		s->log_len = 0;
	memcpy(s->log + s->log_len, line.at, line.len);
	s->log_len += line.len;
	s->log[s->log_len] = '\0';
}

static bool is_barred(void *with, const struct in6_addr *address)
{
	return IN6_ARE_ADDR_EQUAL(&((struct scene *)with)->barred, address);
}

static void suspect(void *with, const struct in6_addr *address)
{
	(void)with, (void)address;
}

void machine_open(struct scene *s, struct machine *m, unsigned number)
{
	snprintf(m->state, sizeof m->state, "%s/state-%u", s->directory, number);
	check(mkdir(m->state, 0700) == 0);
	m->logins = logins_attach(zeroed(logins_memory()));
	m->exchanges = exchanges_attach(zeroed(exchanges_memory()));
	m->table = buckets_attach(zeroed(buckets_memory(TABLE_SLOTS)), TABLE_SLOTS);
	m->keys = published_attach(zeroed(published_memory()));
	m->endpoints = zeroed(sizeof *m->endpoints);
	m->tickets = zeroed(sizeof *m->tickets);
}

static void open_keeper(struct scene *s, struct machine *m, struct generation *g)
{
	static const unsigned char secret[32] = "a secret of this scene alone";
	struct issuer_env world = { .with = s, .fetch = issuer_fetch, .now_ns = now_of, .wall_s = wall_of };

	g->keeper = issuer_keeper_open(g->config, g->bundle, m->keys, world,
	                               (struct slice){ (const char *)secret, sizeof secret });
	check(g->keeper);
	issuer_keeper_tick(g->keeper);
}

static bool open_journey(struct scene *s, struct machine *m, struct generation *g,
                         struct config_errors *errors)
{
	const struct redis_env redis = {
		.config = g->config, .bundle = g->bundle, .loop = s->loop, .names = s->names, .name = S("scene")
	};

	g->redis = redis_open(&redis, errors);
	if (errors->count)
		return false;
	struct journey_env world = { .config = g->config,
		                         .bundle = g->bundle,
		                         .loop = s->loop,
		                         .limits = m->table,
		                         .exchanges = m->exchanges,
		                         .logins = m->logins,
		                         .keys = m->keys,
		                         .endpoints = m->endpoints,
		                         .tickets = m->tickets,
		                         .redis = g->redis,
		                         .fleet = &s->fleet,
		                         .ask = { key_unknown, m, token_unknown },
		                         .is_barred = is_barred,
		                         .suspect = suspect,
		                         .barred_with = s,
		                         .log = log_line_of,
		                         .log_with = s };
	g->journey = journey_open(&world, errors);
	return g->journey;
}

static void drop(struct generation *g)
{
	if (g->journey)
		journey_close(g->journey);
	redis_close(g->redis);
	if (g->keeper)
		issuer_keeper_close(g->keeper);
	config_free(g->config);
	bundle_close(g->bundle);
	memset(g, 0, sizeof *g);
}

static struct generation *free_generation(struct machine *m)
{
	struct generation *g = m->generations;

	while (g < m->generations + GENERATIONS && g->bundle)
		g++;
	check(g < m->generations + GENERATIONS);
	return g;
}

void machine_load(struct scene *s, struct machine *m, struct config_errors *errors)
{
	struct generation *g = free_generation(m), *before = m->now;
	static char bytes[sizeof s->config.text + 128];
	struct text t = TEXT(bytes);

	text_printf(&t, "state: %s\n", m->state);
	text_add(&t, (struct slice){ s->config.text, s->config.len });
	g->bundle = bundle_record();
	bundle_put(g->bundle, "scene.yaml", text_slice(&t));
	g->config = config_load(g->bundle, "scene.yaml", errors);
	if (!g->config || !open_journey(s, m, g, errors)) {
		drop(g);
		return;
	}
	if (before && before->keeper) { /* one keeper per machine */
		issuer_keeper_close(before->keeper);
		before->keeper = NULL;
	}
	m->now = g;
	open_keeper(s, m, g);
	if (before)
		journey_drain(before->journey);
}

void machine_reload(struct scene *s, const char *refusal)
{
	for (unsigned i = 0; i < s->machines_len; i++) {
		struct config_errors errors = { 0 };
		const struct generation *before = s->machines[i].now;
		machine_load(s, &s->machines[i], &errors);
		bool taken = s->machines[i].now != before;
		if (!taken && !refusal[0])
			scene_fail(s, "the configuration is refused:\n%s", errors.text);
		if (taken && refusal[0])
			scene_fail(s, "the configuration is in force");
		if (!taken && !strstr(errors.text, refusal))
			scene_fail(s, "the configuration is refused otherwise:\n%s", errors.text);
		config_errors_free(&errors);
	}
	world_settle(s);
}

void machine_sweep(struct machine *m)
{
	for (unsigned i = 0; i < GENERATIONS; i++) {
		struct generation *g = &m->generations[i];
		if (g->journey && g != m->now && journey_is_drained(g->journey))
			drop(g);
	}
}

void machine_close(struct scene *s, struct machine *m)
{
	for (unsigned i = 0; i < GENERATIONS; i++)
		if (m->generations[i].journey)
			journey_kill(m->generations[i].journey);
	world_settle(s);
	for (unsigned i = 0; i < GENERATIONS; i++)
		if (m->generations[i].journey)
			drop(&m->generations[i]);
	free(m->logins);
	free(m->exchanges);
	free(m->table);
	free(m->keys);
	free(m->endpoints);
	free(m->tickets);
}
