/* judge.c -- what judge.h promises. */
#include "judge.h"

struct entry *logged;
static struct grant *granted;
static size_t logged_len, granted_len;

static int by_stamp(const void *x, const void *y)
{
	const struct entry *p = x, *q = y;

	return p->stamp_ns < q->stamp_ns ? -1 : p->stamp_ns > q->stamp_ns;
}

static int grant_by_stamp(const void *x, const void *y)
{
	const struct grant *p = x, *q = y;

	return p->stamp_ns < q->stamp_ns ? -1 : p->stamp_ns > q->stamp_ns;
}

static void gather_logs(struct verdicts *v)
{
	logged = malloc(sizeof *logged * LOG_MAX * w->trial.askers);
	granted = malloc(sizeof *granted * LOG_MAX * w->trial.askers);
	check(logged && granted);
	logged_len = granted_len = 0;
	for (unsigned i = 0; i < w->trial.askers; i++) {
		struct log *l = &w->stage->log[i];
		assert_true(l->len < LOG_MAX);
		v->error_ns = l->error_ns > v->error_ns ? l->error_ns : v->error_ns;
		memcpy(logged + logged_len, l->at, l->len * sizeof *logged);
		logged_len += l->len;
		assert_true(l->grants < LOG_MAX);
		memcpy(granted + granted_len, l->grant, l->grants * sizeof *l->grant);
		granted_len += l->grants;
	}
	qsort(granted, granted_len, sizeof *granted, grant_by_stamp);
	qsort(logged, logged_len, sizeof *logged, by_stamp);
}

/* What the reference admits of the same arrivals, up to a moment before the end: what lies in the bucket then
 * may still be had. */
static unsigned ideal_of(struct gcra g, uint64_t end_ns)
{
	uint64_t tat = 0, retry;
	unsigned n = 0;

	for (size_t i = 0; i < logged_len; i++)
		if (logged[i].hot && logged[i].done_ns <= end_ns)
			n += gcra_take(g, &tat, logged[i].stamp_ns, 1, &retry);
	return n;
}

/* Is what the deny cache refused refused by the bucket too, as Redis had it by then? A question that was
 * stamped before its asker stood still and is executed after that takes of what others have left, so the
 * bucket is read, not reckoned. What was granted is gone whether a request spends it or it dies. */
static bool is_denied(struct gcra g, const struct entry *d, uint64_t slack_ns)
{
	uint64_t tat = 0, retry, by_ns = d->stamp_ns + (d->done_ns - d->at_ns) + slack_ns;

	for (size_t i = 0; i < granted_len && granted[i].stamp_ns <= by_ns; i++)
		tat = tat > granted[i].tat_ns ? tat : granted[i].tat_ns;
	tat += slack_ns;
	return !gcra_take(g, &tat, d->stamp_ns, 1, &retry);
}

static void count_one(struct verdicts *v, const struct entry *e)
{
	uint64_t wait = e->done_ns - e->at_ns;

	v->worst_wait_ns = wait > v->worst_wait_ns ? wait : v->worst_wait_ns;
	v->bystanders += !e->hot;
	v->bystanders_refused += !e->hot && !e->admitted;
	v->arrivals += e->hot;
	v->admitted += e->hot && e->admitted;
	v->by[e->source] += e->hot;
}

struct verdicts judge(uint64_t slack_ns, bool deny_cache)
{
	struct verdicts v = { 0 };
	struct gcra g = gcra_of((struct rate){ w->trial.rate, NS_PER_S }, w->trial.burst);
	uint64_t tat = 0, over, full;

	gather_logs(&v);
	slack_ns += 2 * v.error_ns;
	for (size_t i = 0; i < logged_len; i++) {
		const struct entry *e = &logged[i];
		count_one(&v, e);
		full = e->stamp_ns + g.tolerance_ns + slack_ns;
		if (e->hot && e->admitted)
			tat = (tat > e->stamp_ns ? tat : e->stamp_ns) + g.period_ns;
		over = tat > full ? (tat - full + g.period_ns - 1) / g.period_ns : 0;
		v.excess = over > v.excess ? over : v.excess;
		if (deny_cache && e->hot && !e->admitted && e->source == SOURCE_DENY_CACHE)
			v.wrong_denials += !is_denied(g, e, slack_ns);
	}
	v.ideal = ideal_of(g, atomic_load(&w->stage->start_ns) + w->trial.for_ns - 100 * MS);
	free(logged);
	free(granted);
	return v;
}

bool stalled(uint64_t most_ns)
{
	for (unsigned i = 0; i < w->trial.askers; i++)
		if (w->stage->log[i].gap_ns > most_ns)
			return true;
	return false;
}

unsigned admitted_between(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t start = atomic_load(&w->stage->start_ns);
	unsigned n = 0;

	for (unsigned i = 0; i < w->trial.askers; i++)
		for (size_t k = 0; k < w->stage->log[i].len; k++) {
			const struct entry *e = &w->stage->log[i].at[k];
			n += e->hot && e->admitted && e->done_ns >= start + from_ns && e->done_ns < start + to_ns;
		}
	return n;
}

void tell(const char *what, const struct verdicts *v)
{
	print_message("%s: %u arrivals, %u admitted, ideal %u, excess %llu; redis %u, lease %u, deny cache %u, "
	              "local %u; worst wait %u us, clock error %u us\n",
	              what, v->arrivals, v->admitted, v->ideal, (unsigned long long)v->excess,
	              v->by[SOURCE_REDIS], v->by[SOURCE_LEASE], v->by[SOURCE_DENY_CACHE], v->by[SOURCE_LOCAL],
	              (unsigned)(v->worst_wait_ns / 1000), (unsigned)(v->error_ns / 1000));
}

unsigned questions(void)
{
	const struct slice info[] = { S("INFO"), S("commandstats") };
	char said[16384];

	server_ask(&w->server, info, 2, said, sizeof said);
	const char *at = strstr(said, "cmdstat_bitfield:calls=");
	return at ? (unsigned)strtoul(at + strlen("cmdstat_bitfield:calls="), NULL, 10) : 0;
}

void check_server(void)
{
	const struct slice info[] = { S("INFO"), S("commandstats") }, keys[] = { S("KEYS"), S("*") };
	char said[16384], line[256];

	server_ask(&w->server, info, 2, said, sizeof said);
	assert_non_null(strstr(said, "cmdstat_bitfield"));
	assert_null(strstr(said, "cmdstat_eval"));
	assert_null(strstr(said, "cmdstat_fcall"));
	assert_null(strstr(said, "cmdstat_script"));
	server_send(&w->server, keys, 2);
	server_line(&w->server, line);
	unsigned long n = strtoul(line + 1, NULL, 10);
	char(*name)[256] = calloc(n + 1, sizeof *name);
	for (unsigned long i = 0; i < n; i++) {
		server_line(&w->server, line);
		server_line(&w->server, name[i]);
	}
	for (unsigned long i = 0; i < n; i++) {
		const struct slice ttl[] = { S("PTTL"), slice_of(name[i]) };
		server_ask(&w->server, ttl, 2, said, sizeof said);
		if (strcmp(said, ":-1") == 0)
			fail_msg("%s has no time to live", name[i]);
	}
	free(name);
}
