/* shard.c -- a master and its breaker. All of it goes by our own clock. */
#include "base/log.h"
#include "base/random.h"
#include "metrics/metrics.h"
#include "redis/inside.h"

#define TIME_NS (1 * NS_PER_S)          /* between two looks at its clock ... */
#define FIRST_TIMES_NS (50 * NS_PER_MS) /* ... of which the first few come sooner */
#define FIRST_TIMES 5
#define PROBE_KEY 200           /* bytes: keyspace and environment are 64 each at most */
#define PROBE_NAMES 16384       /* tried for one that lies on a shard of a cluster */
#define QUIET_NS (1 * NS_PER_S) /* between two lines of the log about a shard that stays down */
#define FAR 20                  /* probes answered too late, all in a row: it is not a moment's load */

static uint64_t now_of(const struct shard *s)
{
	return s->redis->loop->now_ns;
}

static void become(struct shard *s, enum redis_state state)
{
	s->state = state;
	s->good = s->bad = s->far = 0;
	metrics_set(s->series_up, state == REDIS_UP);
	metrics_set(s->series_down, state != REDIS_UP);
}

static void name(struct shard *s, const struct redis_node *n)
{
	s->channel.node = *n;
	node_say(n, s->name);
	s->series_up = metrics_series(METRIC_redis_up, slice_of(s->name), S(""), S(""), S(""));
	s->series_down = metrics_series(METRIC_redis_down, slice_of(s->name), S(""), S(""), S(""));
	become(s, REDIS_DOWN);
}

void shard_open(struct shard *s, const struct redis_node *n, bool fresh)
{
	struct redis *r = s->redis;

	memset(s, 0, sizeof *s);
	s->redis = r;
	channel_init(&s->channel, r, CHANNEL_MASTER);
	s->channel.shard = s;
	s->used = true;
	s->fresh = fresh;
	s->channel.retry_ns = now_of(s);
	name(s, n);
}

void shard_close(struct shard *s)
{
	channel_close(&s->channel);
	metrics_set(s->series_up, 0);
	metrics_set(s->series_down, 0);
	s->used = false;
	s->state = REDIS_DOWN;
}

void shard_move(struct shard *s, const struct redis_node *n)
{
	log_info("redis: the master is no longer %s", s->name);
	metrics_add(metrics_series(METRIC_redis_replaced_total, S("address"), S(""), S(""), S("")), 1);
	if (s->channel.state != CHANNEL_OFF)
		channel_drop(&s->channel, END_MOVED);
	metrics_set(s->series_up, 0);
	metrics_set(s->series_down, 0);
	name(s, n);
	s->run[0] = '\0';
	s->channel.retry_ns = now_of(s);
	redis_report(s, REDIS_REPLACED);
}

/* ---- the breaker ---- */

static void say(struct shard *s, const char *why, struct slice detail, bool news)
{
	uint64_t now_ns = now_of(s);

	for (unsigned i = 0; i < s->told_len; i++)
		if (strcmp(s->told[i], why) == 0)
			return;
	if (s->told_len == WHYS_MAX || (!news && s->told_len && now_ns - s->told_ns < QUIET_NS))
		return;
	s->told_ns = now_ns;
	s->told[s->told_len++] = why;
	log_warn("redis %s is not used (%s%s%.*s)", s->name, why, detail.len ? ": " : "", SLICE(detail));
}

void shard_fail(struct shard *s, const char *why, struct slice detail)
{
	bool was_used = s->state != REDIS_DOWN;

	say(s, why, detail, s->state == REDIS_UP);
	s->fresh = false;
	s->resume_ns = 0;
	s->probe_ns = now_of(s) + random_jitter(PROBE_NS, 20);
	become(s, REDIS_DOWN);
	if (!was_used)
		return;
	metrics_add(metrics_series(METRIC_redis_opened_total, slice_of(why), S(""), S(""), S("")), 1);
	topology_doubt(s->redis);
	redis_report(s, REDIS_OPENED);
}

