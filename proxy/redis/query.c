/* Queries that are in flight, each with its deadline. */
#include "redis/query.h"
#include "base/check.h"
#include "metrics/metrics.h"
#include "redis/inside.h"

#define REDIRECTS_MAX 5
#define ALIGN(len) (((len) + 15) & ~(size_t)15)

struct piece {
	struct piece *next;
	_Alignas(16) char bytes[];
};

/* ---- the pool ---- */

static struct query *idle_one(struct redis *r)
{
	struct list *node = list_shift(&r->asks_idle);

	if (node)
		return list_entry(node, struct query, place);
	struct query *a = r->asks_len < ASKS_MAX ? malloc(sizeof *a) : NULL;
	if (!a)
		return NULL;
	a->index = r->asks_len;
	a->serial = 0;
	list_init(&a->place);
	list_init(&a->age);
	r->asks[r->asks_len++] = a;
	return a;
}

static void give_back(struct redis *r, struct query *a)
{
	while (a->pieces) {
		struct piece *p = a->pieces;
		a->pieces = p->next;
		free(p);
	}
	if (a->internal)
		secret_wipe(a->room, a->used);
	list_remove(&a->age);
	list_remove(&a->place);
	list_push(&r->asks_idle, &a->place);
	a->channel = NULL;
	a->serial++;
	r->asks_alive--;
}

void *ask_room(struct query *a, size_t len)
{
	size_t size = ALIGN(len + (len == 0));
	void *room;

	if (size > REPLY_MAX - a->taken)
		return NULL;
	if (size <= sizeof a->room - a->used) {
		room = a->room + a->used;
		a->used += size;
	} else {
		struct piece *p = malloc(sizeof *p + size);
		if (!p)
			return NULL;
		p->next = a->pieces;
		a->pieces = p;
		room = p->bytes;
	}
	a->taken += size;
	return memset(room, 0, size);
}

struct query *ask_make(struct redis *r, const struct redis_command *commands, size_t len, bool internal)
{
	check(len > 0 && len <= REDIS_COMMANDS_MAX);
	if (!internal && r->asks_alive >= ASKS_MAX - ASKS_OURS)
		return NULL;
	struct query *a = idle_one(r);
	if (!a)
		return NULL;
	memset((char *)a + offsetof(struct query, len), 0,
	       offsetof(struct query, room) - offsetof(struct query, len));
	r->asks_alive++;
	a->internal = internal;
	a->asked_ns = r->loop->now_ns;
	a->turn = r->loop->turns;
	bool ok = true;
	for (size_t i = 0; i < len && ok; i++) {
		ok = codec_format(a, &commands[i], &a->commands[i]);
		a->round[i] = (uint8_t)i;
	}
	a->len = a->round_len = (uint8_t)len;
	if (ok)
		return a;
	give_back(r, a);
	return NULL;
}

void asks_free(struct redis *r)
{
	for (uint32_t i = 0; i < r->asks_len; i++) {
		if (r->asks[i]->channel)
			give_back(r, r->asks[i]);
		free(r->asks[i]);
	}
}

/* ---- its end ---- */

static const struct redis_value *first_error(const struct query *a)
{
	for (size_t i = 0; i < a->len; i++)
		if (a->values[i].type == REDIS_ERROR)
			return &a->values[i];
	return NULL;
}

void ask_end(struct redis *r, struct query *a, bool lost)
{
	uint64_t took_ns = r->loop->now_ns - a->asked_ns;
	struct redis_answer answer = { .outcome = REDIS_LOST,
		                           .late = a->overdue,
		                           .took_ns = took_ns,
		                           .sent_ns = a->sent_ns,
		                           .theirs_ns = ask_theirs_ns(r, a) };

	list_remove(&a->age);
	list_remove(&a->place);
	if (!lost) {
		answer.outcome = first_error(a) ? REDIS_REFUSED : REDIS_ANSWERED;
		answer.values = a->values;
		answer.len = a->len;
	}
	if (!lost && !a->internal && took_ns > r->budget_ns)
		metrics_count(METRIC_redis_late_total);
	if (!a->orphaned && a->on_done)
		a->on_done(a->with, &answer);
	give_back(r, a);
}

/* What an error says of the server, not of the key, nor of where it lies. */
static bool is_servers(const struct redis *r, struct slice error)
{
	struct slice word = slice_cut(&error, ' ');

	if (r->config->mode == MODE_CLUSTER &&
	    (slice_same(word, S("MOVED")) || slice_same(word, S("ASK")) || slice_same(word, S("TRYAGAIN"))))
		return false;
	return !slice_same(word, S("WRONGTYPE"));
}

static bool is_role(struct slice error)
{
	return slice_starts(error, S("READONLY")) || slice_starts(error, S("MASTERDOWN")) ||
	       slice_starts(error, S("NOAUTH"));
}

static void judge_error(struct redis *r, struct channel *l, struct slice error)
{
	char word[40];
	struct text t = TEXT(word);

	if (!l->shard || !is_servers(r, error))
		return;
	l->shard->refuses_writes |= error_is_of_writes(error);
	if (is_role(error)) {
		channel_doom(l, END_ROLE, error); /* which opens the breaker, and says so once */
		return;
	}
	if (slice_starts(error, S("CLUSTERDOWN")))
		topology_doubt(r);
	text_add(&t, slice_head(error, slice_find(error, ' ')));
	shard_fail(l->shard, "error", text_slice(&t));
}

