/* A timing wheel: to set or clear a deadline takes the same few steps however many there are. */
#include "base/deadline.h"

enum { SLOTS = sizeof((struct deadline_wheel *)0)->slots / sizeof(struct list) };

static void init(struct deadline_wheel *w, uint64_t slot_ns, uint64_t now_ns)
{
	for (size_t i = 0; i < SLOTS; i++)
		list_init(&w->slots[i]);
	w->slot_ns = slot_ns;
	w->swept = w->first = now_ns / slot_ns;
	w->armed = 0;
}

void deadline_wheel_init(struct deadline_wheel *w, uint64_t now_ns)
{
	init(w, DEADLINE_SLOT_NS, now_ns);
}

void deadline_wheel_init_brief(struct deadline_wheel *w, uint64_t now_ns)
{
	init(w, DEADLINE_BRIEF_NS, now_ns);
}

void deadline_init(struct deadline *d, void (*on_due)(struct deadline *d))
{
	list_init(&d->link);
	d->due_ns = 0;
	d->on_due = on_due;
}

static void lay(struct deadline_wheel *w, struct deadline *d)
{
	uint64_t slot = d->due_ns / w->slot_ns + 1; /* never early */

	if (slot <= w->swept)
		slot = w->swept + 1;
	if (slot >= w->swept + SLOTS)
		slot = w->swept + SLOTS - 1;
	if (slot < w->first)
		w->first = slot;
	d->slot = slot;
	list_push(&w->slots[slot % SLOTS], &d->link);
}

void deadline_set(struct deadline_wheel *w, struct deadline *d, uint64_t due_ns)
{
	bool armed = !list_is_empty(&d->link);

	d->due_ns = due_ns;
	if (armed && due_ns / w->slot_ns + 1 >= d->slot)
		return; /* lazily: it is looked at in its old slot and moved on then */
	if (armed)
		list_remove(&d->link);
	else
		w->armed++;
	lay(w, d);
}

void deadline_clear(struct deadline_wheel *w, struct deadline *d)
{
	if (list_is_empty(&d->link))
		return;
	list_remove(&d->link);
	w->armed--;
}

static void sweep_slot(struct deadline_wheel *w, uint64_t slot, uint64_t now_ns)
{
	struct list due, *node;

	list_init(&due);
	while ((node = list_shift(&w->slots[slot % SLOTS])))
		list_push(&due, node);
	while ((node = list_shift(&due))) {
		struct deadline *d = list_entry(node, struct deadline, link);
		if (d->due_ns > now_ns) {
			lay(w, d);
			continue;
		}
		w->armed--;
		d->on_due(d);
	}
}

void deadline_sweep(struct deadline_wheel *w, uint64_t now_ns)
{
	uint64_t now_slot = now_ns / w->slot_ns;

	if (!w->armed && w->swept < now_slot)
		w->swept = now_slot;
	if (now_slot > w->swept + SLOTS)
		w->swept = now_slot - SLOTS; /* a long sleep: each slot once is enough */
	while (w->swept < now_slot) {
		w->swept++;
		sweep_slot(w, w->swept, now_ns);
	}
}

uint64_t deadline_next_ns(struct deadline_wheel *w, uint64_t now_ns)
{
	if (!w->armed)
		return UINT64_MAX;
	if (w->first <= w->swept)
		w->first = w->swept + 1;
	/* what this passes over is not looked at again until something is laid there */
	while (w->first < w->swept + SLOTS && list_is_empty(&w->slots[w->first % SLOTS]))
		w->first++;
	uint64_t at = w->first * w->slot_ns;
	return at > now_ns ? at - now_ns : 0;
}
