/* Counts decisions among the worker's busiest keys. */
#include "limit/hot.h"
#include "limit/fleet.h"

void limits_watch(struct limits *l, struct limit_hot *hot)
{
	memset(hot, 0, sizeof *hot);
	l->hot = hot;
}

void watch_fetch(const struct limits *l, uint64_t tag)
{
	if (l->hot)
		hot_fetch(l->hot, tag);
}

/* Printed as it is decided, since nobody knows the request's values later. */
static void print(const struct limits *l, const struct plan *plan, const struct request *r,
                  struct hot_fact *f)
{
	struct limit_key key;
	char room[HOT_TEXT];
	struct text text = TEXT(room);

	key_of(l, plan, r, &key);
	key_text(plan, &key, &text);
	hot_print(f, text.cut ? S("?") : text_slice(&text), plan->named ? name_half(l, plan, &key, 1) : 0);
}

void watch(const struct limits *l, const struct request *r, const struct round *round, uint64_t now_ns)
{
	for (size_t i = 0; l->hot && i < round->len; i++) {
		const struct plan *plan = round->plans[i];
		unsigned by = round->answered[i].crowded ? BY_CROWD : BY_MEMORY;
		if (plan->fleet)
			by = BY_SOURCE + (unsigned)round->stakes[i].source;
		struct hot_fact *f =
		    hot_note(l->hot, round->asks[i].tag, plan->name_hash, !round->admitted[i], by, now_ns);
		if (f)
			print(l, plan, r, f);
	}
}
