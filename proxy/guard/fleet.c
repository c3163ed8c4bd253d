/* fleet.c -- what the machines of a fleet tell each other of absences, through Redis.
 *
 * One sorted set, `guard`, holds records scored by Redis's clock (ms): `HMAC machine kind route ...`, under
 * a key that comes of the fleet's secret. Kinds: flip (a key that is absent here, told again every 5 s while
 * it is), latch (the same of a latch that has evidence here), calm (its share has fallen) and release (an
 * operator's), told for half a minute. Read every 250 ms. A record played again changes nothing: a latch or
 * release counts by the time that it names. While Redis is away each machine counts alone. */
#include "guard/keeper.h"
#include "base/log.h"
#include "base/random.h"
#include "base/secret.h"
#include "metrics/metrics.h"
#include <stdio.h>

#define KEY S("guard")
#define READ_NS (250 * NS_PER_MS)
#define TELL_NS (5 * NS_PER_S)
#define TRIM_NS (10 * NS_PER_S)
#define FLIP_MS 15000 /* one that is not told again in this time is over */
#define KEPT_MS 60000
#define OVERLAP_MS 2000 /* read again: what was told at nearly the same time */
#define AHEAD_MS 5000   /* two machines' views of Redis's clock differ by less */
#define AGAIN_MS 30000  /* a release is told so long */
#define BATCH 24
#define PAGE "500"
#define FIELDS 3 /* numbers of a record: machine, route, and what it is about */

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len);

static uint64_t redis_ms(const struct guard_keeper *k)
{
	return k->world.redis_ms(k->world.with, KEY);
}

uint64_t fleet_ms(const struct guard_keeper *k)
{
	return k->fleet.keys ? redis_ms(k) : 0;
}

static struct slice number(char room[24], uint64_t n)
{
	snprintf(room, 24, "%llu", (unsigned long long)n);
	return slice_of(room);
}

static void ask(struct guard_keeper *k, enum fleet_doing doing, const struct slice *words, size_t len)
{
	k->fleet.doing = k->world.redis(k->world.with, words, len, on_answer, k) ? doing : FLEET_NOTHING;
}

/* ---- records ---- */

static bool signed_part(const struct guard_keeper *k, struct slice body, char room[2 * FLEET_RECORD],
                        struct slice *to)
{
	struct text t = { .at = room, .cap = 2 * FLEET_RECORD };

	text_add(&t, S("sallyport guard 1\n"));
	text_add(&t, k->config->root.environment);
	text_char(&t, '\n');
	text_add(&t, body);
	*to = text_slice(&t);
	return !t.cut;
}

static bool write_record(const struct guard_keeper *k, const char *kind, uint64_t route, uint64_t what,
                         char to[FLEET_RECORD])
{
	char room[FLEET_RECORD], all[2 * FLEET_RECORD], hex[SIGNATURE_LEN];
	struct text body = TEXT(room), t = { .at = to, .cap = FLEET_RECORD };
	struct slice whole;

	text_printf(&body, "%s %llu %llu %llu", kind, (unsigned long long)k->fleet.machine,
	            (unsigned long long)route, (unsigned long long)what);
	if (!signed_part(k, text_slice(&body), all, &whole) || !crypt_sign(k->fleet.key[0], whole, hex))
		return false;
	text_add(&t, (struct slice){ hex, sizeof hex });
	text_char(&t, ' ');
	text_add(&t, text_slice(&body));
	return text_end(&t);
}

static bool read_record(const struct guard_keeper *k, struct slice record, struct slice *kind,
                        uint64_t to[static FIELDS])
{
	struct slice body = record, mac = slice_cut(&body, ' '), rest = body, whole;
	char all[2 * FLEET_RECORD];

	if (record.len >= FLEET_RECORD || !signed_part(k, body, all, &whole) ||
	    !crypt_is_signed(k->fleet.key, k->fleet.keys, whole, mac))
		return false;
	*kind = slice_cut(&rest, ' ');
	for (int i = 0; i < FIELDS; i++)
		if (!slice_u64(slice_cut(&rest, ' '), &to[i]))
			return false;
	return true;
}

/* ---- telling ---- */

struct batch {
	char record[BATCH][FLEET_RECORD], score[24];
	struct slice words[2 + 2 * BATCH];
	size_t len;
};

static void add(struct guard_keeper *k, struct batch *b, const char *kind, const struct kept_route *r,
                uint64_t what)
{
	size_t i = b->len;

	if (i == BATCH || !write_record(k, kind, r->name, what, b->record[i]))
		return;
	b->words[2 + 2 * i] = slice_of(b->score);
	b->words[3 + 2 * i] = slice_of(b->record[i]);
	b->len++;
}

