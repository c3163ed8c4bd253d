/* proxies.h -- workers of several machines, each a process with its real limits and its real connection to a
 * real Redis, on real clocks; what each request got is logged with its stamp and judged afterwards. */
#pragma once
#include "../limit/server.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config.h"
#include "journey/inside.h"
#include "limit/fleet.h"
#include "metrics/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <cmocka.h>

#define ASKERS_MAX 64
#define WAITING_MAX 64
#define LOG_MAX 8192
#define TABLE_SLOTS 4096
#define STORE 12288
#define BYSTANDERS 8 /* keys of each asker's own */
#define MS NS_PER_MS

struct entry { uint64_t stamp_ns, at_ns, done_ns; uint8_t source; bool admitted, hot; };

struct grant { uint64_t stamp_ns, tat_ns; }; /* a question that took of the hot bucket; the bucket since */

struct log {
	size_t len, grants;
	uint64_t error_ns, gap_ns; /* the worst: of the server's clock; between two turns */
	struct entry at[LOG_MAX];
	struct grant grant[LOG_MAX];
};

struct trial { /* what is tried */
	unsigned askers, machines;
	uint64_t rate, burst, per_s, for_ns; /* per_s: hot requests of each asker */
	const char *budget;
	bool bystanders;
};

struct stage { /* shared by all processes of a trial */
	_Atomic unsigned ready;
	_Atomic uint64_t start_ns, delay_ns; /* delay: of the relay, each way */
	struct redis_fleet fleet;
	struct log log[ASKERS_MAX];
};

struct trial_world {
	struct trial trial;
	struct stage *stage;
	struct server server;
	char relay[96];
	pid_t askers[ASKERS_MAX], relaying;
	struct limit_table *tables[ASKERS_MAX];
	struct bundle *bundle;
	struct config *config;
};
static struct trial_world worlds[3], *w = worlds; /* several trials may run side by side */

static inline void *shared(size_t len)
{
	void *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(m != MAP_FAILED);
	return m;
}

/* a and b, one behind the other. */
static inline void join(char *to, size_t cap, const char *a, const char *b)
{
	struct text t = { .at = to, .cap = cap };

	text_add(&t, slice_of(a));
	text_add(&t, slice_of(b));
	check(text_end(&t));
}

/* ---- one asker ---- */

struct visit {
	struct request r;
	uint64_t at_ns;
	bool waits, woken, hot;
	char name[24], *store;
	struct header h;
};

static struct one {
	unsigned id;
	struct loop *loop;
	struct redis *redis;
	struct journey journey;
	struct limits *limits;
	struct visitor visitor;
	struct visit guests[WAITING_MAX];
	struct log *log;
	uint64_t next_ns[2];
	unsigned turns; /* of bystanders */
	uint64_t hot_tag, granted_to_ns;
} a;

static inline void on_wake(struct request *r)
{
	((struct visit *)(void *)r)->woken = true;
}

static inline uint64_t sources(uint64_t to[SOURCES])
{
	uint64_t all = 0;

	for (unsigned i = 0; i < SOURCES; i++)
		all += to[i] = metrics_value(a.limits->plans[0].sources[i]);
	return all;
}