void shard_resume(struct shard *s)
{
	s->probing = s->timing = false;
	s->resume_ns = now_of(s) + s->redis->budget_ns;
}

void shard_lost(struct shard *s, enum channel_end why)
{
	s->probing = s->timing = false;
	if (why == END_ROLE)
		topology_doubt(s->redis);
	if (why != END_MOVED || s->state != REDIS_DOWN)
		shard_fail(s, channel_end_word(why), slice_of(s->channel.error));
}

void shard_was_late(struct shard *s, uint64_t turn)
{
	if (s->state == REDIS_DOWN || (s->bad && s->bad_turn == turn))
		return;
	s->bad_turn = turn;
	if (++s->bad >= BAD_IN_A_ROW)
		shard_fail(s, "slow", S("it does not answer within redis.budget"));
}

void shard_was_good(struct shard *s)
{
	s->bad = 0;
}

static void use(struct shard *s)
{
	become(s, REDIS_UP);
	s->fresh = s->refuses_writes = false;
	s->told_len = 0;
	log_info("redis %s is used", s->name);
	redis_report(s, REDIS_CLOSED);
}

static void settle(struct shard *s)
{
	become(s, REDIS_SETTLING);
	s->settle_ns = now_of(s) + SETTLE_NS;
	redis_report(s, REDIS_SETTLE);
}

void shard_greeted(struct shard *s)
{
	if (s->run[0] && s->channel.run[0] && strcmp(s->run, s->channel.run) != 0) {
		metrics_add(metrics_series(METRIC_redis_replaced_total, S("run"), S(""), S(""), S("")), 1);
		log_info("redis %s was started anew: what it held may be lost", s->name);
		if (s->state == REDIS_UP) /* it has to be told what is known here before it is asked */
			shard_fail(s, "reset", S("another run of it answers"));
		redis_report(s, REDIS_REPLACED);
	}
	memcpy(s->run, s->channel.run, sizeof s->run);
	s->resume_ns = 0;
	s->clock.samples = 0;
	s->time_ns = s->probe_ns = now_of(s);
	if (s->fresh)
		use(s);
}

/* ---- probes ---- */

bool error_is_of_writes(struct slice error)
{
	return slice_starts(error, S("OOM")) || slice_starts(error, S("READONLY")) ||
	       slice_starts(error, S("MISCONF")) || slice_starts(error, S("NOREPLICAS"));
}

static void on_refused(struct shard *s, struct slice error)
{
	if (s->state != REDIS_DOWN)
		shard_fail(s, "error", error);
	s->refuses_writes |= error_is_of_writes(error);
	if (slice_starts(error, S("NOPERM")))
		s->refuses_writes = false; /* this user may not write there: that tells nothing of the server */
	if (slice_starts(error, S("READONLY")))
		channel_doom(&s->channel, END_ROLE, error); /* its name may stand for another one by now */
}

static void note_distance(struct shard *s, uint64_t took_ns)
{
	const struct redis *r = s->redis;

	s->far = took_ns > r->budget_ns ? s->far + 1 : 0;
	if (s->far == FAR && !r->env.budget_ns)
		log_warn("redis %s answers after %.3g ms, later than redis.budget (%.3g ms): each machine holds its "
		         "share of the fleet's limits until Redis is nearer or the budget is longer",
		         s->name, (double)took_ns / NS_PER_MS, (double)r->budget_ns / NS_PER_MS);
}

static void on_probed(void *with, const struct redis_answer *a)
{
	struct shard *s = with;

	s->probing = false;
	if (a->outcome == REDIS_LOST)
		return;
	if (a->outcome == REDIS_REFUSED)
		on_refused(s, a->values[0].text);
	bool good = a->outcome == REDIS_ANSWERED && a->theirs_ns <= s->redis->budget_ns;
	if (a->outcome == REDIS_ANSWERED && s->state == REDIS_DOWN)
		note_distance(s, a->theirs_ns);
	s->good = good ? s->good + 1 : 0;
	if (s->state == REDIS_DOWN && s->good >= GOOD_IN_A_ROW)
		settle(s);
}

