/* fleet_world.c -- what fleet_world.h promises. */
#include "fleet_world.h"

struct world w;

uint16_t world_slot(struct slice key)
{
	return (uint16_t)(key.len + (unsigned char)key.at[0]);
}

static unsigned world_size(void *with)
{
	(void)with;
	return w.size;
}

static enum limit_remote_state world_state(void *with, uint16_t slot)
{
	const struct proxy *p = with;

	(void)slot;
	return p->apart ? p->state : w.state;
}

static uint64_t world_stamp(void *with, uint16_t slot, uint64_t now_ns, uint64_t *error_ns)
{
	(void)with;
	(void)slot;
	*error_ns = w.error_ns;
	return now_ns + w.wall_ns;
}

struct slice kept(char room[24], struct slice s)
{
	check(s.len < 24);
	memcpy(room, s.at, s.len);
	return (struct slice){ room, s.len };
}

static bool world_ask(void *with, const struct limit_question *q)
{
	struct told *t = &w.asks[w.asks_len];
	enum limit_remote_state state = world_state(with, q->slot);

	if (w.full || state == LIMIT_REMOTE_DOWN || (state == LIMIT_REMOTE_SETTLING && !q->settling))
		return false;
	check(w.asks_len < ASKS && q->bitfield[1].len < sizeof t->key);
	w.asks_len++;
	w.asked++;
	*t = (struct told){ .len = q->bitfield_len, .asked = q->asked };
	memcpy(t->key, q->bitfield[1].at, q->bitfield[1].len);
	for (size_t i = 0; i < t->len; i++)
		t->word[i] = i == 1 ? slice_of(t->key) : kept(t->number[i], q->bitfield[i]);
	t->expire[0] = S("PEXPIRE");
	t->expire[1] = slice_of(t->key);
	t->expire[2] = kept(t->ms, q->expire[2]);
	return true;
}

static struct field *world_field(const char *key)
{
	for (size_t i = 0; i < FIELDS; i++) {
		if (!w.field_name[i][0])
			memcpy(w.field_name[i], key, strlen(key) + 1);
		if (strcmp(w.field_name[i], key) == 0)
			return &w.fields[i];
	}
	check(false); /* more keys than the test's Redis holds */
	return NULL;
}

void world_deliver(void)
{
	static struct told asks[ASKS]; /* what is asked meanwhile is the next call's */
	size_t len = w.asks_len;

	memcpy(asks, w.asks, len * sizeof *asks);
	w.asks_len = 0;
	for (size_t i = 0; i < len; i++) {
		struct told *t = &asks[i];
		struct field *f = world_field(t->key);
		struct limit_reply reply;
		for (size_t k = 0; k < t->len; k++) /* slices point into the copy's original */
			t->word[k].at = k == 1 ? t->key : t->number[k];
		t->expire[2].at = t->ms;
		field_execute(f, t->word, t->len, &reply);
		field_expire(f, t->expire, (w.now_ns + w.wall_ns) / NS_PER_MS);
		t->asked->on_reply(t->asked, &reply, w.now_ns);
	}
}

void world_lose(bool executed)
{
	size_t len = w.asks_len;
	struct limit_reply none = { 0 };

	w.asks_len = 0;
	for (size_t i = 0; i < len; i++) {
		struct limit_reply reply;
		if (executed)
			field_execute(world_field(w.asks[i].key), w.asks[i].word, w.asks[i].len, &reply);
		w.asks[i].asked->on_reply(w.asks[i].asked, &none, w.now_ns);
	}
}

void on_wake(struct request *r)
{
	((struct guest *)(void *)r)->woken = true;
}

void world_reset(void)
{
	memset(&w, 0, sizeof w);
	w.now_ns = WORLD_NOW;
	w.wall_ns = WALL;
	w.size = 1;
	w.state = LIMIT_REMOTE_UP;
	request_on_wake = on_wake;
	w.route.name = S("api");
	w.route.limits.at = w.names;
	w.config.root.routes = &w.route;
	w.config.root.routes_len = 1;
	w.config.root.limits = w.limits;
	w.config.root.redis = &w.redis;
	w.redis.budget = 10 * NS_PER_MS;
	w.secret = (struct secret){ (unsigned char *)(uintptr_t) "a secret of the fleet, 32 bytes long", 36 };
	w.config.root.secrets.fleet = (struct config_secret_list){ &w.secret, 1 };
}