/* The request's time on the server's clock, as its lease has it. */
static inline uint64_t stamp_of(struct visit *g, bool local)
{
	struct key key;
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

static inline void enter(struct visit *g)
{
	uint64_t before[SOURCES], after[SOURCES];
	unsigned source = 0;

	sources(before);
	enum pace pace = limit_early(a.limits, &g->r, a.loop->now_ns);
	g->waits = pace == WAIT;
	if (g->waits || a.log->len == LOG_MAX)
		return;
	sources(after);
	while (source < SOURCES && before[source] == after[source])
		source++;
	struct entry *e = &a.log->at[a.log->len++];
	*e = (struct entry){ .at_ns = g->at_ns, .done_ns = a.loop->now_ns, .source = (uint8_t)source };
	e->admitted = pace == GO_ON;
	e->hot = g->hot;
	e->stamp_ns = stamp_of(g, source == SOURCE_LOCAL);
}

/* Called as replies have come and before anybody spends what they brought. */
static inline void note_grant(void)
{
	struct lease *e = a.hot_tag ? lease_find(a.limits->fleet->leases, a.hot_tag) : NULL;
	const struct span *last = e && e->next.to_ns > e->now.to_ns ? &e->next : e ? &e->now : NULL;

	if (!last || last->to_ns <= a.granted_to_ns || a.log->grants == LOG_MAX)
		return;
	a.log->grant[a.log->grants++] = (struct grant){ e->since_ns + e->base_ns, last->to_ns + e->base_ns };
	a.granted_to_ns = last->to_ns;
}

static inline void learn_tag(const struct visit *g)
{
	struct key key;

	key_of(a.limits, &a.limits->plans[0], &g->r, &key);
	a.hot_tag = key_tag(a.limits, &a.limits->plans[0], &key);
}

static inline void request(bool hot)
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
	g->r.visitor = &a.visitor;
	g->r.route = &w->config->root.routes[0];
	g->r.headers = (struct headers){ &g->h, 0, 1 };
	if (!hot)
		snprintf(g->name, sizeof g->name, "by-%u-%u", a.id, a.turns++ % BYSTANDERS);
	headers_add(&g->r.headers, S("X-Key"), hot ? S("hot") : slice_of(g->name));
	if (hot && !a.hot_tag)
		learn_tag(g);
	enter(g);
}

/* Arrivals are spread evenly around their rate. */
static inline void arrive(unsigned kind, uint64_t per_s)
{
	while (a.next_ns[kind] <= a.loop->now_ns) {
		a.next_ns[kind] += NS_PER_S / per_s / 2 + random_u64() % (NS_PER_S / per_s);
		request(kind == 0);
	}
}

static inline uint64_t rest_ns(void)
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

static inline void walk(struct visit *g)
{
	if (!g->waits)
		return;
	if (!g->woken && a.loop->now_ns >= g->at_ns + w->config->root.redis->budget) {
		limit_hurry(&g->r);
		g->woken = true;
	}
	if (!g->woken)
		return;
	g->woken = false;
	enter(g);
}

static inline void turn(bool arrivals)
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

static inline void open_asker(unsigned id)
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
	const struct redis_world redis =
		{ .config = w->config, .bundle = w->bundle, .loop = a.loop, .name = S("t") };
	a.redis = redis_open(&redis, &errors);
	check(a.redis);
	a.journey.world = (struct journey_world){ .config = w->config, .loop = a.loop, .redis = a.redis };
	a.journey.world.fleet = &w->stage->fleet;
	a.limits = limits_open(w->config, w->tables[id % w->trial.machines], remote_open(&a.journey), &errors);
	check(a.limits);
}

static inline bool anybody_waits(void)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (a.guests[i].waits)
			return true;
	return false;
}

_Noreturn static inline void run_asker(unsigned id)
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

/* ---- a wire that can be long ---- */

struct chunk { uint64_t due_ns; size_t len, sent; struct chunk *next; char bytes[8192]; };
struct wire_end { int from, to; struct chunk *first, **last; };

static inline void pour(struct wire_end *p)
{
	struct chunk *n = malloc(sizeof *n);
	ssize_t got = n ? recv(p->from, n->bytes, sizeof n->bytes, MSG_DONTWAIT) : -1;

	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			p->from = -1;
		free(n);
		return;
	}
	n->due_ns = clock_ns() + atomic_load(&w->stage->delay_ns);
	n->len = (size_t)got;
	n->sent = 0;
	n->next = NULL;
	*p->last = n;
	p->last = &n->next;
}

