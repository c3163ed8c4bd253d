/* One connection to one server. */
#include "base/log.h"
#include "base/random.h"
#include "metrics/metrics.h"
#include "redis/inside.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTH_RETRY_NS (1 * NS_PER_S) /* who was refused by name need not hurry */
#define READS_MAX 16                 /* of a turn */
#define NUDGES_MAX 8

static const char *const end_words[ENDS] = { "refused", "reset", "silence",  "tls",
	                                         "auth",    "role",  "nonsense", "moved" };

const char *channel_end_word(enum channel_end why)
{
	return end_words[why];
}

void channel_init(struct channel *l, struct redis *r, enum channel_kind kind)
{
	memset(l, 0, sizeof *l);
	l->redis = r;
	l->kind = kind;
	l->doomed = -1;
	list_init(&l->pending);
	list_init(&l->sent);
}

/* ---- its end ---- */

static void hang_up(struct channel *l)
{
	if (l->wire) {
		if (l->state == CHANNEL_READY && !l->wire->failed)
			wire_shut(l->wire);
		wire_close(l->wire);
	}
	if (l->reader)
		redisReaderFree(l->reader);
	l->wire = NULL;
	l->reader = NULL;
	l->state = CHANNEL_OFF;
	l->doomed = -1;
	l->unread = 0;
}

static void lose_all(struct channel *l)
{
	struct list lost, *node;

	list_init(&lost);
	while ((node = list_shift(&l->sent)) || (node = list_shift(&l->pending)))
		list_push(&lost, node);
	l->pending_bytes = 0;
	while ((node = list_shift(&lost)))
		ask_end(l->redis, list_entry(node, struct query, place), true);
}

void channel_close(struct channel *l)
{
	hang_up(l);
	lose_all(l);
}

void channel_drop(struct channel *l, enum channel_end why)
{
	struct redis *r = l->redis;
	bool resumes = why == END_RESET && l->shard && l->shard->state == REDIS_UP && l->state == CHANNEL_READY &&
	               r->loop->now_ns - l->ready_ns >= RESUME_NS;
	uint64_t wait = why == END_AUTH ? AUTH_RETRY_NS : why == END_MOVED || resumes ? 0 : PROBE_NS;

	hang_up(l);
	l->retry_ns = r->loop->now_ns + random_jitter(wait, 20);
	metrics_add(
	    metrics_series(METRIC_redis_connections_lost_total, slice_of(end_words[why]), S(""), S(""), S("")),
	    1);
	lose_all(l);
	if (resumes)
		shard_resume(l->shard);
	else if (l->shard)
		shard_lost(l->shard, why);
	else
		topology_lost(r);
	l->error[0] = '\0';
}

void channel_doom(struct channel *l, enum channel_end why, struct slice error)
{
	struct text t = TEXT(l->error);

	if (l->doomed >= 0)
		return;
	l->doomed = (int)why;
	t.cap--;
	for (size_t i = 0; i < error.len && i < t.cap; i++)
		text_char(&t, error.at[i] < ' ' || error.at[i] > '~' ? '?' : error.at[i]);
	l->error[t.len] = '\0';
	if (l->wire)
		wire_nudge(l->wire);
}

/* ---- connecting ---- */

static void on_ready(struct wire *w);

/* The name is asked for; the log hears of it when it lasts. */
static void want_name(struct channel *l)
{
	struct redis *r = l->redis;

	l->retry_ns = r->loop->now_ns + PROBE_NS;
	if (r->env.want_name)
		r->env.want_name(r->env.with, l->node.host);
}

/* False: the address takes no connection. */
static bool dial(struct channel *l, const struct sockaddr_storage *to, socklen_t len)
{
	struct redis *r = l->redis;
	int fd = r->env.dial ? r->env.dial(r->env.with, to, len) : address_dial(to, len);

	l->wire = fd < 0 ? NULL : wire_open(r->loop, fd, to->ss_family != AF_UNIX);
	l->reader = l->wire ? codec_reader(l) : NULL;
	if (!l->reader)
		return false;
	l->wire->owner = l;
	l->wire->on_ready = on_ready;
	l->state = CHANNEL_CONNECTING;
	l->heard_ns = r->loop->now_ns;
	l->error[0] = l->run[0] = '\0';
	return true;
}

