/* The list of revocations, in memory and on disk. */
#include "revocation/revoke.h"
#include "base/check.h"
#include "base/log.h"
#include "base/strict.h"
#include "metrics/metrics.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME S("revocations")
#define FLOOR_NAME S("revocations!") /* no issuer is named like that */
#define FILE_MAX ((size_t)32 * 1024 * 1024)

const char *const revocations_lost_names[LOSSES] = {
	[LOST_GONE] = "the list of them is gone from the state directory, or was changed there",
	[LOST_OLDER] = "an older list of them was put back into the state directory",
	[LOST_CROWDED] = "there was no room for all of them",
};

/* ---- the list ---- */

static struct revocation *find(struct revocations *all, uint64_t mark)
{
	for (size_t i = 0; i < all->len; i++)
		if (all->at[i].mark == mark)
			return &all->at[i];
	return NULL;
}

static bool grow(struct revocations *all)
{
	size_t cap = all->cap ? all->cap * 2 : 64;

	if (all->len < all->cap)
		return true;
	if (all->len >= 2 * REVOKED_MAX) /* those taken back included */
		return false;
	struct revocation *at = realloc(all->at, cap * sizeof *at);
	if (!at)
		return false;
	all->at = at;
	all->cap = cap;
	return true;
}

static bool append(struct revocations *all, const struct revocation *what)
{
	char *value = strdup(what->value);

	if (!value || !grow(all)) {
		free(value);
		return false;
	}
	all->at[all->len] = *what;
	all->at[all->len++].value = value;
	return true;
}

static void drop(struct revocations *all, struct revocation *r)
{
	free(r->value);
	*r = all->at[--all->len];
}

static void publish_metrics(const struct revocations *all)
{
	metrics_set(all->in_force, (int64_t)atomic_load(&all->table->used));
	metrics_set(all->lost_series, all->lost != LOST_NONE);
}

/* ---- the file ---- */

static json_t *to_json(const struct revocation *r)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "kind", revoked_kind_names[r->kind], "issuer",
	                 r->issuer, "value", r->value, "until", (json_int_t)r->until_s, "before",
	                 (json_int_t)r->before_s, "at", (json_int_t)r->at_ms, "undone", r->undone);
}

static bool save(struct revocations *all)
{
	json_t *list = json_array(), *root;

	for (size_t i = 0; i < all->len; i++)
		json_array_append_new(list, to_json(&all->at[i]));
	root = json_pack("{s:I, s:o}", "count", (json_int_t)(all->count + 1), "revocations", list);
	char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	errno = ENOMEM;
	bool saved = text && statedir_write(all->kept, FILE_NAME, "", slice_of(text));
	if (!saved)
		log_error("revocations cannot be kept on disk: %s; they hold until Sallyport ends", strerror(errno));
	else
		statedir_set_counter(all->kept, FLOOR_NAME, ++all->count);
	free(text);
	json_decref(root);
	return saved;
}

static bool kind_named(struct slice name, enum revoked_kind *to)
{
	for (int i = 0; i < REVOKED_KINDS; i++)
		if (slice_same(name, slice_of(revoked_kind_names[i]))) {
			*to = (enum revoked_kind)i;
			return true;
		}
	return false;
}

static uint64_t number(const json_t *of, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(of, name));

	return n > 0 && n < UINT32_MAX ? (uint64_t)n : 0;
}

static void load_one(struct revocations *all, const json_t *from, uint64_t wall_s)
{
	struct slice issuer = strict_text(from, "issuer"), value = strict_text(from, "value");
	struct revocation r = { .until_s = number(from, "until"),
		                    .before_s = number(from, "before"),
		                    .at_ms = (uint64_t)json_integer_value(json_object_get(from, "at")),
		                    .undone = json_is_true(json_object_get(from, "undone")),
		                    .value = (char *)(uintptr_t)value.at };

	if (!value.len || issuer.len >= sizeof r.issuer || !kind_named(strict_text(from, "kind"), &r.kind) ||
	    r.until_s <= wall_s)
		return;
	snprintf(r.issuer, sizeof r.issuer, "%.*s", SLICE(issuer));
	r.mark = revoked_mark(all->table, issuer, r.kind, value);
	if ((!r.undone && !revoked_put(all->table, r.mark, revoked_times(r.until_s, r.before_s))) ||
	    !append(all, &r))
		all->lost = LOST_CROWDED;
}

static void load(struct revocations *all, uint64_t wall_s)
{
	uint64_t floor = statedir_counter(all->kept, FLOOR_NAME);
	json_t *root = statedir_read(all->kept, FILE_NAME, "", FILE_MAX), *one;
	size_t i;

	all->count = number(root, "count");
	if (floor && !root)
		all->lost = LOST_GONE;
	else if (all->count < floor)
		all->lost = LOST_OLDER;
	if (root && all->count < floor)
		statedir_refuse(all->kept, STATEDIR_OLDER);
	if (all->count < floor)
		all->count = floor;
	json_array_foreach(json_object_get(root, "revocations"), i, one)
		load_one(all, one, wall_s);
	json_decref(root);
}

