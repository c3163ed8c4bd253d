/* ledger.c -- whom absences have met: one entry for each principal, with its last good answer and its first
 * absence. It is the list of whom to repair. */
#include "guard/inside.h"
#include "base/stamp.h"
#include "metrics/metrics.h"
#include <stdlib.h>

#define SLOTS 2 /* of the index, for each entry that there may be */

static uint32_t *slot_of(const struct ledger *l, uint64_t principal)
{
	size_t slots = l->most * SLOTS;

	for (size_t i = principal % slots;; i = (i + 1) % slots)
		if (!l->index[i] || l->at[l->index[i] - 1]->principal == principal)
			return &l->index[i];
}

bool ledger_open(struct ledger *l, size_t most)
{
	*l = (struct ledger){ .most = most, .index = calloc(most * SLOTS, sizeof *l->index) };
	return l->index;
}

void ledger_close(struct ledger *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->at[i]);
	free(l->at);
	free(l->index);
	*l = (struct ledger){ 0 };
}

/* The place in the list of the oldest whose absences have ended; len where there is none. */
static size_t oldest(const struct ledger *l)
{
	size_t found = l->len;

	for (size_t i = 0; i < l->len; i++)
		if (!l->at[i]->open && (found == l->len || l->at[i]->seen_s < l->at[found]->seen_s))
			found = i;
	return found;
}

static void reindex(struct ledger *l)
{
	memset(l->index, 0, l->most * SLOTS * sizeof *l->index);
	for (size_t i = 0; i < l->len; i++)
		*slot_of(l, l->at[i]->principal) = (uint32_t)i + 1;
}

static bool grow(struct ledger *l)
{
	size_t cap = l->cap ? l->cap * 2 : 64;
	struct ledger_entry **at = realloc(l->at, cap * sizeof(struct ledger_entry *));

	if (!at)
		return false;
	l->at = at;
	l->cap = cap;
	return true;
}

/* NULL: no room; counted. */
static struct ledger_entry *make(struct ledger *l, uint64_t principal)
{
	struct ledger_entry *e = NULL;

	if (l->len < l->most && (l->len < l->cap || grow(l)) && (e = calloc(1, sizeof *e))) {
		e->principal = principal;
		l->at[l->len++] = e;
		*slot_of(l, principal) = (uint32_t)l->len;
		return e;
	}
	metrics_count(METRIC_guard_ledger_evicted_total);
	size_t i = oldest(l);
	if (i == l->len)
		return NULL;
	*l->at[i] = (struct ledger_entry){ .principal = principal };
	reindex(l);
	return l->at[i];
}

static void begin(struct ledger_entry *e, const struct guard_news *n)
{
	*e = (struct ledger_entry){
		.principal = n->principal, .good_s = n->good_s, .absent_s = n->at_s, .status = n->status
	};
	memcpy(e->route, n->route, sizeof e->route);
	memcpy(e->tenant, n->tenant, sizeof e->tenant);
	memcpy(e->client, n->client, sizeof e->client);
	memcpy(e->subject, n->subject, sizeof e->subject);
	memcpy(e->address, n->address, sizeof e->address);
	memcpy(e->path, n->path, sizeof e->path);
}

static void hear_absence(struct ledger *l, const struct guard_news *n)
{
	uint32_t i = *slot_of(l, n->principal);
	struct ledger_entry *e = i ? l->at[i - 1] : make(l, n->principal);
	bool held = n->event == GUARD_HELD;

	if (!e)
		return;
	if (!e->absent_s || (!e->open && e->ended_s))
		begin(e, n);
	e->open += n->first != 0;
	e->keys += n->first != 0;
	e->seen_s = n->at_s > e->seen_s ? n->at_s : e->seen_s;
	e->ended_s = 0;
	if (n->good_s > e->good_s)
		e->good_s = n->good_s;
	if (!held && !e->delivered_s)
		e->delivered_s = n->at_s;
	l->moved = true;
}

void ledger_hear(struct ledger *l, const struct guard_news *n)
{
	uint32_t i;

	if (n->event == GUARD_HELD || n->event == GUARD_DELIVERED)
		hear_absence(l, n);
	if (n->event != GUARD_ENDED || !(i = *slot_of(l, n->principal)))
		return;
	struct ledger_entry *e = l->at[i - 1];
	e->open -= e->open > 0;
	if (!e->open)
		e->ended_s = n->at_s;
	l->moved = true;
}

bool ledger_put(struct ledger *l, const struct ledger_entry *e)
{
	struct ledger_entry *to = *slot_of(l, e->principal) ? NULL : make(l, e->principal);

	if (to)
		*to = *e;
	return to;
}

/* ---- as JSON ---- */

static void text_member(struct text *t, const char *name, const char *value)
{
	text_printf(t, ",\"%s\":", name);
	if (!*value) {
		text_add(t, S("null"));
		return;
	}
	text_char(t, '"');
	text_json(t, slice_of(value));
	text_char(t, '"');
}

static void time_member(struct text *t, const char *name, uint64_t s)
{
	text_printf(t, ",\"%s\":", name);
	if (!s) {
		text_add(t, S("null"));
		return;
	}
	text_char(t, '"');
	stamp_rfc3339(t, s * NS_PER_S);
	text_char(t, '"');
}

static void tell_entry(const struct ledger_entry *e, struct text *t)
{
	text_printf(t, "{\"id\":\"%016llx\"", (unsigned long long)e->principal);
	text_member(t, "route", e->route);
	text_member(t, "tenant", e->tenant);
	text_member(t, "client", e->client);
	text_member(t, "subject", e->subject);
	text_member(t, "address", e->address);
	text_member(t, "path", e->path);
	text_printf(t, ",\"status\":%u,\"keys\":%u", e->status, e->keys);
	time_member(t, "last_good", e->good_s);
	time_member(t, "first_absence", e->absent_s);
	time_member(t, "last_absence", e->seen_s);
	time_member(t, "delivered", e->delivered_s);
	time_member(t, "ended", e->ended_s);
	text_char(t, '}');
}

void ledger_tell(const struct ledger *l, uint64_t since_s, uint64_t from, struct text *t)
{
	size_t told = 0, i;

	text_add(t, S("{\"clients\":["));
	for (i = (size_t)from; i < l->len && told < LEDGER_PAGE; i++) {
		if (l->at[i]->seen_s < since_s)
			continue;
		if (told++)
			text_char(t, ',');
		tell_entry(l->at[i], t);
	}
	text_printf(t, i < l->len ? "],\"next\":%zu}" : "],\"next\":null}", i);
}