/* False: each address was tried, and none takes a connection. */
static bool dial_next(struct channel *l)
{
	struct sockaddr_storage to;
	socklen_t len;

	while (l->untried) {
		l->untried--;
		hang_up(l);
		if (node_address(&l->node, l->redis->env.names, &to, &len) && dial(l, &to, len))
			return true;
	}
	return false;
}

static void begin(struct channel *l)
{
	struct redis *r = l->redis;

	if (r->env.want_name && node_has_name(&l->node))
		r->env.want_name(r->env.with, l->node.host);
	l->untried = node_addresses(&l->node, r->env.names);
	if (!l->untried)
		want_name(l);
	else if (!dial_next(l))
		channel_drop(l, END_REFUSED);
}

/* From a socket to a conversation. Negative: not yet; else how it ended; ENDS: it is there. */
static int progress(struct channel *l)
{
	if (l->wire->failed)
		return l->wire->layer ? END_TLS : END_REFUSED;
	if (l->wire->connecting)
		return -1;
	if (!l->node.secure)
		return ENDS;
	if (!l->wire->layer && !tls_connect(l->wire, l->redis->tls, slice_of(l->node.host)))
		return END_TLS;
	enum tls_step step = tls_handshake(l->wire);
	if (step != TLS_FAILED)
		return step == TLS_READY ? ENDS : -1;
	struct slice sentence;
	tls_failure(l->wire, &sentence);
	channel_doom(l, END_TLS, sentence);
	return END_TLS;
}

static void on_silence(struct channel *l)
{
	if (l->state != CHANNEL_CONNECTING || !l->wire->connecting || !dial_next(l))
		channel_drop(l, END_SILENT);
}

static bool owes(const struct channel *l)
{
	return l->state != CHANNEL_READY || !list_is_empty(&l->sent);
}

static uint64_t silent_ns(const struct channel *l)
{
	return owes(l) ? l->heard_ns + REDIS_SILENCE_NS : UINT64_MAX;
}

/* A lost packet goes out again a round trip after one behind it arrived, but where nothing follows it only
 * after 200 ms (RFC 8985, section 7.2). So where an answer is due one word more is sent, and another after
 * twice that time: it finds either packet, the one with the question and the one with the answer. */
static uint64_t nudge_ns(const struct channel *l)
{
	if (l->state != CHANNEL_READY || !owes(l) || l->nudges == NUDGES_MAX)
		return UINT64_MAX;
	return l->heard_ns + (l->redis->budget_ns / 2 << l->nudges);
}

static void nudge(struct channel *l)
{
	const struct slice ping[] = { S("PING") };

	l->nudges++;
	if (!channel_is_full(l) && !channel_ask(l, ping, 1, NULL, NULL))
		l->nudges = NUDGES_MAX;
}

void channel_sweep(struct channel *l)
{
	uint64_t now_ns = l->redis->loop->now_ns;

	if (l->state == CHANNEL_OFF && now_ns >= l->retry_ns)
		begin(l);
	else if (l->state != CHANNEL_OFF && now_ns >= silent_ns(l))
		on_silence(l);
	else if (l->doomed >= 0)
		channel_drop(l, (enum channel_end)l->doomed);
	else if (now_ns >= nudge_ns(l))
		nudge(l);
}

uint64_t channel_due_ns(const struct channel *l)
{
	uint64_t silent = silent_ns(l), nudged = nudge_ns(l);

	if (l->state == CHANNEL_OFF)
		return l->retry_ns;
	return nudged < silent ? nudged : silent;
}

void channel_ready(struct channel *l)
{
	l->state = CHANNEL_READY;
	l->ready_ns = l->redis->loop->now_ns;
	l->nudges = 0;
}

/* ---- sending ---- */

void channel_queue(struct channel *l, struct query *a)
{
	a->channel = l;
	for (uint8_t i = 0; i < a->round_len; i++)
		l->pending_bytes += a->commands[a->round[i]].len;
	list_push(&l->pending, &a->place);
}

bool channel_is_full(const struct channel *l)
{
	return l->pending_bytes > QUEUED_MAX || (l->wire && wire_backlog(l->wire) > WIRE_HIGH);
}