static inline void drip(struct wire_end *p)
{
	while (p->first && p->first->due_ns <= clock_ns()) {
		struct chunk *n = p->first;
		if (send(p->to, n->bytes, n->len, MSG_NOSIGNAL) < 0)
			shutdown(p->to, SHUT_RDWR);
		p->first = n->next;
		if (!p->first)
			p->last = &p->first;
		free(n);
	}
	if (p->from < 0 && !p->first)
		shutdown(p->to, SHUT_RDWR);
}

/* One process carries one connection. */
_Noreturn static inline void carry(int near, int far)
{
	struct wire_end p[2] = { { near, far, NULL, NULL }, { far, near, NULL, NULL } };
	struct timespec pause = { 0, 1000 * 1000 };

	p[0].last = &p[0].first;
	p[1].last = &p[1].first;
	while (p[0].from >= 0 || p[1].from >= 0) {
		for (int i = 0; i < 2; i++) {
			if (p[i].from >= 0)
				pour(&p[i]);
			drip(&p[i]);
		}
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

_Noreturn static inline void run_relay(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	join(at.sun_path, sizeof at.sun_path, w->relay, "");
	check(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0);
	for (;;) {
		int near = accept(fd, NULL, NULL);
		check(near >= 0);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			int far = server_try(&w->server);
			if (far < 0)
				_exit(0);
			carry(near, far);
		}
		close(near);
	}
}

/* ---- the trial ---- */

static inline void load(const char *socket)
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

/* relay: through a wire whose length can be changed. */
static inline void trial_open(struct trial t, bool relay)
{
	memset(w, 0, sizeof *w);
	w->trial = t;
	w->stage = shared(sizeof *w->stage);
	server_open(&w->server);
	join(w->relay, sizeof w->relay, w->server.directory, "/relay");
	load(relay ? w->relay : w->server.socket);
	atomic_store(&w->stage->fleet.size, t.machines);
	for (unsigned i = 0; i < t.machines; i++)
		w->tables[i] = limit_table_attach(shared(limit_table_memory(TABLE_SLOTS)), TABLE_SLOTS);
	if (relay && (w->relaying = fork()) == 0)
		run_relay();
	for (unsigned i = 0; i < t.askers; i++)
		if ((w->askers[i] = fork()) == 0)
			run_asker(i);
}

/* Requests begin as soon as everybody has found Redis. */
static inline void trial_start(void)
{
	struct timespec pause = { 0, 5 * 1000 * 1000 };

	for (int i = 0; atomic_load(&w->stage->ready) < w->trial.askers; i++) {
		check(i < 12000);
		nanosleep(&pause, NULL);
	}
	atomic_store(&w->stage->start_ns, clock_ns() + 5 * MS);
}

/* The scenario's own time: so long after the beginning. */
static inline void trial_until(uint64_t after_ns)
{
	uint64_t at = atomic_load(&w->stage->start_ns) + after_ns;
	struct timespec t = { (time_t)(at / NS_PER_S), (long)(at % NS_PER_S) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static inline void trial_wait(void)
{
	int status;

	for (unsigned i = 0; i < w->trial.askers; i++) {
		assert_int_equal(waitpid(w->askers[i], &status, 0), w->askers[i]);
		assert_int_equal(status, 0);
	}
}

static inline void trial_end(void)
{
	char path[128];

	if (w->relaying) {
		kill(w->relaying, SIGKILL);
		waitpid(w->relaying, NULL, 0);
		unlink(w->relay);
	}
	for (unsigned i = 0; i < w->trial.machines; i++)
		munmap(w->tables[i], limit_table_memory(TABLE_SLOTS));
	config_free(w->config);
	bundle_close(w->bundle);
	for (unsigned i = 0; i < 2; i++) {
		join(path, sizeof path, w->server.directory, i ? "/secret" : "/sallyport.yaml");
		unlink(path);
	}
	server_close(&w->server);
	munmap(w->stage, sizeof *w->stage);
}
