/* copying.c -- what copying.h promises. */
#include "copying.h"

struct value values[3];
enum redis_is redis_is;
unsigned gets, sets, others;
struct owed owed;

static struct value *value_of(struct slice key)
{
	size_t i = 0;

	while (i < 2 && values[i].key[0] && !slice_same(slice_of(values[i].key), key))
		i++;
	snprintf(values[i].key, sizeof values[i].key, "%.*s", SLICE(key));
	return &values[i];
}

bool redis(void *with, const struct slice *words, size_t len,
           void (*done)(void *, bool, const struct slice *, size_t), void *for_whom)
{
	(void)with;
	if (slice_same(words[1], S("revoked"))) {
		others++;
		return false;
	}
	if (redis_is == AWAY)
		return false;
	assert_null(owed.done);
	struct value *v = value_of(words[1]);
	owed.done = done;
	owed.for_whom = for_whom;
	owed.text = (struct slice){ v->len ? v->text : NULL, v->len };
	bool is_set = len == 5 && slice_same(words[0], S("SET"));
	assert_true(is_set || (len == 2 && slice_same(words[0], S("GET"))));
	*(is_set ? &sets : &gets) += 1;
	owed.answered = redis_is == HERE || (redis_is == FORBIDDING_SET && !is_set);
	if (!is_set || redis_is != HERE)
		return true;
	assert_true(words[2].len <= CAP && slice_same(words[3], S("PX")) && slice_u64(words[4], &v->ttl_ms));
	memcpy(v->text, words[2].at, v->len = words[2].len);
	return true;
}

bool answer(void)
{
	void (*done)(void *, bool, const struct slice *, size_t) = owed.done;

	if (!done || redis_is == SILENT)
		return false;
	owed.done = NULL;
	done(owed.for_whom, owed.answered, &owed.text, owed.text.at ? 1 : 0);
	return true;
}

struct keeping other; /* the machine that is not looked at now */
unsigned char secret_bytes[2][32] = { "the secret that the fleet has", "another secret" };

struct secret secrets[2] = { { secret_bytes[0], 32 }, { secret_bytes[1], 32 } };

char logged[8192];

void on_log(void *with, enum log_level level, struct slice line)
{
	size_t len = strlen(logged);

	(void)with;
	if (level >= LOG_LEVEL_WARN)
		snprintf(logged + len, sizeof logged - len, "%.*s\n", SLICE(line));
}

void on_the_other(void)
{
	struct keeping here = keeping;

	keeping = other;
	keeping.now_ns = here.now_ns;
	keeping.wall_s = here.wall_s;
	other = here;
}

void lose_the_issuer(void)
{
	keeping.status = keeping.discovery_status = 0;
}

void wipe(void)
{
	char path[256];

	keeping_stop();
	owed.done = NULL;
	memset(keeping.published, 0, published_memory());
	assert_non_null(published_attach(keeping.published));
	keeping_path(path, "auth0.json");
	unlink(path);
	keeping_path(path, "newest");
	unlink(path);
}

unsigned refused(const char *reason)
{
	uint32_t series =
	    metrics_series(METRIC_snapshots_refused_total, slice_of(reason), S("redis"), S(""), S(""));

	return (unsigned)metrics_value(series);
}

unsigned said(const char *words)
{
	unsigned n = 0;

	for (const char *at = logged; (at = strstr(at, words)); at++)
		n++;
	return n;
}
