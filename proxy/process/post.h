/* post.h -- what every process under the supervisor does at its post: speak through its ring, beat, hear
 * orders. */
#pragma once
#include "process/crew.h"

/* Messages go through the seat's ring to the writer, so that a stuck stderr holds nobody up. */
void post_speak(struct post *p);
/* A turn is done. */
static inline void post_beat(struct post *p)
{
	atomic_fetch_add_explicit(&shared_said(p->shared, p->seat)->beats, 1, memory_order_relaxed);
}
/* What the supervisor wants; ORDER_DRAIN where the supervisor itself is gone. Asks the kernel once a
 * second. */
enum order post_order(struct post *p, uint64_t now_ns, uint64_t *asked_ns);

/* Bodies of struct bodies; they return an exit status. */
int worker_main(struct post *p);
int keeper_main(struct post *p);
int writer_main(struct post *p);