struct config_limit *world_limit(const char *name, const char *key, uint64_t per_s, uint64_t burst)
{
	size_t i = w.config.root.limits_len++;
	struct config_limit *l = &w.limits[i];

	*l = (struct config_limit){ .id = slice_of(name), .rate = { per_s, NS_PER_S }, .burst = burst };
	l->cost = 1;
	w.keys[i] = slice_of(key);
	l->key = (struct config_texts){ &w.keys[i], 1 };
	w.names[w.route.limits.len++] = l->id;
	return l;
}

struct proxy *world_proxy(size_t i, struct proxy *beside)
{
	struct proxy *p = &w.proxies[i];
	const struct limit_remote remote = {
		.with = p,
		.keyspace = S("sallyport:test:"),
		.workers = 1,
		.slot = world_slot,
		.size = world_size,
		.state = world_state,
		.stamp = world_stamp,
		.ask = world_ask,
	};

	if (!beside) {
		size_t len = (buckets_memory(TABLE_SLOTS) + 63) / 64 * 64;
		p->memory = aligned_alloc(64, len);
		check(p->memory);
		memset(p->memory, 0, len);
	}
	p->table = beside ? beside->table : buckets_attach(p->memory, TABLE_SLOTS);
	p->l = limits_open(&w.config, p->table, &remote);
	check(p->l);
	return p;
}

void world_close(void)
{
	for (size_t i = 0; i < PROXIES; i++)
		limits_close(w.proxies[i].l);
	for (size_t i = 0; i < PROXIES; i++)
		free(w.proxies[i].memory);
	for (size_t i = 0; i < GUESTS; i++)
		free(w.guests[i].store);
}

enum step_result world_enter(struct guest *g)
{
	struct lease *e;

	g->result = limit_early(g->proxy->l, &g->r, w.now_ns);
	g->stamp_ns = g->arrived_ns;
	for (size_t i = 0; i < LEASES && g->result == GO_ON && g->proxy->l->fleet; i++) {
		e = &g->proxy->l->fleet->leases[i];
		if (e->tag && e->since_ns > g->stamp_ns && w.config.root.limits_len == 1)
			g->stamp_ns = e->since_ns;
	}
	return g->result;
}

struct guest *world_request(struct proxy *p, uint8_t address)
{
	struct guest *g = &w.guests[w.guests_len++ % GUESTS];

	check(g->result != WAIT);
	char *store = g->store ? g->store : malloc(STORE);
	check(store);
	*g = (struct guest){ .proxy = p, .arrived_ns = w.now_ns, .store = store };
	arena_init(&g->r.arena, store, STORE);
	g->r.client_facts = &w.client_facts;
	g->r.config = &w.config;
	g->r.route = &w.route;
	g->r.address.s6_addr[10] = g->r.address.s6_addr[11] = 0xff;
	g->r.address.s6_addr[12] = 192;
	g->r.address.s6_addr[15] = address;
	world_enter(g);
	return g;
}

void world_turn(void)
{
	for (size_t i = 0; i < GUESTS; i++)
		if (w.guests[i].woken) {
			w.guests[i].woken = false;
			world_enter(&w.guests[i]);
		}
	for (size_t i = 0; i < PROXIES; i++)
		if (w.proxies[i].l)
			limits_turn(w.proxies[i].l, w.now_ns);
}

void world_answer(void)
{
	for (int i = 0; i < 6; i++) {
		world_turn();
		world_deliver();
	}
	world_turn();
}

void world_hurry(struct guest *g)
{
	limit_stop_waiting(&g->r);
	world_enter(g);
}

int64_t world_debt_ns(void)
{
	return (int64_t)(w.fields[0].value - w.now_ns - w.wall_ns);
}
