/* machines.c -- machines tell what they have read, and who revokes asks for it. */
#include "revocation/machines.h"
#include "base/text.h"
#include <stdio.h>

#define KEY S("revoked-seen")
#define RECENT_MS 5000 /* a record so old was confirmed by the readings before */
#define KEPT_MS 10000
#define LISTED_MS 600000 /* as long as the heartbeat set holds a machine */
#define CLOCKS_MS 20     /* two machines' views of Redis's clock may differ by that */
#define LOOK_NS (100 * NS_PER_MS)
#define RECORD_MAX 320
#define LIST_PAGE "250" /* two texts each */
#define LOOK_PAGE "500"

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len);

static uint64_t redis_ms(const struct revoke_machines *s)
{
	return s->env->redis_ms(s->env->with, KEY);
}

static struct slice number(char room[24], uint64_t n)
{
	snprintf(room, 24, "%llu", (unsigned long long)n);
	return slice_of(room);
}

static void ask(struct revoke_machines *s, enum seen_doing doing, const struct slice *words, size_t len)
{
	s->doing = s->env->redis(s->env->with, words, len, on_answer, s) ? doing : SEEN_NOTHING;
}

/* ---- one record ---- */

static bool signed_part(const struct revoke_machines *s, struct slice body, char room[2 * RECORD_MAX],
                        struct slice *to)
{
	struct text t = { .at = room, .cap = 2 * RECORD_MAX };

	text_add(&t, S("sallyport revocations read 1\n"));
	text_add(&t, s->share->config->root.environment);
	text_char(&t, '\n');
	text_add(&t, body);
	*to = text_slice(&t);
	return !t.cut;
}

static bool write_record(const struct revoke_machines *s, uint64_t read_ms, char to[RECORD_MAX])
{
	char room[RECORD_MAX], all[2 * RECORD_MAX], hex[SIGNATURE_LEN];
	struct text body = TEXT(room), t = { .at = to, .cap = RECORD_MAX };
	struct slice whole;

	text_add(&body, s->env->machine);
	text_printf(&body, " %llu", (unsigned long long)read_ms);
	if (body.cut || !signed_part(s, text_slice(&body), all, &whole) ||
	    !crypt_sign(s->share->key[0], whole, hex))
		return false;
	text_add(&t, (struct slice){ hex, sizeof hex });
	text_char(&t, ' ');
	text_add(&t, text_slice(&body));
	return text_end(&t);
}

static bool read_record(const struct revoke_machines *s, struct slice record, struct slice *id,
                        uint64_t *read_ms)
{
	struct slice body = record, mac = slice_cut(&body, ' '), rest = body, whole;
	char all[2 * RECORD_MAX];

	if (record.len >= RECORD_MAX || !signed_part(s, body, all, &whole) ||
	    !crypt_is_signed(s->share->key, s->share->keys, whole, mac))
		return false;
	*id = slice_cut(&rest, ' ');
	(void)slice_cut(&rest, ' '); /* its name: the heartbeat says it too */
	return slice_u64(rest, read_ms);
}

/* ---- asking ---- */

static void tell(struct revoke_machines *s)
{
	char record[RECORD_MAX], score[24];
	uint64_t read_ms = s->share->read_ms;

	s->read_ms = read_ms;
	if (!write_record(s, read_ms, record))
		return;
	const struct slice words[] = { S("ZADD"), KEY, number(score, redis_ms(s)), slice_of(record) };
	ask(s, SEEN_TELLING, words, 4);
}

static void trim(struct revoke_machines *s)
{
	char to[24];
	const struct slice words[] = { S("ZREMRANGEBYSCORE"), KEY, S("-inf"), number(to, redis_ms(s) - KEPT_MS) };

	ask(s, SEEN_TRIMMING, words, 4);
}

static void expire(struct revoke_machines *s)
{
	const struct slice words[] = { S("PEXPIRE"), KEY, S("60000") };

	ask(s, SEEN_EXPIRING, words, 3);
}

static void list(struct revoke_machines *s)
{
	char from[24];
	const struct slice words[] = { S("ZRANGEBYSCORE"),
		                           S("fleet"),
		                           number(from, redis_ms(s) - LISTED_MS),
		                           S("+inf"),
		                           S("WITHSCORES"),
		                           S("LIMIT"),
		                           S("0"),
		                           S(LIST_PAGE) };

	ask(s, SEEN_LISTING, words, 8);
}

static void look(struct revoke_machines *s)
{
	char from[24];
	const struct slice words[] = { S("ZRANGEBYSCORE"), KEY,        number(from, s->share->told_ms),
		                           S("+inf"),          S("LIMIT"), S("0"),
		                           S(LOOK_PAGE) };

	ask(s, SEEN_LOOKING, words, 7);
}

