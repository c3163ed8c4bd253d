/* proxies.c -- what proxies.h promises. */
#include "proxies.h"

struct one a;

void on_wake(struct request *r)
{
	((struct visit *)(void *)r)->woken = true;
}

uint64_t sources(uint64_t to[SOURCES])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < SOURCES; i++)
		all += to[i] = metrics_value(a.limits->plans[0].sources[i]);
	return all;
}

/* The request's time on the server's clock, as its lease has it. */
static uint64_t stamp_of(struct visit *g, bool local)
{
	struct limit_key key;
	uint64_t error, now = a.loop->now_ns, at = local ? now : g->at_ns;
	uint64_t stamp = redis_stamp(a.redis, 0, at, &error);

	if (error > a.log->error_ns)
		a.log->error_ns = error;
	key_of(a.limits, &a.limits->plans[0], &g->r, &key);
	uint64_t tag = key_tag(a.limits, &a.limits->plans[0], &key);
	struct lease *e = lease_find(a.limits->fleet->leases, tag);
	if (local || !e || !e->base_ns)
		return stamp;
	return (at > e->since_ns ? at : e->since_ns) + e->base_ns;
}

static void enter(struct visit *g)
{
	uint64_t before[SOURCES], after[SOURCES];
	unsigned source = 0;

	sources(before);
	enum step_result result = limit_early(a.limits, &g->r, a.loop->now_ns);
	g->waits = result == WAIT;
	if (g->waits || a.log->len == LOG_MAX)
		return;
	sources(after);
	while (source < SOURCES && before[source] == after[source])
		source++;
	struct entry *e = &a.log->at[a.log->len++];
	*e = (struct entry){ .at_ns = g->at_ns, .done_ns = a.loop->now_ns, .source = (uint8_t)source };
	e->admitted = result == GO_ON;
	e->hot = g->hot;
	e->stamp_ns = stamp_of(g, source == SOURCE_LOCAL);
}

/* Called as replies have come and before anybody spends what they brought. */
static void note_grant(void)
{
	struct lease *e = a.hot_tag ? lease_find(a.limits->fleet->leases, a.hot_tag) : NULL;
	const struct span *last = e && e->next.to_ns > e->now.to_ns ? &e->next : e ? &e->now : NULL;

	if (!last || last->to_ns <= a.granted_to_ns || a.log->grants == LOG_MAX)
		return;
	a.log->grant[a.log->grants++] = (struct grant){ e->since_ns + e->base_ns, last->to_ns + e->base_ns };
	a.granted_to_ns = last->to_ns;
}

static void learn_tag(const struct visit *g)
{
	struct limit_key key;

	key_of(a.limits, &a.limits->plans[0], &g->r, &key);
	a.hot_tag = key_tag(a.limits, &a.limits->plans[0], &key);
}

void request(bool hot)
{
	struct visit *g = a.guests;

	while (g < a.guests + WAITING_MAX && g->waits)
		g++;
	if (g == a.guests + WAITING_MAX)
		return;
	char *store = g->store ? g->store : malloc(STORE);
	*g = (struct visit){ .at_ns = a.loop->now_ns, .hot = hot, .store = store };
	arena_init(&g->r.arena, store, STORE);
	g->r.config = w->config;
	g->r.client_facts = &a.client_facts;
	g->r.route = &w->config->root.routes[0];
	g->r.headers = (struct headers){ &g->h, 0, 1 };
	if (!hot)
		snprintf(g->name, sizeof g->name, "by-%u-%u", a.id, a.turns++ % BYSTANDERS);
	headers_add(&g->r.headers, S("X-Key"), hot ? S("hot") : slice_of(g->name));
	if (hot && !a.hot_tag)
		learn_tag(g);
	enter(g);
}

void arrive(unsigned kind, uint64_t per_s)
{
	while (a.next_ns[kind] <= a.loop->now_ns) {
		a.next_ns[kind] += NS_PER_S / per_s / 2 + random_u64() % (NS_PER_S / per_s);
		request(kind == 0);
	}
}

uint64_t rest_ns(void)
{
	uint64_t now = clock_ns(), due = redis_due_ns(a.redis), owing = limits_due_ns(a.limits);

	due = owing < due ? owing : due;
	for (unsigned i = 0; i < 2; i++)
		due = a.next_ns[i] < due ? a.next_ns[i] : due;
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (a.guests[i].waits && a.guests[i].at_ns + w->config->root.redis->budget < due)
			due = a.guests[i].at_ns + w->config->root.redis->budget;
	return due <= now ? 0 : due - now < 20 * MS ? due - now : 20 * MS;
}

void walk(struct visit *g)
{
	if (!g->waits)
		return;
	if (!g->woken && a.loop->now_ns >= g->at_ns + w->config->root.redis->budget) {
		limit_stop_waiting(&g->r);
		g->woken = true;
	}
	if (!g->woken)
		return;
	g->woken = false;
	enter(g);
}

void turn(bool arrivals)
{
	uint64_t before_ns = a.loop->now_ns;

	loop_turn(a.loop, rest_ns());
	note_grant();
	bool warm = arrivals && before_ns > atomic_load(&w->stage->start_ns) + 200 * MS;
	if (warm && a.loop->now_ns - before_ns > a.log->gap_ns)
		a.log->gap_ns = a.loop->now_ns - before_ns;
	redis_sweep(a.redis);
	for (size_t i = 0; i < WAITING_MAX; i++)
		walk(&a.guests[i]);
	if (arrivals)
		arrive(0, w->trial.per_s);
	if (arrivals && w->trial.bystanders)
		arrive(1, 20);
	limits_turn(a.limits, a.loop->now_ns);
	redis_flush(a.redis);
}