bool channel_ask_all(struct channel *l, const struct redis_command *commands, size_t len,
                     void (*on_done)(void *with, const struct redis_answer *a), void *with)
{
	struct query *a = ask_make(l->redis, commands, len, true);

	if (!a)
		return false;
	a->on_done = on_done;
	a->with = with;
	channel_queue(l, a);
	return true;
}

bool channel_ask(struct channel *l, const struct slice *words, size_t len,
                 void (*on_done)(void *with, const struct redis_answer *a), void *with)
{
	return channel_ask_all(l, &(struct redis_command){ words, len }, 1, on_done, with);
}

static bool out(struct channel *l, size_t *len, struct slice bytes)
{
	struct redis *r = l->redis;
	bool ok = true;

	if (bytes.len > sizeof r->out - *len) {
		ok = wire_write(l->wire, (struct slice){ r->out, *len });
		*len = 0;
	}
	if (bytes.len > sizeof r->out)
		return ok && wire_write(l->wire, bytes);
	memcpy(r->out + *len, bytes.at, bytes.len);
	*len += bytes.len;
	return ok;
}

void channel_send(struct channel *l)
{
	uint64_t now_ns = l->redis->loop->clock();
	struct list *node;
	size_t len = 0;
	bool ok = true;

	if (list_is_empty(&l->pending))
		return;
	if (list_is_empty(&l->sent)) {
		l->heard_ns = l->redis->loop->now_ns;
		l->nudges = 0;
	}
	while ((node = list_shift(&l->pending))) {
		struct query *a = list_entry(node, struct query, place);
		a->sent_ns = now_ns;
		for (uint8_t i = 0; i < a->round_len; i++) {
			if (a->asking)
				ok &= out(l, &len, S("*1\r\n$6\r\nASKING\r\n"));
			ok &= out(l, &len, a->commands[a->round[i]]);
		}
		list_push(&l->sent, &a->place);
	}
	l->pending_bytes = 0;
	if (len)
		ok &= wire_write(l->wire, (struct slice){ l->redis->out, len });
	if (!ok)
		channel_doom(l, END_RESET, S(""));
}

void channel_flush(struct channel *l)
{
	if (l->state == CHANNEL_READY)
		channel_send(l);
}

/* ---- reading ---- */

/* One whole reply. */
static void take_reply(struct channel *l)
{
	struct query *a = list_entry(l->sent.next, struct query, place);

	l->unread = 0;
	if (a->asking_due) {
		a->asking_due = false;
		return;
	}
	a->got++;
	a->asking_due = a->asking;
	if (a->got == a->round_len)
		ask_answered(l->redis, a);
}

/* False: what it says makes no sense. */
static bool take(struct channel *l, struct slice bytes)
{
	void *reply;

	l->heard_ns = l->redis->loop->now_ns;
	l->nudges = 0;
	l->unread += bytes.len;
	if (redisReaderFeed(l->reader, bytes.at, bytes.len) != REDIS_OK)
		return false;
	for (;;) {
		reply = NULL;
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK)
			return false;
		if (!reply)
			return l->unread <= REPLY_MAX;
		take_reply(l);
		if (l->doomed >= 0)
			return true;
	}
}

static void read_all(struct channel *l)
{
	struct loop *loop = l->redis->loop;

	for (unsigned i = 0; i < READS_MAX && l->doomed < 0; i++) {
		ssize_t got = wire_read(l->wire, loop->scratch_in, SCRATCH_SIZE);
		if (got == WIRE_LATER)
			return;
		if (got < 0)
			channel_doom(l, END_RESET, S(""));
		else if (!take(l, (struct slice){ loop->scratch_in, (size_t)got }))
			channel_doom(l, END_MALFORMED, S(""));
	}
	if (l->doomed < 0)
		wire_nudge(l->wire);
}

static void on_ready(struct wire *w)
{
	struct channel *l = w->owner;

	if (l->state == CHANNEL_CONNECTING) {
		int step = progress(l);
		if (step < 0 || (step == END_REFUSED && dial_next(l)))
			return;
		if (step < ENDS)
			channel_doom(l, (enum channel_end)step, S(""));
		else
			channel_greet(l);
	}
	if (l->doomed < 0)
		read_all(l);
	if (l->doomed >= 0)
		channel_drop(l, (enum channel_end)l->doomed);
}
