/* One process's event loop: its turns, timers, blocks, and what is freed at the end of a turn. */
#include "connection/connection.h"
#include "base/check.h"
#include <stdlib.h>

#define SLEEP_MAX_NS (60 * NS_PER_S)
#define BLOCKS_KEPT 256 /* free blocks kept for reuse: 4 MiB */

static void on_timer(evutil_socket_t fd, short what, void *with)
{
	struct loop *l = with;

	(void)fd;
	(void)what;
	l->timer_due_ns = 0;
}

static struct event_base *base_without_locks(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
	    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *loop_open(void)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->clock = clock_ns;
	l->wall = clock_wall_ns;
	l->now_ns = l->clock();
	l->wall_ns = l->wall();
	list_init(&l->ready);
	list_init(&l->unsure);
	deadline_init(&l->unsure_due, wires_on_unsure);
	list_init(&l->accepting);
	list_init(&l->graveyard);
	deadline_wheel_init(&l->wheel, l->now_ns);
	deadline_wheel_init_brief(&l->brief, l->now_ns);
	l->base = base_without_locks();
	l->scratch_in = malloc(SCRATCH_SIZE);
	l->scratch_out = malloc(SCRATCH_SIZE);
	l->scratch_head = malloc(SCRATCH_SIZE);
	if (!l->base || !l->scratch_in || !l->scratch_out || !l->scratch_head) {
		loop_close(l);
		return NULL;
	}
	check(event_assign(&l->timer, l->base, -1, 0, on_timer, l) == 0);
	return l;
}

static void bury_all(struct loop *l)
{
	struct list *node;

	while ((node = list_shift(&l->graveyard))) {
		struct grave *g = list_entry(node, struct grave, link);
		g->bury(g);
	}
}

void loop_close(struct loop *l)
{
	if (!l)
		return;
	bury_all(l);
	if (l->base) {
		event_del(&l->timer);
		event_base_free(l->base);
	}
	while (l->blocks) {
		struct block *b = l->blocks;
		l->blocks = b->next;
		free(b);
	}
	free(l->scratch_in);
	free(l->scratch_out);
	free(l->scratch_head);
	free(l);
}

/* How long to sleep; 0 where something is waiting to be done. */
static uint64_t sleep_ns(struct loop *l, uint64_t most_ns)
{
	if (!list_is_empty(&l->ready) || !list_is_empty(&l->accepting) || l->stopping)
		return 0;
	if (l->is_idle && !l->is_idle(l->with))
		return 0;
	uint64_t next = deadline_next_ns(&l->wheel, l->now_ns), brief = deadline_next_ns(&l->brief, l->now_ns);
	uint64_t most = most_ns < SLEEP_MAX_NS ? most_ns : SLEEP_MAX_NS;
	next = next < brief ? next : brief;
	return next < most ? next : most;
}

/* One timer event serves all; arming it again only when it would fire too late keeps it off the hot path. */
static void arm_timer(struct loop *l, uint64_t in_ns)
{
	uint64_t due = l->now_ns + in_ns;

	if (l->timer_due_ns && l->timer_due_ns <= due + NS_PER_MS / 10)
		return;
	struct timeval tv = { (time_t)(in_ns / NS_PER_S), (suseconds_t)(in_ns % NS_PER_S / 1000 + 1) };
	check(event_add(&l->timer, &tv) == 0);
	l->timer_due_ns = due;
}

static void wait_for_events(struct loop *l, uint64_t most_ns)
{
	uint64_t ns = sleep_ns(l, most_ns);

	if (ns == 0) {
		/* ONCE as well: without it a level-triggered listener, read only after this, keeps libevent here */
		event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		return;
	}
	arm_timer(l, ns);
	event_base_loop(l->base, EVLOOP_ONCE);
}

void loop_turn(struct loop *l, uint64_t most_ns)
{
	struct list batch, *node;

	wait_for_events(l, most_ns);
	l->now_ns = l->clock();
	l->wall_ns = l->wall();
	l->turns++;
	listeners_accept(l);
	list_init(&batch);
	while ((node = list_shift(&l->ready)))
		list_push(&batch, node);
	while ((node = list_shift(&batch)))
		wire_deliver(list_entry(node, struct wire, ready_link));
	deadline_sweep(&l->wheel, l->now_ns);
	deadline_sweep(&l->brief, l->now_ns);
	if (l->on_turn)
		l->on_turn(l->with);
	bury_all(l);
}

struct block *block_take(struct loop *l)
{
	struct block *b = l->blocks;

	if (b) {
		l->blocks = b->next;
		l->blocks_free--;
	} else {
		b = malloc(sizeof *b + BLOCK_SIZE);
		check(b); /* workers are bounded well below the machine; without 16 KiB nothing can go on */
		b->cap = BLOCK_SIZE;
	}
	l->blocks_used++;
	b->next = NULL;
	b->from = b->to = 0;
	return b;
}

struct block *block_grow(struct loop *l, struct block *b)
{
	size_t cap = b->cap + BLOCK_SIZE;
	struct block *grown = realloc(b, sizeof *b + cap);

	check(grown);
	grown->cap = cap;
	l->blocks_used++;
	return grown;
}

void block_give(struct loop *l, struct block *b)
{
	l->blocks_used -= b->cap / BLOCK_SIZE;
	if (b->cap > BLOCK_SIZE || l->blocks_free >= BLOCKS_KEPT) {
		free(b);
		return;
	}
	b->next = l->blocks;
	l->blocks = b;
	l->blocks_free++;
}

void loop_bury(struct loop *l, struct grave *g, void (*bury)(struct grave *g))
{
	g->bury = bury;
	list_push(&l->graveyard, &g->link);
}
