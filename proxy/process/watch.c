#include "base/log.h"
#include "process/crew.h"
#include <signal.h>

/* ---- orders ---- */

void crew_order(struct crew *c, unsigned seat, enum order order)
{
	struct seat *s = &c->shared->seats[seat];

	if (!c->child[seat].pid || atomic_load(&s->order) >= order)
		return;
	if (order >= ORDER_DRAIN)
		c->child[seat].leaving = true;
	atomic_store_explicit(&s->order, order, memory_order_release);
	shared_ring(c->shared->pokes[seat]);
}

void crew_order_workers(struct crew *c, const struct generation *g, enum order order)
{
	for (unsigned i = SEAT_WORKERS; i < SEATS_MAX; i++)
		if (c->child[i].pid && (!g || c->child[i].generation == g))
			crew_order(c, i, order);
}

void crew_end_by(struct crew *c, enum role role, uint64_t when_ns)
{
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].role == role && c->child[i].leaving && !c->child[i].kill_ns)
			c->child[i].kill_ns = when_ns;
}

unsigned crew_count(const struct crew *c, enum role role, const struct generation *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SEATS_MAX; i++)
		n += c->child[i].pid && c->child[i].role == role && (!g || c->child[i].generation == g);
	return n;
}

static const struct child *worker_of(const struct crew *c, const struct generation *g, unsigned slot,
	unsigned *seat)
{
	for (unsigned i = SEAT_WORKERS; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].generation == g && c->child[i].slot == slot) {
			*seat = i;
			return &c->child[i];
		}
	return NULL;
}

bool crew_all_at_least(const struct crew *c, const struct generation *g, enum seat_state state)
{
	unsigned seat;

	for (unsigned slot = 0; slot < g->workers; slot++)
		if (!worker_of(c, g, slot, &seat) || shared_state(c->shared, seat) < state)
			return false;
	return true;
}

/* The slots without a worker go round among those that have one; where none has, nothing changes: whoever
 * comes back first accepts. */
void crew_adopt(struct crew *c, const struct generation *g)
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
			shared_ring(c->shared->pokes[i]);
}

/* ---- restarts ---- */

static bool try_again(struct crew *c, struct retry *r, enum role role, struct generation *g, unsigned slot,
	uint64_t now_ns)
{
	if (!r->due || r->due_ns > now_ns)
		return false;
	r->due = !crew_start(c, role, g, slot);
	if (r->due)
		r->due_ns = now_ns + RESTART_FIRST_NS;
	return !r->due;
}

static void restart_due(struct crew *c, uint64_t now_ns)
{
	if (!c->now)
		return;
	if (c->keepers_kept)
		try_again(c, &c->keeper, ROLE_KEEPER, c->now, 0, now_ns);
	if (c->writer_kept)
		try_again(c, &c->writer, ROLE_WRITER, c->now, 0, now_ns);
	if (c->now->draining)
		return;
	for (unsigned slot = 0; slot < c->now->workers; slot++)
		try_again(c, &c->now->retry[slot], ROLE_WORKER, c->now, slot, now_ns);
}

/* ---- standing still ---- */

static void check_beat(struct crew *c, unsigned seat, uint64_t now_ns)
{
	struct child *child = &c->child[seat];
	uint64_t beats = atomic_load(&shared_said(c->shared, seat)->beats);
	bool loading = shared_state(c->shared, seat) == SEAT_STARTING;

	if (child->role == ROLE_WRITER)
		return; /* a disk may hold it up for long, and that is its purpose */
	child->still = beats != child->beats ? 0 : child->still + 1;
	child->beats = beats;
	if (loading && now_ns - child->started_ns < LOAD_NS)
		child->still = 0;
	if (child->still < STILL_CHECKS || child->aborted)
		return;
	child->aborted = true;
	kill(child->pid, SIGABRT);
	child->kill_ns = now_ns + 2 * NS_PER_S; /* where even that does not reach it */
}

/* Counted in checks, not in time, so that a supervisor that was itself asleep accuses nobody. */
static void check_beats(struct crew *c, uint64_t now_ns)
{
	if (now_ns - c->checked_ns < c->beat_ns)
		return;
	c->checked_ns = now_ns;
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid)
			check_beat(c, i, now_ns);
}

void crew_tick(struct crew *c, uint64_t now_ns)
{
	check_beats(c, now_ns);
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].kill_ns && c->child[i].kill_ns <= now_ns) {
			kill(c->child[i].pid, SIGKILL);
			c->child[i].kill_ns = now_ns + NS_PER_S;
		}
	restart_due(c, now_ns);
	if (c->now)
		crew_adopt(c, c->now);
}

static void sooner(uint64_t *next_ns, const struct retry *r)
{
	if (r->due && r->due_ns < *next_ns)
		*next_ns = r->due_ns;
}

uint64_t crew_next_ns(const struct crew *c)
{
	uint64_t next_ns = c->checked_ns + c->beat_ns;

	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].kill_ns && c->child[i].kill_ns < next_ns)
			next_ns = c->child[i].kill_ns;
	sooner(&next_ns, &c->keeper);
	sooner(&next_ns, &c->writer);
	if (c->now)
		for (unsigned slot = 0; slot < c->now->workers; slot++)
			sooner(&next_ns, &c->now->retry[slot]);
	return next_ns;
}
