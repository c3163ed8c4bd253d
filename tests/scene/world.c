/* world.c -- the loop and the clock of a scene, and the turn of all that is in it. */
#include "base/check.h"
#include "metrics/metrics.h"
#include "scene.h"
#include "tls/local_ca.h"
#include <stdlib.h>
#include <unistd.h>

uint64_t scene_now_ns;
static void *metrics;

static uint64_t fake_clock(void)
{
	return scene_now_ns;
}

uint64_t scene_wall_ns(void)
{
	return scene_now_ns + UINT64_C(1700000000) * NS_PER_S;
}

static void on_turn(void *with)
{
	struct scene *s = with;

	for (unsigned i = 0; i < s->machines_len; i++)
		for (unsigned k = 0; k < GENERATIONS; k++) {
			struct generation *g = &s->machines[i].generations[k];
			if (g->redis)
				redis_sweep(g->redis);
			if (g->journey)
				journey_turn(g->journey);
			if (g->redis)
				redis_flush(g->redis);
		}
}

static bool is_idle(void *with)
{
	const struct scene *s = with;
	bool idle = true;

	for (unsigned i = 0; i < s->machines_len; i++)
		for (unsigned k = 0; k < GENERATIONS; k++) {
			const struct journey *j = s->machines[i].generations[k].journey;
			idle = idle && (!j || journey_is_idle(j));
		}
	return idle;
}

static void open_loop(struct scene *s)
{
	scene_now_ns = 1000 * NS_PER_S;
	s->loop = loop_open();
	check(s->loop);
	s->loop->clock = fake_clock;
	s->loop->wall = scene_wall_ns;
	s->loop->now_ns = scene_now_ns;
	s->loop->wall_ns = scene_wall_ns();
	deadline_wheel_init(&s->loop->wheel, scene_now_ns);
	deadline_wheel_init_brief(&s->loop->brief, scene_now_ns);
	s->loop->on_turn = on_turn;
	s->loop->is_idle = is_idle;
	s->loop->with = s;
}

/* One CA for all scenes: making keys takes longer than playing. */
static void copy_certificates(struct scene *s)
{
	static char from[64];
	const char *why;
	char command[256];

	if (!memmem(s->config.text, s->config.len, s->directory, strlen(s->directory)))
		return;
	if (!from[0]) {
		snprintf(from, sizeof from, "%.*s/ca", (int)(strrchr(s->directory, '/') - s->directory),
		         s->directory);
		snprintf(command, sizeof command, "mkdir %s", from);
		check(system(command) == 0 && tls_local_ca(from, &why));
	}
	snprintf(command, sizeof command, "cp %s/* %s/", from, s->directory);
	check(system(command) == 0);
}

void world_open(struct scene *s)
{
	struct config_errors errors = { 0 };

	if (s->loop)
		return;
	open_loop(s);
	copy_certificates(s);
	if (!metrics) { /* one table for all scenes: series are known by name */
		metrics = aligned_alloc(64, (metrics_memory(2) + 63) / 64 * 64);
		check(metrics);
		memset(metrics, 0, metrics_memory(2));
		check(metrics_attach(metrics, 2));
		metrics_sit(0);
	}
	s->names = calloc(1, sizeof *s->names);
	check(s->names);
	atomic_store(&s->fleet.size, s->machines_len);
	for (unsigned i = 0; i < s->upstreams_len; i++)
		s->upstreams[i].fd = peers_listen(s, s->upstreams[i].socket);
	s->redis.fd = peers_listen(s, s->redis.socket);
	for (unsigned i = 0; i < s->machines_len; i++) {
		machine_open(s, &s->machines[i], i);
		machine_load(s, &s->machines[i], &errors);
		if (!s->machines[i].now)
			scene_fail(s, "the configuration is refused:\n%s", errors.text);
	}
	config_errors_free(&errors);
	world_settle(s);
	if (s->machines[0].now->redis)
		world_pass(s, 2 * NS_PER_S); /* until it is found, and its clock read */
}

void world_turn(struct scene *s)
{
	loop_turn(s->loop, 0);
	for (unsigned i = 0; i < s->upstreams_len; i++)
		upstream_turn(&s->upstreams[i]);
	redis_turn(s);
	issuer_turn(s);
	for (unsigned i = 0; i < s->machines_len; i++)
		machine_sweep(&s->machines[i]);
}

void world_settle(struct scene *s)
{
	for (int i = 0; i < 40; i++)
		world_turn(s);
}

void world_pass(struct scene *s, uint64_t ns)
{
	uint64_t step = ns / 2000 > 50 * NS_PER_MS ? ns / 2000 : 50 * NS_PER_MS;

	while (ns) {
		uint64_t by = ns < step ? ns : step;
		scene_now_ns += by;
		ns -= by;
		for (unsigned i = 0; i < s->machines_len; i++)
			issuer_keeper_tick(s->machines[i].now->keeper);
		world_turn(s);
		world_turn(s);
	}
	world_settle(s);
}

void world_close(struct scene *s)
{
	for (unsigned i = 0; i < s->clients_len; i++)
		client_leave(&s->clients[i]);
	world_settle(s);
	for (unsigned i = 0; i < s->machines_len; i++)
		machine_close(s, &s->machines[i]);
	issuer_turn(s);
	for (unsigned i = 0; i < s->upstreams_len; i++)
		upstream_down(&s->upstreams[i]);
	redis_down(s);
	s->loop->on_turn = NULL;
	s->loop->is_idle = NULL;
	loop_turn(s->loop, 0);
	loop_close(s->loop);
	free(s->names);
}
