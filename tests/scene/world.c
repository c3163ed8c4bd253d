/* world.c -- what surrounds the data plane in a scene. */
#include "base/check.h"
#include "metrics/metrics.h"
#include "miniserver/miniserver.h"
#include "scene.h"
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define TABLE_SLOTS 4096

uint64_t scene_now_ns;
static void *metrics;

static uint64_t fake_clock(void)
{
	return scene_now_ns;
}

static uint64_t fake_wall(void)
{
	return scene_now_ns + UINT64_C(1700000000) * NS_PER_S;
}

static void *zeroed(size_t len)
{
	void *p = aligned_alloc(64, (len + 63) / 64 * 64);

	check(p);
	return memset(p, 0, (len + 63) / 64 * 64);
}

/* ---- upstreams ---- */

static unsigned status_for(struct fake_upstream *u, const struct miniserver_ask *ask)
{
	for (unsigned i = 0; i < u->answers_len; i++) {
		struct upstream_answer *a = &u->answers[i];
		if (slice_same(slice_of(a->method), ask->method) && slice_same(slice_of(a->path), ask->path))
			return a->status;
	}
	return 200;
}

static void on_ask(void *with, struct miniserver_ask *ask)
{
	struct fake_upstream *u = with;
	struct text last = TEXT(u->last);

	u->seen++;
	for (uint16_t i = 0; i < ask->headers->len; i++) {
		text_add(&last, ask->headers->at[i].name);
		text_add(&last, S(": "));
		text_add(&last, ask->headers->at[i].value);
		text_char(&last, '\n');
	}
	check(text_end(&last));
	check(miniserver_answer(ask, status_for(u, ask), S("text/plain"), S(""), S("upstream")));
}

struct fake_upstream *world_upstream(struct scene *s, struct slice name)
{
	for (unsigned i = 0; i < s->upstreams_len; i++)
		if (slice_same(slice_of(s->upstreams[i].name), name))
			return &s->upstreams[i];
	return NULL;
}

static void open_upstream(struct scene *s, struct fake_upstream *u)
{
	struct sockaddr_storage at;
	socklen_t len;
	char text[160];
	struct text t = TEXT(text);

	text_add(&t, S("unix:"));
	text_add(&t, slice_of(u->socket));
	check(address_parse(text_slice(&t), &at, &len));
	u->fd = listener_bind(&at, len, true);
	if (u->fd < 0)
		scene_fail(s, "upstream %s cannot listen", u->name);
	u->server = miniserver_open(s->loop, u->fd, on_ask, u);
	check(u->server);
}

/* ---- the issuer ---- */

static void fetch(void *with, const struct issuer_request *ask,
	void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom)
{
	struct scene *s = with;

	s->fetches++;
	if (s->issuer_hangs)
		return;
	if (!s->issuer_up) {
		done(for_whom, 0, S(""), UINT64_MAX, "connection refused");
		return;
	}
	if (slice_ends(ask->url, S("openid-configuration"))) {
		done(for_whom, 200,
		     S("{\"issuer\":\"http://127.0.0.1:1/\",\"jwks_uri\":\"http://127.0.0.1:1/keys\"}"), UINT64_MAX,
		     NULL);
		return;
	}
	char *keys = signer_jwks(s->signer);
	done(for_whom, 200, slice_of(keys), UINT64_MAX, NULL);
	free(keys);
}

static uint64_t now_of(void *with)
{
	(void)with;
	return scene_now_ns;
}

static uint64_t wall_of(void *with)
{
	(void)with;
	return fake_wall() / NS_PER_S;
}

static bool key_unknown(void *with, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	struct scene *s = with;

	issuer_keeper_unknown(s->keeper, issuer, kid, iat_s);
	return true;
}

static bool token_unknown(void *with, struct slice issuer, struct slice token)
{
	struct scene *s = with;

	issuer_keeper_token(s->keeper, issuer, token);
	return true;
}

/* ---- the data plane ---- */

static void log_line_of(void *with, struct slice line, bool valued)
{
	struct scene *s = with;

	(void)valued;
	s->ends++;
	if (line.len > sizeof s->log - s->log_len)
		s->log_len = 0;
	memcpy(s->log + s->log_len, line.at, line.len);
	s->log_len += line.len;
}

static bool is_barred(void *with, const struct in6_addr *address)
{
	return IN6_ARE_ADDR_EQUAL(&((struct scene *)with)->barred, address);
}

static void suspect(void *with, const struct in6_addr *address)
{
	(void)with, (void)address;
}

static void on_turn(void *with)
{
	journey_turn(((struct scene *)with)->journey);
}

