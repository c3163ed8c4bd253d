/* limit_world.c -- what limit_world.h promises. */
#include "limit_world.h"

struct scene s;

int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof s);
	s.memory = aligned_alloc(64, (buckets_memory(SLOTS) + 63) / 64 * 64);
	memset(s.memory, 0, buckets_memory(SLOTS));
	s.store = malloc(STORE);
	s.table = buckets_attach(s.memory, SLOTS);
	s.route.name = S("api");
	s.config.root.routes = &s.route;
	s.config.root.routes_len = 1;
	s.config.root.limits = s.limits;
	s.config.root.limiting.headers = true;
	s.route.limits.at = s.names;
	return 0;
}

int teardown(void **state)
{
	(void)state;
	limits_close(s.l);
	free(s.memory);
	free(s.store);
	return 0;
}

struct config_limit *limit(const char *name, const char *key, uint64_t burst)
{
	size_t i = s.config.root.limits_len++;
	struct config_limit *l = &s.limits[i];
	struct slice parts = slice_of(key);

	*l = (struct config_limit){ .id = slice_of(name), .rate = { 1, NS_PER_S }, .burst = burst, .cost = 1 };
	l->headers = 1; /* always */
	l->key.at = s.keys[i];
	while (parts.len)
		s.keys[i][l->key.len++] = slice_cut(&parts, ',');
	s.names[s.route.limits.len++] = l->id;
	return l;
}

struct request *request_from(uint8_t last_byte)
{
	struct request *r = &s.r;

	memset(r, 0, sizeof *r);
	arena_init(&r->arena, s.store, STORE);
	r->client_facts = &s.client_facts;
	r->config = &s.config;
	r->route = &s.route;
	r->headers = (struct headers){ s.headers, 0, 8 };
	r->address.s6_addr[10] = r->address.s6_addr[11] = 0xff;
	r->address.s6_addr[12] = 192;
	r->address.s6_addr[15] = last_byte;
	return r;
}

void open_limits(void)
{
	s.l = limits_open(&s.config, s.table, NULL);
}

enum step_result early_from(uint8_t address, uint64_t now_ns)
{
	return limit_early(s.l, request_from(address), now_ns);
}
