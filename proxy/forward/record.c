/* Records: what the keeper publishes. There is one writer. A record is found by name and keeps its index for
 * as long as workers of any generation may hold it; one that no configuration names any more is given away
 * only when all others are taken and it was last written longer ago than any worker drains. */
#include "forward/keeper.h"
#include "base/log.h"
#include "base/text.h"
#include <stdatomic.h>

#define FORGOTTEN_NS (2 * 3600 * NS_PER_S) /* drain.timeout is at most an hour */

void record_publish(struct watched *e)
{
	struct forward_published *p = e->keeper->published;
	struct endpoint_published *r;
	uint32_t hidden;

	if (e->record == RECORDS)
		return;
	r = &p->endpoint[e->record];
	hidden = (atomic_load(&r->copy) & 1) ^ 1;
	r->state[hidden] = e->state;
	atomic_store(&r->copy, hidden);
	atomic_fetch_add(&p->generation, 1);
	/* the next write, to the copy hidden now, must not be seen before the generation */
	atomic_thread_fence(memory_order_seq_cst);
}

static bool is_named(const struct config *c, const char *name)
{
	char other[256];

	for (size_t u = 0; u < c->root.upstreams_len; u++) {
		const struct config_upstream *up = &c->root.upstreams[u];
		for (size_t i = 0; i < up->endpoints.len; i++)
			if (endpoint_name(up->id, up->endpoints.at[i], other) && strcmp(other, name) == 0)
				return true;
	}
	return false;
}

static size_t forgotten(const struct forward_published *p, const struct config *c, uint64_t now_ns)
{
	struct endpoint_state s;

	for (size_t i = 0; i < p->len; i++) {
		endpoint_read(p, i, &s);
		bool old = now_ns > s.checked_ns && now_ns - s.checked_ns > FORGOTTEN_NS;
		if (old && !is_named(c, p->endpoint[i].name))
			return i;
	}
	return RECORDS;
}

static size_t make(struct watched *e, const struct config *c, const char *name, uint64_t now_ns)
{
	struct forward_published *p = e->keeper->published;
	bool added = p->len < RECORDS;

	e->record = added ? p->len : forgotten(p, c, now_ns);
	if (e->record == RECORDS) {
		log_warn("endpoint %s: %zu are known already; it is neither resolved nor checked", name, RECORDS);
		return RECORDS;
	}
	memset(p->endpoint[e->record].name, 0, sizeof p->endpoint[0].name);
	e->state.checked_ns = now_ns;
	record_publish(e);
	memcpy(p->endpoint[e->record].name, name, strlen(name) + 1);
	atomic_thread_fence(memory_order_release); /* a reader that sees the length sees the name */
	p->len += added;
	return e->record;
}

void record_open(struct watched *e, const struct config *c, uint64_t now_ns)
{
	struct forward_published *p = e->keeper->published;
	char name[256];

	e->record = RECORDS;
	if (!endpoint_name(e->upstream->id, e->text, name)) {
		log_warn("upstream %.*s: the endpoint's URL is too long; it is neither resolved nor checked",
		         SLICE(e->upstream->id));
		return;
	}
	e->record = endpoint_find(p, name);
	if (e->record < p->len)
		endpoint_read(p, e->record, &e->state);
	else
		e->record = make(e, c, name, now_ns);
}
