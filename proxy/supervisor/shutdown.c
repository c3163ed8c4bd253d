/* The end, stage by stage: workers drain, then the keeper stops, the writer last. */
#include "base/log.h"
#include "supervisor/inside.h"
#include "supervisor/notify.h"

#define CUT_NS (2 * NS_PER_S)   /* a process that is told to stop may take this long */
#define FLUSH_NS (5 * NS_PER_S) /* the keeper's snapshots, the writer's last lines */

static void go(struct supervisor *s, enum shutdown to, uint64_t until_ns)
{
	s->leave = to;
	s->leave_until_ns = until_ns;
}

static void drain(struct supervisor *s, uint64_t now_ns)
{
	uint64_t timeout_ns = s->children.now->config->root.drain.timeout;

	atomic_store(&s->shared.head->phase, PHASE_DRAINING);
	for (unsigned i = 0; i < GENERATIONS_MAX + 1; i++)
		if (s->generations[i])
			s->generations[i]->draining = true;
	/* ours first: the workers' copies are the last ones, and they accept what queues before they close */
	sockets_close(&s->sockets);
	children_order_workers(&s->children, NULL, ORDER_DRAIN);
	log_info("draining: what is in flight has %.3g s", (double)timeout_ns / (double)NS_PER_S);
	go(s, SHUTDOWN_DRAIN, now_ns + timeout_ns);
}

static void cut(struct supervisor *s, uint64_t now_ns)
{
	for (unsigned i = 0; i < GENERATIONS_MAX + 1; i++)
		if (s->generations[i])
			s->generations[i]->draining = true;
	sockets_close(&s->sockets);
	children_order_workers(&s->children, NULL, ORDER_STOP);
	children_end_by(&s->children, ROLE_WORKER, now_ns + CUT_NS);
	go(s, SHUTDOWN_CUT, now_ns + CUT_NS);
}

void shutdown_begin(struct supervisor *s, bool at_once)
{
	uint64_t now_ns = clock_ns();

	if (s->leave == SHUTDOWN_DELAY || s->leave == SHUTDOWN_DRAIN) {
		log_info("stopping at once");
		atomic_store(&s->shared.head->phase, PHASE_DRAINING);
		cut(s, now_ns);
		return;
	}
	if (s->leave != SHUTDOWN_NOT)
		return;
	uint64_t delay_ns = at_once ? 0 : s->children.now->config->root.drain.delay;
	notify_say(S("STOPPING=1"));
	rollout_cancel(s, "this Sallyport is being stopped\n");
	atomic_store(&s->shared.head->phase, PHASE_LEAVING);
	if (delay_ns)
		log_info("leaving: not ready any more, accepting for another %.3g s",
		         (double)delay_ns / (double)NS_PER_S);
	go(s, SHUTDOWN_DELAY, now_ns + delay_ns);
}

static void end_keepers(struct supervisor *s, uint64_t now_ns)
{
	s->children.keepers_kept = false;
	for (unsigned i = SEAT_KEEPERS; i < SEAT_WORKERS; i++)
		children_order(&s->children, i, ORDER_STOP);
	children_end_by(&s->children, ROLE_KEEPER, now_ns + FLUSH_NS);
	go(s, SHUTDOWN_KEEPER, now_ns + FLUSH_NS);
}

static void end_writer(struct supervisor *s, uint64_t now_ns)
{
	s->children.writer_kept = false;
	children_order(&s->children, SEAT_WRITER, ORDER_STOP);
	children_end_by(&s->children, ROLE_WRITER, now_ns + FLUSH_NS);
	go(s, SHUTDOWN_WRITER, now_ns + FLUSH_NS);
}

void shutdown_step(struct supervisor *s, uint64_t now_ns)
{
	bool late = now_ns >= s->leave_until_ns;

	switch (s->leave) {
	case SHUTDOWN_NOT:
	case SHUTDOWN_DONE:
		return;
	case SHUTDOWN_DELAY:
		if (late)
			drain(s, now_ns);
		return;
	case SHUTDOWN_DRAIN:
	case SHUTDOWN_CUT:
		if (children_count(&s->children, ROLE_WORKER, NULL) == 0)
			end_keepers(s, now_ns);
		else if (late && s->leave == SHUTDOWN_DRAIN)
			cut(s, now_ns);
		return;
	case SHUTDOWN_KEEPER:
		if (children_count(&s->children, ROLE_KEEPER, NULL) == 0)
			end_writer(s, now_ns);
		return;
	case SHUTDOWN_WRITER:
		if (children_count(&s->children, ROLE_WRITER, NULL) == 0)
			s->leave = SHUTDOWN_DONE;
		return;
	}
}