/* ---- redirection ---- */

/* Sends what was redirected, and only that, to the node that the first redirection names. */
static bool redirect(struct redis *r, struct query *a)
{
	struct redirect to = { 0 };
	uint8_t again = 0;

	if (r->config->mode != MODE_CLUSTER || a->redirects >= REDIRECTS_MAX)
		return false;
	for (uint8_t i = 0; i < a->round_len; i++) {
		const struct redis_value *v = &a->values[a->round[i]];
		struct redirect one;
		if (v->type != REDIS_ERROR || !redirect_parse(a->channel, v->text, &one))
			continue;
		if (!again)
			to = one;
		a->round[again++] = a->round[i];
	}
	struct shard *s = again ? cluster_shard(r, &to.node, true) : NULL;
	if (!s)
		return false;
	metrics_add(
	    metrics_series(METRIC_redis_redirects_total, to.ask ? S("ask") : S("moved"), S(""), S(""), S("")), 1);
	if (!to.ask) {
		cluster_assign(r, to.slot, s);
		topology_doubt(r);
	}
	if (channel_is_full(&s->channel) || (s->state == REDIS_DOWN && !s->fresh))
		return false;
	a->round_len = again;
	a->got = 0;
	a->redirects++;
	a->asking = a->asking_due = to.ask;
	list_remove(&a->place);
	channel_queue(&s->channel, a);
	return true;
}

/* What the other took, without what we were too busy to look: the last turn, where the question had left
 * before it. */
uint64_t ask_theirs_ns(const struct redis *r, const struct query *a)
{
	uint64_t from_ns = a->sent_ns ? a->sent_ns : a->asked_ns, now_ns = r->loop->now_ns;
	uint64_t ours_ns = r->turn_ns >= from_ns ? r->busy_ns : 0;

	return now_ns > from_ns + ours_ns ? now_ns - from_ns - ours_ns : 0;
}

void ask_answered(struct redis *r, struct query *a)
{
	struct channel *l = a->channel;
	char words[120];
	struct text error = TEXT(words);

	metrics_observe(r->series_seconds, r->loop->clock() - a->sent_ns);
	if (l->shard && ask_theirs_ns(r, a) <= r->budget_ns)
		shard_was_good(l->shard);
	else if (l->shard && !a->blamed && !a->internal)
		shard_was_late(l->shard, a->turn);
	if (redirect(r, a))
		return;
	const struct redis_value *e = a->internal ? NULL : first_error(a);
	if (e && !(a->lenient && slice_starts(e->text, S("NOPERM"))))
		text_add(&error, slice_head(e->text, sizeof words));
	ask_end(r, a, false);
	if (error.len)
		judge_error(r, l, text_slice(&error));
}

/* ---- time ---- */

/* At least half of the budget must have been the other's for it to be blamed. */
static uint64_t blame_ns(const struct redis *r, const struct query *a)
{
	return (a->sent_ns ? a->sent_ns : a->asked_ns) + r->budget_ns / 2;
}

static void report_overdue(struct query *a)
{
	if (a->overdue)
		return;
	a->overdue = true;
	if (!a->orphaned && a->on_overdue)
		a->on_overdue(a->with);
}

void asks_sweep(struct redis *r)
{
	uint64_t now_ns = r->loop->now_ns;
	struct list *node = r->asks_age.next;

	while (node != &r->asks_age) {
		struct query *a = list_entry(node, struct query, age);
		if (now_ns - a->asked_ns < r->budget_ns)
			return;
		node = node->next;
		report_overdue(a);
		if (now_ns < blame_ns(r, a))
			continue; /* it was ourselves who sent it late */
		list_remove(&a->age);
		a->blamed = true;
		if (a->channel->shard)
			shard_was_late(a->channel->shard, a->turn);
	}
}

uint64_t asks_due_ns(const struct redis *r)
{
	if (list_is_empty(&r->asks_age))
		return UINT64_MAX;
	const struct query *oldest = list_entry(r->asks_age.next, struct query, age);
	return oldest->overdue ? blame_ns(r, oldest) : oldest->asked_ns + r->budget_ns;
}

/* ---- the door's part ---- */

uint64_t redis_ask(struct redis *r, const struct redis_ask *ask)
{
	unsigned number = redis_shard(r, ask->slot);
	struct shard *s = number < REDIS_SHARDS_MAX ? &r->shards[number] : NULL;
	enum redis_state least = ask->settling ? REDIS_SETTLING : REDIS_UP;

	if (!s || s->state < least || (s->channel.state != CHANNEL_READY && !s->resume_ns)) {
		metrics_add(r->series_refused_down, 1);
		return 0;
	}
	bool full = channel_is_full(&s->channel);
	struct query *a = full ? NULL : ask_make(r, ask->commands, ask->commands_len, false);
	if (!a) {
		metrics_add(r->series_refused_full, 1);
		return 0;
	}
	a->lenient = ask->lenient;
	a->on_overdue = ask->on_overdue;
	a->on_done = ask->on_done;
	a->with = ask->with;
	list_push(&r->asks_age, &a->age);
	channel_queue(&s->channel, a);
	return (uint64_t)a->serial << 32 | (a->index + 1);
}

void redis_orphan(struct redis *r, uint64_t ticket)
{
	uint32_t index = (uint32_t)ticket - 1;

	if (index < r->asks_len && r->asks[index]->channel && r->asks[index]->serial == ticket >> 32)
		r->asks[index]->orphaned = true;
}