static bool is_idle(void *with)
{
	return journey_is_idle(((struct scene *)with)->journey);
}

static void open_keeper(struct scene *s)
{
	static const unsigned char secret[32] = "a secret of this scene alone";
	struct issuer_env world = { .with = s, .fetch = fetch, .now_ns = now_of, .wall_s = wall_of };

	s->keeper = issuer_keeper_open(s->config, s->bundle, s->keys, world,
		(struct slice){ (const char *)secret, sizeof secret });
	check(s->keeper);
	issuer_keeper_tick(s->keeper);
}

static void load(struct scene *s, struct slice config)
{
	struct config_errors errors = { 0 };

	s->bundle = bundle_record();
	bundle_put(s->bundle, "scene.yaml", config);
	s->config = config_load(s->bundle, "scene.yaml", &errors);
	if (!s->config)
		scene_fail(s, "the configuration is refused:\n%s", errors.text);
	struct journey_world world = {.config = s->config,
	                              .bundle = s->bundle,
	                              .loop = s->loop,
	                              .limits = s->table,
	                              .exchanges = s->exchanges,
	                              .logins = s->logins,
	                              .keys = s->keys,
	                              .endpoints = s->endpoints,
	                              .tickets = s->tickets,
	                              .ask = {key_unknown, s, token_unknown},
	                              .is_barred = is_barred,
	                              .suspect = suspect,
	                              .barred_with = s,
	                              .log = log_line_of,
	                              .log_with = s};
	open_keeper(s);
	s->journey = journey_open(&world, &errors);
	if (!s->journey)
		scene_fail(s, "the data plane does not open:\n%s", errors.text);
	config_errors_free(&errors);
}

void world_open(struct scene *s, struct slice config)
{
	scene_now_ns = 1000 * NS_PER_S;
	s->loop = loop_open();
	check(s->loop);
	s->loop->clock = fake_clock;
	s->loop->wall = fake_wall;
	s->loop->now_ns = scene_now_ns;
	s->loop->wall_ns = fake_wall();
	deadline_wheel_init(&s->loop->wheel, scene_now_ns);
	deadline_wheel_init_brief(&s->loop->brief, scene_now_ns);
	if (!metrics) { /* one table for all scenes: series are known by name */
		metrics = zeroed(metrics_memory(2));
		check(metrics_attach(metrics, 2));
		metrics_sit(0);
	}
	s->logins = logins_attach(zeroed(logins_memory()));
	s->exchanges = exchanges_attach(zeroed(exchanges_memory()));
	s->table = limit_table_attach(zeroed(limit_table_memory(TABLE_SLOTS)), TABLE_SLOTS);
	s->keys = published_attach(zeroed(published_memory()));
	s->endpoints = zeroed(sizeof *s->endpoints);
	s->tickets = zeroed(sizeof *s->tickets);
	for (unsigned i = 0; i < s->upstreams_len; i++)
		open_upstream(s, &s->upstreams[i]);
	load(s, config);
	s->loop->on_turn = on_turn;
	s->loop->is_idle = is_idle;
	s->loop->with = s;
}

void world_settle(struct scene *s)
{
	for (int i = 0; i < 40; i++)
		loop_turn(s->loop, 0);
}

void world_pass(struct scene *s, uint64_t ns)
{
	uint64_t step = ns / 2000 > 50 * NS_PER_MS ? ns / 2000 : 50 * NS_PER_MS;

	while (ns) {
		uint64_t by = ns < step ? ns : step;
		scene_now_ns += by;
		ns -= by;
		issuer_keeper_tick(s->keeper);
		loop_turn(s->loop, 0);
	}
	world_settle(s);
}

void world_close(struct scene *s)
{
	for (unsigned i = 0; i < s->clients_len; i++)
		if (s->clients[i].fd >= 0)
			close(s->clients[i].fd);
	world_settle(s);
	journey_kill(s->journey);
	world_settle(s);
	journey_close(s->journey);
	issuer_keeper_close(s->keeper);
	for (unsigned i = 0; i < s->upstreams_len; i++) {
		miniserver_close(s->upstreams[i].server);
		close(s->upstreams[i].fd);
		unlink(s->upstreams[i].socket);
	}
	s->loop->on_turn = NULL;
	s->loop->is_idle = NULL;
	loop_turn(s->loop, 0);
	config_free(s->config);
	bundle_close(s->bundle);
	loop_close(s->loop);
	free(s->logins);
	free(s->exchanges);
	free(s->table);
	free(s->keys);
	free(s->endpoints);
	free(s->tickets);
}