/* ---- answers ---- */

static bool is_this(const struct revoke_machines *s, struct slice id)
{
	struct slice ours = s->env->machine;

	return slice_same(slice_cut(&ours, ' '), id);
}

/* What does not look like one of ours is left out: a name goes to a terminal. */
static bool is_member(struct slice id, struct slice name)
{
	if (id.len != MACHINE_ID || name.len == 0 || name.len > MACHINE_NAME)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == '"' || name.at[i] == '\\')
			return false;
	return strspn(id.at, "0123456789abcdef") >= MACHINE_ID;
}

static void take_list(struct revoke_machines *s, const struct slice *texts, size_t len)
{
	s->len = 0;
	for (size_t i = 0; i + 1 < len && s->len < MACHINES_MAX; i += 2) {
		struct slice name = texts[i], id = slice_cut(&name, ' ');
		struct seen_machine *m = &s->machine[s->len];
		if (!is_member(id, name) || is_this(s, id))
			continue;
		*m = (struct seen_machine){ 0 };
		snprintf(m->id, sizeof m->id, "%.*s", SLICE(id));
		snprintf(m->name, sizeof m->name, "%.*s", SLICE(name));
		(void)slice_u64(texts[i + 1], &m->beat_ms);
		s->len++;
	}
	s->listed = true;
	s->look_ns = 0;
}

static void take_records(struct revoke_machines *s, const struct slice *texts, size_t len)
{
	struct slice id;
	uint64_t read_ms;

	for (size_t i = 0; i < len; i++) {
		if (!read_record(s, texts[i], &id, &read_ms) || read_ms <= s->share->told_ms + CLOCKS_MS)
			continue;
		for (size_t m = 0; m < s->len; m++)
			if (slice_same(slice_of(s->machine[m].id), id))
				s->machine[m].confirmed = true;
	}
}

static void on_answer(void *for_whom, bool answered, const struct slice *texts, size_t len)
{
	struct revoke_machines *s = for_whom;
	enum seen_doing done = s->doing;

	s->doing = SEEN_NOTHING;
	if (!answered)
		return;
	if (done == SEEN_TELLING)
		trim(s);
	else if (done == SEEN_TRIMMING)
		expire(s);
	else if (done == SEEN_LISTING)
		take_list(s, texts, len);
	else if (done == SEEN_LOOKING)
		take_records(s, texts, len);
}

uint64_t machines_tick(struct revoke_machines *s, uint64_t now_ns)
{
	const struct revoke_sync *share = s->share;
	bool wanted = now_ns < s->wanted_ns && share->told_ms && !revocations_unshared(share->all);

	if (!share->keys || s->doing)
		return UINT64_MAX;
	if (share->read_ms > s->read_ms && share->newest_ms + RECENT_MS > share->read_ms)
		tell(s);
	else if (wanted && now_ns >= s->look_ns && !machines_by_all(s)) {
		s->look_ns = now_ns + LOOK_NS;
		if (s->listed)
			look(s);
		else
			list(s);
	}
	return wanted && !s->doing ? s->look_ns : UINT64_MAX;
}

void machines_want(struct revoke_machines *s, uint64_t until_ns)
{
	s->wanted_ns = until_ns;
	s->listed = false;
	s->len = 0;
	s->look_ns = 0;
}

bool machines_by_all(const struct revoke_machines *s)
{
	for (size_t i = 0; i < s->len; i++)
		if (!s->machine[i].confirmed)
			return false;
	return s->listed;
}

static void write_some(const struct revoke_machines *s, struct text *t, bool confirmed)
{
	uint64_t now_ms = redis_ms(s);
	bool first = true;

	for (size_t i = 0; i < s->len; i++) {
		const struct seen_machine *m = &s->machine[i];
		if (m->confirmed != confirmed)
			continue;
		text_printf(t, "%s\"%s (%.8s", first ? "" : ",", m->name, m->id);
		if (!confirmed)
			text_printf(t, ", last heard of %llu s ago",
			            (unsigned long long)(now_ms > m->beat_ms ? (now_ms - m->beat_ms) / 1000 : 0));
		text_add(t, S(")\""));
		first = false;
	}
}

void machines_write(const struct revoke_machines *s, struct text *t)
{
	text_add(t, S("\"machines\":{\"confirmed\":["));
	write_some(s, t, true);
	text_add(t, S("],\"unconfirmed\":["));
	write_some(s, t, false);
	text_add(t, S("]}"));
}

void machines_open(struct revoke_machines *s, const struct revoke_sync *share,
                   const struct revocation_env *env)
{
	*s = (struct revoke_machines){ .share = share, .env = env };
}