static void add_route(struct guard_keeper *k, struct batch *b, struct kept_route *r, uint64_t now_ms)
{
	struct latch l = latch_of(r->shared, guard_time(k->wall_s));
	uint64_t cause = atomic_load(&r->shared->cause), tags[FLIP_SLOTS];
	size_t flips = flips_here(r->shared, l, guard_time(k->wall_s), tags);

	if (r->release_ms + AGAIN_MS > now_ms)
		add(k, b, "release", r, r->release_ms);
	if (r->calm_ms + AGAIN_MS > now_ms)
		add(k, b, "calm", r, r->calm_ms);
	for (size_t i = 0; i < flips && i < FLIPS_MOST; i++) /* more change nothing */
		add(k, b, "flip", r, tags[i]);
	if (l.on && cause != CAUSE_FLEET) /* each record once: by the time of its last evidence */
		add(k, b, "latch", r, now_ms - (guard_time(k->wall_s) + LATCH_S - l.until) * 1000);
}

static bool tell(struct guard_keeper *k)
{
	static struct batch b;
	uint64_t now_ms = redis_ms(k);

	b.len = 0;
	b.words[0] = S("ZADD");
	b.words[1] = KEY;
	(void)number(b.score, now_ms);
	for (size_t i = 0; i < k->routes_len; i++)
		add_route(k, &b, &k->routes[i], now_ms);
	if (b.len)
		ask(k, FLEET_TELLING, b.words, 2 + 2 * b.len);
	return b.len > 0;
}

/* ---- reading ---- */

static struct kept_route *route_of(struct guard_keeper *k, uint64_t name)
{
	for (size_t i = 0; i < k->routes_len; i++)
		if (k->routes[i].name == name)
			return &k->routes[i];
	return NULL;
}

static void take_flip(struct kept_route *r, uint64_t tag, uint64_t told_ms)
{
	struct foreign *old = &r->flips[0];

	for (size_t i = 0; i < FOREIGN_FLIPS; i++) {
		struct foreign *f = &r->flips[i];
		if (f->tag == tag) {
			f->told_ms = told_ms > f->told_ms ? told_ms : f->told_ms;
			return;
		}
		if (f->told_ms < old->told_ms)
			old = f;
	}
	if (told_ms > r->dropped_ms)
		*old = (struct foreign){ tag, told_ms };
}

static void take_latch(struct guard_keeper *k, struct kept_route *r, uint64_t at_ms, uint64_t now_ms)
{
	uint64_t age_s = now_ms > at_ms ? (now_ms - at_ms) / 1000 : 0, now = guard_time(k->wall_s);

	if (at_ms <= r->dropped_ms || age_s >= LATCH_S)
		return;
	if (!latch_set(r->shared, CAUSE_FLEET, now + LATCH_S - age_s, now))
		return;
	log_error(
	    "guard: route %.*s: absences are held from now on: another machine of the fleet has met too many",
	    SLICE(r->config->name));
	k->looked_ns = 0;
}

static void take_drop(struct guard_keeper *k, struct kept_route *r, bool release, uint64_t at_ms)
{
	uint64_t now = guard_time(k->wall_s);

	if (at_ms <= r->dropped_ms)
		return;
	r->dropped_ms = at_ms;
	if (release)
		route_release(r, now);
	else if (atomic_load(&r->shared->cause) == CAUSE_FLEET)
		latch_drop(r->shared, now);
	k->looked_ns = 0;
}

static void take_record(struct guard_keeper *k, struct slice record, uint64_t score_ms, uint64_t now_ms)
{
	uint64_t field[FIELDS];
	struct slice kind;

	if (!read_record(k, record, &kind, field)) {
		metrics_count(METRIC_guard_foreign_total);
		return;
	}
	struct kept_route *r = route_of(k, field[1]);
	if (!r || field[0] == k->fleet.machine || score_ms > now_ms + AHEAD_MS)
		return;
	bool timed = field[2] <= now_ms + AHEAD_MS && field[2] + LATCH_S * UINT64_C(1000) > now_ms;
	if (slice_same(kind, S("flip")))
		take_flip(r, field[2], score_ms);
	else if (slice_same(kind, S("latch")) && timed)
		take_latch(k, r, field[2], now_ms);
	else if (timed)
		take_drop(k, r, slice_same(kind, S("release")), field[2]);
}