void revocations_open(struct revocations *all, struct revoked_table *table, struct statedir *kept,
                      uint64_t wall_s)
{
	*all = (struct revocations){ .table = table, .kept = kept };
	all->in_force = metrics_lone(METRIC_revocations);
	all->lost_series = metrics_lone(METRIC_revocations_lost);
	all->refused = metrics_lone(METRIC_revocations_refused_total);
	load(all, wall_s);
	if (atomic_fetch_add(&table->opened, 1) == 0)
		atomic_store(&table->lost, all->lost);
	else
		all->lost = (enum revocations_lost)(atomic_load(&table->lost) % LOSSES); /* the memory knows better */
	if (all->lost)
		log_error("revocations may be lost: %s; give anew those that must hold",
		          revocations_lost_names[all->lost]);
	if (atomic_load(&table->used))
		log_info("%llu revocations are in force", (unsigned long long)atomic_load(&table->used));
	publish_metrics(all);
}

void revocations_close(struct revocations *all)
{
	for (size_t i = 0; i < all->len; i++)
		free(all->at[i].value);
	free(all->at);
	metrics_set(all->in_force, 0);
	metrics_set(all->lost_series, 0);
}

/* ---- changes ---- */

static void change(struct revocation *old, const struct revocation *to, uint64_t at_ms)
{
	old->until_s = to->until_s;
	old->before_s = to->before_s;
	old->undone = to->undone;
	old->at_ms = at_ms;
	old->shared = old->found = false;
}

const char *revocations_add(struct revocations *all, const struct revocation *what, bool *kept)
{
	struct revocation *old = find(all, what->mark);
	uint64_t times = revoked_times(what->until_s, what->before_s);

	if (!revoked_put(all->table, what->mark, times)) {
		metrics_add(all->refused, 1);
		log_error("a revocation was refused: the table of %d is full", REVOKED_MAX);
		return "the table of revocations is full; none is ever dropped for another";
	}
	if (old) {
		uint64_t at_ms = what->at_ms > old->at_ms ? what->at_ms : old->at_ms + 1;
		change(old, what, at_ms);
	} else if (!append(all, what)) {
		log_error("a revocation has no place in the list and holds only until Sallyport ends");
	}
	*kept = save(all);
	publish_metrics(all);
	return NULL;
}

struct sifting {
	uint64_t gone_mark, wall_s;
};

static bool stays(void *with, uint64_t mark, uint64_t times)
{
	const struct sifting *s = with;

	return mark != s->gone_mark && times >> 32 > s->wall_s;
}

static void take_out(struct revocations *all, uint64_t mark)
{
	struct sifting gone = { mark, 0 };

	revoked_sift(all->table, stays, &gone);
}

const char *revocations_undo(struct revocations *all, uint64_t mark, uint64_t at_ms, bool *kept)
{
	struct revocation *r = find(all, mark);

	if (!r || r->undone)
		return "nothing of that name is revoked";
	r->undone = true;
	r->shared = r->found = false;
	r->at_ms = at_ms > r->at_ms ? at_ms : r->at_ms + 1;
	take_out(all, mark);
	publish_metrics(all);
	*kept = save(all);
	return NULL;
}

bool revocations_merge(struct revocations *all, const struct revocation *what, bool *news)
{
	struct revocation *old = find(all, what->mark);

	*news = false;
	if (old && old->at_ms == what->at_ms && old->undone == what->undone) {
		old->shared = old->found = true;
		return true;
	}
	if (old && (old->at_ms > what->at_ms || (old->at_ms == what->at_ms && what->undone)))
		return false;
	if (!what->undone && !revoked_put(all->table, what->mark, revoked_times(what->until_s, what->before_s))) {
		metrics_add(all->refused, 1);
		log_error("a revocation of the fleet was refused: the table of %d is full", REVOKED_MAX);
		return true;
	}
	if (old)
		change(old, what, what->at_ms);
	else if (!append(all, what))
		return true;
	if (what->undone)
		take_out(all, what->mark);
	old = find(all, what->mark);
	old->shared = old->found = true;
	*news = true;
	return true;
}

void revocations_keep(struct revocations *all)
{
	if (save(all))
		publish_metrics(all);
}

void revocations_are_shared(struct revocations *all, uint64_t mark, uint64_t at_ms)
{
	struct revocation *r = find(all, mark);

	if (r && r->at_ms == at_ms)
		r->shared = true;
}

size_t revocations_unshared(const struct revocations *all)
{
	size_t n = 0;

	for (size_t i = 0; i < all->len; i++)
		n += !all->at[i].shared;
	return n;
}

void revocations_age(struct revocations *all, uint64_t wall_s)
{
	struct sifting over = { 0, wall_s };
	bool some = false;

	for (size_t i = all->len; i-- > 0;)
		if (all->at[i].until_s <= wall_s) {
			drop(all, &all->at[i]);
			some = true;
		}
	if (!some)
		return;
	revoked_sift(all->table, stays, &over);
	save(all);
	publish_metrics(all);
}