static void on_time(void *with, const struct redis_answer *a)
{
	struct shard *s = with;
	uint64_t now_ns = s->redis->loop->clock();
	uint64_t theirs_ns = a->outcome == REDIS_ANSWERED ? other_clock_parse(a->values) : 0;

	s->timing = false;
	if (!theirs_ns)
		return;
	other_clock_take(&s->clock, theirs_ns, a->sent_ns, now_ns);
	metrics_observe(s->redis->series_clock, other_clock_error(&s->clock, now_ns));
}

/* A bucket's name that lies on this shard: of a cluster, among so many one is found that does. */
static struct slice probe_key(const struct shard *s, char room[static PROBE_KEY])
{
	struct text t = { .at = room, .cap = PROBE_KEY };

	for (uint64_t n = 0; n < PROBE_NAMES; n++) {
		t.len = 0;
		text_add(&t, redis_keyspace(s->redis));
		text_add(&t, S("rl:{probe-"));
		text_u64(&t, n);
		text_char(&t, '}');
		if (redis_shard(s->redis, redis_slot(text_slice(&t))) == shard_number(s))
			break;
	}
	return text_slice(&t);
}

static bool probe_by_write(struct shard *s)
{
	char room[PROBE_KEY];
	struct slice key = probe_key(s, room);
	const struct slice add[] = { S("BITFIELD"), key, S("INCRBY"), S("u8"), S("0"), S("0") };
	const struct slice expire[] = { S("PEXPIRE"), key, S("60000") };
	const struct redis_command commands[] = { { add, 6 }, { expire, 3 } };

	return channel_ask_all(&s->channel, commands, 2, on_probed, s);
}

static void probe(struct shard *s, uint64_t now_ns)
{
	const struct slice ping[] = { S("PING") };

	s->probe_ns = now_ns + random_jitter(PROBE_NS, 20);
	s->probing = s->refuses_writes ? probe_by_write(s) : channel_ask(&s->channel, ping, 1, on_probed, s);
}

/* While it is used this also finds out that it hangs before a request does: its budget counts. */
static void look_at_clock(struct shard *s, uint64_t now_ns)
{
	const struct slice time[] = { S("TIME") };
	uint64_t wait = s->clock.samples < FIRST_TIMES ? FIRST_TIMES_NS : TIME_NS;

	s->time_ns = now_ns + random_jitter(wait, 10);
	s->timing = channel_ask(&s->channel, time, 1, on_time, s);
	if (s->timing && s->state == REDIS_UP)
		list_push(&s->redis->asks_age, &list_entry(s->channel.pending.prev, struct query, place)->age);
}

void shard_sweep(struct shard *s)
{
	uint64_t now_ns = now_of(s);

	channel_sweep(&s->channel);
	if (s->resume_ns && now_ns >= s->resume_ns)
		shard_fail(s, "reset", S("no new connection within redis.budget"));
	if (s->channel.state != CHANNEL_READY)
		return;
	if (s->state == REDIS_SETTLING && now_ns >= s->settle_ns) {
		redis_report(s, REDIS_SETTLE);
		use(s);
	}
	if (s->state != REDIS_UP && !s->probing && now_ns >= s->probe_ns)
		probe(s, now_ns);
	if (!s->timing && now_ns >= s->time_ns)
		look_at_clock(s, now_ns);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t shard_due_ns(const struct shard *s)
{
	uint64_t due = channel_due_ns(&s->channel);

	if (s->resume_ns)
		due = sooner(due, s->resume_ns);
	if (s->channel.state != CHANNEL_READY)
		return due;
	if (s->state == REDIS_SETTLING)
		due = sooner(due, s->settle_ns);
	if (s->state != REDIS_UP && !s->probing)
		due = sooner(due, s->probe_ns);
	if (!s->timing)
		due = sooner(due, s->time_ns);
	return due;
}
