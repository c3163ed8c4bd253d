/* tell.c -- what an operator may ask of limits, and do: answers are JSON objects. */
#include "limit/fleet.h"
#include "limit/hot.h"
#include <stdlib.h>

#define TOLD_MAX 20 /* keys */

const char *const limit_bys[LIMIT_BYS] = { "memory", "crowded", "redis", "lease", "deny-cache", "local" };

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

static void print_bucket(const struct limits *l, const struct plan *plan, uint64_t tag, uint64_t now_ns,
                         struct text *to)
{
	uint64_t tat = buckets_tat(l->table, tag), wait_ns = 0, left = gcra_remaining(plan->gcra, tat, now_ns);

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
	print_bucket(l, plan, k->tag, now_ns, to);
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

bool limits_print(const struct limits *l, const struct limit_hot *const *hot, size_t hot_len, bool show,
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
	to->cut = false;
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

/* The tag that the words mean. False: `to` says what is wrong with them. */
static bool find_key(struct limits *l, const struct limit_hot *const *hot, size_t hot_len,
                     const struct plan *plan, struct slice words, struct limit_reset *what, struct text *to)
{
	struct limit_key key;
	uint64_t half[2];
	struct text hex = { .at = what->name, .cap = sizeof what->name };

	what->fleet = plan->named;
	if (!read_hash(words, &what->tag)) {
		if (!key_from_text(l, plan, words, &key)) {
			fail(to, "that is no key of this limit; write it as `sallyport limits` shows it: #HASH, "
			         "or a word for each of the things that the limit counts by");
			return false;
		}
		what->tag = key_tag(l, plan, &key);
		if (what->fleet)
			name_hex(l, plan, &key, what->name);
		return true;
	}
	for (size_t i = 0; i < hot_len && what->fleet; i++) {
		half[0] = what->tag;
		if (!hot_find(hot[i], what->tag, &half[1]))
			continue;
		text_hex(&hex, half, sizeof half);
		return true;
	}
	if (what->fleet)
		fail(to, "no key of that hash is among the busiest any more; write the key as words");
	return !what->fleet;
}

static void fail_unknown(const struct limits *l, struct text *to)
{
	fail(to, "there is no such limit; there are:");
	to->len -= 2; /* the quote and the brace */
	for (size_t i = 0; i < l->plans_len; i++)
		text_printf(to, " %.*s%s", SLICE(l->plans[i].limit->id), i + 1 < l->plans_len ? "," : "");
	text_add(to, S("\"}"));
	if (to->cut)
		fail(to, "there is no such limit; it is: limits reset LIMIT KEY");
}

bool limits_reset(struct limits *l, const struct limit_hot *const *hot, size_t hot_len, struct slice words,
                  uint64_t now_ns, struct limit_reset *what, struct text *to)
{
	const struct plan *plan = plan_named(l, slice_cut(&words, ' '));
	bool reset = true;

	*what = (struct limit_reset){ 0 };
	if (!plan) {
		fail_unknown(l, to);
		return false;
	}
	if (!find_key(l, hot, hot_len, plan, words, what, to))
		return false;
	text_char(to, '{');
	print_bucket(l, plan, what->tag, now_ns, to);
	if (!what->fleet)
		reset = buckets_forgive(l->table, what->tag, now_ns);
	text_printf(to, ",\"fleet\":%s,\"reset\":%s}", what->fleet ? "true" : "false", reset ? "true" : "false");
	return true;
}

void limits_reset_words(const struct limits *l, struct slice words, struct text *to)
{
	struct slice id = slice_cut(&words, ' ');
	const struct plan *plan = plan_named(l, id);
	uint64_t tag;
	struct limit_key key;

	text_add(to, id);
	text_char(to, ' ');
	if (read_hash(words, &tag))
		text_add(to, words);
	else if (plan && key_from_text(l, plan, words, &key))
		key_text(plan, &key, to);
	else
		text_char(to, '?');
}
