/* What the supervisor wants of its children. */
#include "supervisor/children.h"

void children_order(struct children *c, unsigned seat, enum order order)
{
	struct seat *s = &c->shared->seats[seat];

	if (!c->child[seat].pid || atomic_load(&s->order) >= order)
		return;
	if (order >= ORDER_DRAIN)
		c->child[seat].leaving = true;
	atomic_store_explicit(&s->order, order, memory_order_release);
	shared_notify(c->shared->notify_fds[seat]);
}

void children_order_workers(struct children *c, const struct generation *g, enum order order)
{
	for (unsigned i = SEAT_WORKERS; i < SEATS_MAX; i++)
		if (c->child[i].pid && (!g || c->child[i].generation == g))
			children_order(c, i, order);
}

void children_end_by(struct children *c, enum role role, uint64_t when_ns)
{
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].role == role && c->child[i].leaving && !c->child[i].kill_ns)
			c->child[i].kill_ns = when_ns;
}

unsigned children_count(const struct children *c, enum role role, const struct generation *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SEATS_MAX; i++)
		n += c->child[i].pid && c->child[i].role == role && (!g || c->child[i].generation == g);
	return n;
}

static const struct child *worker_of(const struct children *c, const struct generation *g, unsigned slot,
                                     unsigned *seat)
{
	for (unsigned i = SEAT_WORKERS; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].generation == g && c->child[i].slot == slot) {
			*seat = i;
			return &c->child[i];
		}
	return NULL;
}

bool children_all_at_least(const struct children *c, const struct generation *g, enum seat_state state)
{
	unsigned seat;

	for (unsigned slot = 0; slot < g->workers; slot++)
		if (!worker_of(c, g, slot, &seat) || shared_state(c->shared, seat) < state)
			return false;
	return true;
}

/* The slots without a worker go round among those that have one; where none has, nothing changes: whoever
 * comes back first accepts. */
void children_adopt(struct children *c, const struct generation *g)
{
	unsigned living[SLOTS_MAX], n = 0, turn = 0, seat;
	bool changed = false;

	for (unsigned slot = 0; slot < g->workers; slot++)
		if (worker_of(c, g, slot, &seat))
			living[n++] = slot;
	if (n == 0)
		return;
	for (unsigned slot = 0, at = 0; slot < SLOTS_MAX; slot++) {
		bool lives = at < n && living[at] == slot;
		uint32_t who = lives ? living[at++] : living[turn++ % n];
		changed |= atomic_exchange(&c->shared->head->adopters[slot], who) != who;
	}
	if (!changed)
		return;
	atomic_fetch_add(&c->shared->head->slots_version, 1);
	for (unsigned i = SEAT_WORKERS; i < SEATS_MAX; i++)
		if (c->child[i].pid)
			shared_notify(c->shared->notify_fds[i]);
}