static void open_asker(unsigned id)
{
	struct config_errors errors = { 0 };

	log_threshold(LOG_LEVEL_ERROR);
	a.id = id;
	a.log = &w->stage->log[id];
	a.next_ns[0] = a.next_ns[1] = UINT64_MAX;
	check(metrics_attach(shared(metrics_memory(1)), 1));
	metrics_sit(0);
	request_on_wake = on_wake;
	a.loop = loop_open();
	const struct redis_env redis = {
		.config = w->config, .bundle = w->bundle, .loop = a.loop, .name = S("t")
	};
	a.redis = redis_open(&redis, &errors);
	check(a.redis);
	a.journey.env = (struct journey_env){ .config = w->config, .loop = a.loop, .redis = a.redis };
	a.journey.env.fleet = &w->stage->fleet;
	a.limits = limits_open(w->config, w->tables[id % w->trial.machines], remote_open(&a.journey));
	check(a.limits);
}

static bool anybody_waits(void)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (a.guests[i].waits)
			return true;
	return false;
}

_Noreturn static void run_asker(unsigned id)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_asker(id);
	while (redis_state(a.redis, 0) != REDIS_UP)
		turn(false);
	atomic_fetch_add(&w->stage->ready, 1);
	while (atomic_load(&w->stage->start_ns) == 0)
		turn(false);
	uint64_t end_ns = atomic_load(&w->stage->start_ns) + w->trial.for_ns;
	a.next_ns[0] = atomic_load(&w->stage->start_ns) + random_u64() % (NS_PER_S / w->trial.per_s);
	if (w->trial.bystanders)
		a.next_ns[1] = a.next_ns[0];
	while (a.loop->now_ns < end_ns)
		turn(true);
	a.next_ns[0] = a.next_ns[1] = UINT64_MAX;
	/* for answers to what was asked last: what they grant is gone from the bucket for all others */
	while (a.loop->now_ns < end_ns + 100 * MS || anybody_waits())
		turn(false);
	_exit(0);
}

void load(const char *socket)
{
	struct config_errors errors = { 0 };
	char path[128], text[2048];
	FILE *out;

	join(path, sizeof path, w->server.directory, "/secret");
	out = fopen(path, "w");
	fputs("what all machines of this fleet know", out);
	fclose(out);
	struct text t = TEXT(text);
	text_printf(&t,
	            "environment: prod\nworkers: %u\nlisteners: [{address: \"127.0.0.1:80\"}]\n"
	            "secrets: {fleet: [\"${file:%s}\"]}\n"
	            "redis: {servers: \"unix:%s\", budget: %s, fleet_floor: %u}\n"
	            "limits: {all: {key: [\"header:X-Key\"], rate: %u/s, burst: %u}}\n"
	            "routes: [{name: r, deny: 403, limits: [all]}]\n",
	            w->trial.askers / w->trial.machines, path, socket, w->trial.budget, w->trial.machines,
	            (unsigned)w->trial.rate, (unsigned)w->trial.burst);
	join(path, sizeof path, w->server.directory, "/sallyport.yaml");
	check(text_end(&t));
	out = fopen(path, "w");
	fputs(text, out);
	fclose(out);
	w->bundle = bundle_record();
	w->config = config_load(w->bundle, path, &errors);
	if (!w->config)
		fail_msg("%s", errors.text);
	config_errors_free(&errors);
}

void trial_open(struct trial t, bool relay)
{
	memset(w, 0, sizeof *w);
	w->trial = t;
	w->stage = shared(sizeof *w->stage);
	server_open(&w->server);
	join(w->relay, sizeof w->relay, w->server.directory, "/relay");
	load(relay ? w->relay : w->server.socket);
	atomic_store(&w->stage->fleet.size, t.machines);
	for (unsigned i = 0; i < t.machines; i++)
		w->tables[i] = buckets_attach(shared(buckets_memory(TABLE_SLOTS)), TABLE_SLOTS);
	if (relay && (w->relaying = fork()) == 0)
		run_relay();
	for (unsigned i = 0; i < t.askers; i++)
		if ((w->askers[i] = fork()) == 0)
			run_asker(i);
}

void trial_start(void)
{
	struct timespec pause = { 0, 5 * 1000 * 1000 };

	for (int i = 0; atomic_load(&w->stage->ready) < w->trial.askers; i++) {
		check(i < 12000);
		nanosleep(&pause, NULL);
	}
	atomic_store(&w->stage->start_ns, clock_ns() + 5 * MS);
}

void trial_until(uint64_t after_ns)
{
	uint64_t at = atomic_load(&w->stage->start_ns) + after_ns;
	struct timespec t = { (time_t)(at / NS_PER_S), (long)(at % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

void trial_wait(void)
{
	int status;

	for (unsigned i = 0; i < w->trial.askers; i++) {
		assert_int_equal(waitpid(w->askers[i], &status, 0), w->askers[i]);
		assert_int_equal(status, 0);
	}
}

void trial_end(void)
{
	char path[128];

	if (w->relaying) {
		kill(w->relaying, SIGKILL);
		waitpid(w->relaying, NULL, 0);
		unlink(w->relay);
	}
	for (unsigned i = 0; i < w->trial.machines; i++)
		munmap(w->tables[i], buckets_memory(TABLE_SLOTS));
	config_free(w->config);
	bundle_close(w->bundle);
	for (unsigned i = 0; i < 2; i++) {
		join(path, sizeof path, w->server.directory, i ? "/secret" : "/sallyport.yaml");
		unlink(path);
	}
	server_close(&w->server);
	munmap(w->stage, sizeof *w->stage);
}
