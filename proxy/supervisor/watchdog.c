/* Children that died are started again; those that stand still, or do not end, are killed. */
#include "supervisor/children.h"
#include <signal.h>

/* ---- restarts ---- */

static bool try_again(struct children *c, struct retry *r, enum role role, struct generation *g,
                      unsigned slot, uint64_t now_ns)
{
	if (!r->due || r->due_ns > now_ns)
		return false;
	r->due = !children_start(c, role, g, slot);
	if (r->due)
		r->due_ns = now_ns + RESTART_FIRST_NS;
	return !r->due;
}

static void restart_due(struct children *c, uint64_t now_ns)
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

static void check_beat(struct children *c, unsigned seat, uint64_t now_ns)
{
	struct child *child = &c->child[seat];
	uint64_t beats = atomic_load(&shared_reported(c->shared, seat)->beats);
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
static void check_beats(struct children *c, uint64_t now_ns)
{
	if (now_ns - c->checked_ns < c->beat_ns)
		return;
	c->checked_ns = now_ns;
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid)
			check_beat(c, i, now_ns);
}

void children_tick(struct children *c, uint64_t now_ns)
{
	check_beats(c, now_ns);
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (c->child[i].pid && c->child[i].kill_ns && c->child[i].kill_ns <= now_ns) {
			kill(c->child[i].pid, SIGKILL);
			c->child[i].kill_ns = now_ns + NS_PER_S;
		}
	restart_due(c, now_ns);
	if (c->now)
		children_adopt(c, c->now);
}

static void sooner(uint64_t *next_ns, const struct retry *r)
{
	if (r->due && r->due_ns < *next_ns)
		*next_ns = r->due_ns;
}

uint64_t children_next_ns(const struct children *c)
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
