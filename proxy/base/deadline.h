/* deadline.h -- a lazy wheel of deadlines: setting one later costs a store, not a move.
 * A deadline fires at most one slot late and never early, and lies in one wheel at a time.
 * Nodes are embedded and owned by their holders, who clear them before they go.
 *
 * A loop has two, since neither does for both. With the wheel of 64 ms alone, a wait of 10 ms for Redis would
 * end after up to 74 ms. With that of 1 ms alone, 1,000 idle connections would wake the loop 998 times a
 * second, for far deadlines lie in the last slot and are moved on; with both it wakes 16 times, whether there
 * are 1,000 or 20,000. */
#pragma once
#include "base/list.h"
#include "base/clock.h"
#include <stdbool.h>

#define DEADLINE_SLOT_NS (64 * NS_PER_MS) /* for what people wait for: 32 s ahead */
#define DEADLINE_BRIEF_NS NS_PER_MS       /* of a brief wheel, for what machines wait for: half a second */

struct deadline {
	struct list link;
	uint64_t due_ns, slot; /* the slot where it lies; it may be due later than that */
	void (*on_due)(struct deadline *d);
};

struct deadline_wheel {
	struct list slots[512]; /* farther ones wait in the last slot and are moved on */
	uint64_t slot_ns;
	uint64_t swept; /* slot number up to which all is swept */
	uint64_t first; /* no slot between swept and this one holds anything */
	unsigned armed;
};

void deadline_wheel_init(struct deadline_wheel *w, uint64_t now_ns);
void deadline_wheel_init_brief(struct deadline_wheel *w, uint64_t now_ns);
void deadline_init(struct deadline *d, void (*on_due)(struct deadline *d));

/* Arms, or moves, to due_ns. */
void deadline_set(struct deadline_wheel *w, struct deadline *d, uint64_t due_ns);
void deadline_clear(struct deadline_wheel *w, struct deadline *d);

/* Calls on_due of all that are due; each is disarmed before its call and may be set again within it. */
void deadline_sweep(struct deadline_wheel *w, uint64_t now_ns);

/* How long a loop may sleep: UINT64_MAX where nothing is armed. */
uint64_t deadline_next_ns(struct deadline_wheel *w, uint64_t now_ns);
