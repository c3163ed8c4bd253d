/* tell.c -- what an operator may ask of limits, and do: answers are JSON objects. */
#include "limit/hot.h"
#include "limit/room.h"
#include <stdlib.h>

#define TOLD_MAX 20 /* keys */

const char *const limit_bys[LIMIT_BYS] =
	{ "memory", "crowded", "redis", "lease", "deny-cache", "local" };

/* ---- the busiest keys ---- */

static int by_tag(const void *a, const void *b)
{
	const struct hot_key *x = a, *y = b;

	return x->tag < y->tag ? -1 : x->tag > y->tag;
}

static int by_seen(const void *a, const void *b)
{
	const struct hot_key *x = a, *y = b;

	return x->seen < y->seen ? 1 : x->seen > y->seen ? -1 : by_tag(a, b);
}

/* What several workers saw of one key becomes one. */
static size_t merge(struct hot_key *at, size_t len)
{
	size_t kept = 0;

	qsort(at, len, sizeof *at, by_tag);
	for (size_t i = 0; i < len; i++) {
		struct hot_key *last = kept ? &at[kept - 1] : NULL;
		if (!last || last->tag != at[i].tag) {
			at[kept++] = at[i];
			continue;
		}
		last->seen += at[i].seen;
		last->refused += at[i].refused;
		if (last->text_len == 0) {
			last->text_len = at[i].text_len;
			memcpy(last->text, at[i].text, sizeof last->text);
		}
	}
	qsort(at, kept, sizeof *at, by_seen);
	return kept;
}

static const struct plan *plan_of(const struct limits *l, uint64_t name_hash)
{
	for (size_t i = 0; i < l->plans_len; i++)
		if (l->plans[i].name_hash == name_hash)
			return &l->plans[i];
	return NULL;
}

static void tell_bucket(const struct limits *l, const struct plan *plan, uint64_t tag, uint64_t now_ns,
                        struct text *to)
{
	uint64_t tat = table_tat(l->table, tag), wait_ns = 0, left = gcra_remaining(plan->gcra, tat, now_ns);

	if (left < plan->limit->cost)
		gcra_take(plan->gcra, &tat, now_ns, plan->limit->cost, &wait_ns);
	text_printf(to, "\"limit\":\"%.*s\",\"key\":\"#%016llx\",\"remaining\":%llu,\"burst\":%llu,",
	            SLICE(plan->limit->id), (unsigned long long)tag, (unsigned long long)left,
	            (unsigned long long)plan->limit->burst);
	text_printf(to, "\"retry_after_s\":%llu",
	            (unsigned long long)(wait_ns / NS_PER_S + (wait_ns % NS_PER_S != 0)));
}

static bool tell_one(const struct limits *l, const struct hot_key *k, bool show, uint64_t now_ns,
                     struct text *to)
{
	const struct plan *plan = plan_of(l, k->limit);

	if (!plan) /* of a limit that is no more */
		return false;
	text_char(to, '{');
	tell_bucket(l, plan, k->tag, now_ns, to);
	text_printf(to, ",\"decisions\":%llu,\"refused\":%llu,\"shadow\":%s,\"by\":\"%s\"",
	            (unsigned long long)k->seen,
	            (unsigned long long)(k->refused < k->seen ? k->refused : k->seen),
	            plan_is_shadow(plan, k->tag) ? "true" : "false", limit_bys[k->by < LIMIT_BYS ? k->by : 0]);
	if (show && k->text_len) {
		text_add(to, S(",\"value\":\""));
		text_json(to, (struct slice){ k->text, k->text_len });
		text_char(to, '"');
	}
	text_char(to, '}');
	return true;
}

bool limits_tell(const struct limits *l, const struct limit_hot *const *hot, size_t hot_len, bool show,
                 uint64_t now_ns, struct text *to)
{
	struct hot_key *keys = calloc(hot_len * HOT_SETS * HOT_WAYS + 1, sizeof *keys);
	size_t len = 0, told = 0;

	if (!keys)
		return false;
	for (size_t i = 0; i < hot_len; i++)
		len += hot_read(hot[i], now_ns, keys + len);
	len = merge(keys, len);
	text_printf(to, "{\"half_life_s\":%llu,\"keys\":[", (unsigned long long)(HOT_HALF_NS / NS_PER_S));
	for (size_t i = 0; i < len && told < TOLD_MAX; i++) {
		size_t before = to->len;
		if (told)
			text_char(to, ',');
		if (tell_one(l, &keys[i], show, now_ns, to))
			told++;
		else
			to->len = before;
	}
	text_add(to, S("]}"));
	free(keys);
	return !to->cut;
}

/* ---- full again ---- */

static void fail(struct text *to, const char *sentence)
{
	to->len = 0;
	text_printf(to, "{\"error\":\"%s\"}", sentence);
}

static const struct plan *plan_named(const struct limits *l, struct slice name)
{
	for (size_t i = 0; i < l->plans_len; i++)
		if (slice_same(l->plans[i].limit->id, name))
			return &l->plans[i];
	return NULL;
}

static bool read_hash(struct slice word, uint64_t *tag)
{
	*tag = 0;
	if (word.len != 17 || word.at[0] != '#')
		return false;
	for (size_t i = 1; i < word.len; i++) {
		char c = slice_lower(word.at[i]);
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		*tag = *tag << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return *tag != 0;
}

void limits_reset(struct limits *l, struct slice words, uint64_t now_ns, struct text *to)
{
	const struct plan *plan = plan_named(l, slice_cut(&words, ' '));
	struct key key;
	uint64_t tag;

	if (!plan) {
		fail(to, "there is no such limit; it is: limits reset LIMIT KEY");
		return;
	}
	if (l->config->root.redis && plan->limit->scope == SCOPE_FLEET) {
		fail(to, "this limit's buckets are in Redis, where all machines of the fleet count in them; one "
		         "machine cannot make them full. Raise the limit's burst for a while instead");
		return;
	}
	if (!read_hash(words, &tag)) {
		if (!key_from_text(l, plan, words, &key)) {
			fail(to, "that is no key of this limit; write it as `sallyport limits` shows it: #HASH, "
			         "or a word for each of the things that the limit counts by");
			return;
		}
		tag = key_tag(l, plan, &key);
	}
	text_char(to, '{');
	tell_bucket(l, plan, tag, now_ns, to);
	text_printf(to, ",\"reset\":%s}", table_forgive(l->table, tag, now_ns) ? "true" : "false");
}
