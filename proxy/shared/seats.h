/* seats.h -- what lies in one process's seat. Part of shared's door. */
#pragma once
#include "shared/memory.h"

/* A seat's rings: access log lines and messages to the writer (of every seat), asks to the keeper; and the
 * address that is being worked for (workers only). */
struct ring shared_access(const struct shared *s, unsigned seat);
/* A line, with its newline, into its own ring. Only valued lines get its second half, so that no flood of
 * cheap ones keeps them out; the writer is woken when a quarter is full. False: no room, and it is counted as
 * lost at once: the writer may be stuck. */
bool shared_log(const struct shared *s, unsigned seat, struct slice line, bool valued);
struct ring shared_messages(const struct shared *s, unsigned seat);
struct ring shared_asks(const struct shared *s, unsigned seat);
struct suspect *shared_suspect(const struct shared *s, unsigned seat);
struct limit_hot *shared_hot(const struct shared *s, unsigned seat);
struct reported *shared_reported(const struct shared *s, unsigned seat);
static inline uint32_t shared_state(const struct shared *s, unsigned seat)
{
	return atomic_load_explicit(&shared_reported(s, seat)->state, memory_order_acquire);
}
/* A free seat of that role; -1 where there is none. */
int shared_seat(const struct shared *s, enum role role);
/* A process says what it has become, and notifies the supervisor. */
void shared_report(struct shared *s, unsigned seat, enum seat_state state);
static inline uint32_t shared_order(const struct shared *s, unsigned seat)
{
	return atomic_load_explicit(&s->seats[seat].order, memory_order_acquire);
}