/* Keys that are absent elsewhere, each once, and not here. */
static uint64_t elsewhere(const struct kept_route *r, struct latch l, uint64_t now, uint64_t now_ms)
{
	uint64_t tags[FLIP_SLOTS], n = 0;
	size_t here = flips_here(r->shared, l, now, tags);

	for (size_t i = 0; i < FOREIGN_FLIPS; i++) {
		const struct foreign *f = &r->flips[i];
		bool both = !f->told_ms || f->told_ms + FLIP_MS < now_ms;
		for (size_t j = 0; j < here; j++)
			both |= tags[j] == f->tag;
		n += !both;
	}
	return n < FLIP_SLOTS ? n : FLIP_SLOTS;
}

static void count_elsewhere(struct guard_keeper *k, uint64_t now_ms)
{
	uint64_t now = guard_time(k->wall_s);

	for (size_t i = 0; i < k->routes_len; i++) {
		struct kept_route *r = &k->routes[i];
		struct latch l = latch_of(r->shared, now);
		atomic_store(&r->shared->elsewhere, elsewhere(r, l, now, now_ms));
		/* the third one may have come by another machine, and no further absence here */
		if (!l.on && flips_of(r->shared, l, now) >= FLIPS_MOST &&
		    latch_set(r->shared, CAUSE_FLIPS, now + LATCH_S, now)) {
			log_error("guard: route %.*s: absences are held from now on: three keys that were there within "
			          "the hour are gone in the fleet",
			          SLICE(r->config->name));
			k->looked_ns = 0;
		}
	}
}

static void take(struct guard_keeper *k, const struct slice *texts, size_t len)
{
	uint64_t now_ms = redis_ms(k), score;

	for (size_t i = 0; i + 1 < len; i += 2) {
		if (!slice_u64(texts[i + 1], &score))
			continue;
		take_record(k, texts[i], score, now_ms);
		if (score > k->fleet.newest_ms && score <= now_ms + AHEAD_MS)
			k->fleet.newest_ms = score;
	}
	count_elsewhere(k, now_ms);
}

static void read(struct guard_keeper *k)
{
	char from[24];
	uint64_t newest = k->fleet.newest_ms;
	const struct slice words[] = { S("ZRANGEBYSCORE"),
		                           KEY,
		                           number(from, newest > OVERLAP_MS ? newest - OVERLAP_MS : 0),
		                           S("+inf"),
		                           S("WITHSCORES"),
		                           S("LIMIT"),
		                           S("0"),
		                           S(PAGE) };

	ask(k, FLEET_READING, words, sizeof words / sizeof *words);
}

static void trim(struct guard_keeper *k)
{
	char to[24];
	const struct slice words[] = { S("ZREMRANGEBYSCORE"), KEY, S("-inf"), number(to, redis_ms(k) - KEPT_MS) };

	ask(k, FLEET_TRIMMING, words, 4);
}

static void expire(struct guard_keeper *k)
{
	const struct slice words[] = { S("PEXPIRE"), KEY, S("600000") };

	ask(k, FLEET_EXPIRING, words, 3);
}

/* ---- its turn ---- */

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct guard_keeper *k = for_whom;
	enum fleet_doing done = k->fleet.doing;

	k->fleet.doing = FLEET_NOTHING;
	if (answered && done == FLEET_READING)
		take(k, texts, len);
	if (answered && done == FLEET_TRIMMING)
		expire(k);
	if (!answered && done == FLEET_TELLING)
		k->fleet.urgent = true;
}

uint64_t fleet_tick(struct guard_keeper *k, uint64_t now_ns)
{
	struct guard_fleet *f = &k->fleet;

	if (!f->keys || f->doing)
		return UINT64_MAX;
	if (f->urgent || now_ns >= f->told_ns + TELL_NS) {
		f->urgent = false;
		f->told_ns = now_ns;
		if (tell(k))
			return UINT64_MAX;
	}
	if (now_ns >= f->trimmed_ns + TRIM_NS) {
		f->trimmed_ns = now_ns;
		trim(k);
	} else if (now_ns >= f->read_ns + READ_NS) {
		f->read_ns = now_ns;
		read(k);
	}
	return f->read_ns + READ_NS;
}

void fleet_open(struct guard_keeper *k)
{
	const CONFIG_SECRETS *secrets = &k->config->root.secrets.fleet;
	struct guard_fleet *f = &k->fleet;

	f->machine = random_u64() >> 1;
	if (!k->world.redis || !k->routes_len)
		return;
	if (!secrets->len)
		log_warn("guard: absences are not counted over the fleet: that needs secrets.fleet");
	for (size_t i = 0; i < secrets->len && f->keys < FLEET_SECRETS; i++) {
		struct slice secret = { (const char *)secrets->at[i].bytes, secrets->at[i].len };
		f->keys += crypt_derive(secret, S("sallyport guard records 1"), f->key[f->keys]);
	}
}

void fleet_close(struct guard_keeper *k)
{
	secret_wipe(k->fleet.key, sizeof k->fleet.key);
}
