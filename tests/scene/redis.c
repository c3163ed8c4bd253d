/* redis.c -- the Redis of a scene: what the proxies ask of one, on the scene's clock. */
#include "scene.h"
#include "base/check.h"
#include <unistd.h>

static struct redis_key *key_of_name(struct fake_redis *r, struct slice name)
{
	uint64_t now_ms = scene_wall_ns() / NS_PER_MS;

	for (size_t i = 0; i < sizeof r->keys / sizeof *r->keys; i++) {
		struct redis_key *k = &r->keys[i];
		if (k->name[0] && k->expires_ms && k->expires_ms <= now_ms)
			memset(k, 0, sizeof *k);
		if (!k->name[0]) {
			check(name.len < sizeof k->name);
			memcpy(k->name, name.at, name.len);
		}
		if (slice_same(slice_of(k->name), name))
			return k;
	}
	check(false); /* more keys than a scene needs */
	return NULL;
}

static int64_t integer(struct slice w)
{
	bool negative = w.len && w.at[0] == '-';
	uint64_t n = 0;

	check(slice_u64(slice_from(w, negative), &n));
	return negative ? -(int64_t)n : (int64_t)n;
}

/* INCRBY u63 0 under OVERFLOW FAIL or SAT, which is all that limits ask for. */
static void bitfield(struct fake_redis *r, const struct slice *words, size_t len, struct text *to)
{
	struct redis_key *k = key_of_name(r, words[1]);
	bool saturate = false;
	char values[512];
	struct text t = TEXT(values);
	unsigned count = 0;

	for (size_t i = 2; i < len;) {
		if (slice_same(words[i], S("OVERFLOW"))) {
			saturate = slice_same(words[i + 1], S("SAT"));
			i += 2;
			continue;
		}
		check(slice_same(words[i], S("INCRBY")) && slice_same(words[i + 1], S("u63")));
		int64_t sum;
		bool over = __builtin_add_overflow((int64_t)k->value, integer(words[i + 3]), &sum);
		if ((over || sum < 0) && !saturate) {
			text_add(&t, S("$-1\r\n"));
		} else {
			k->value = over ? INT64_MAX : sum < 0 ? 0 : (uint64_t)sum;
			text_printf(&t, ":%llu\r\n", (unsigned long long)k->value);
		}
		count++;
		i += 4;
	}
	text_printf(to, "*%u\r\n", count);
	text_add(to, text_slice(&t));
}

/* SET key value [NX] [GET] [PX ms] and the like. */
static void set(struct fake_redis *r, const struct slice *words, size_t len, struct text *to)
{
	struct redis_key *k = key_of_name(r, words[1]);
	bool if_none = false, gets = false;
	uint64_t ms = 0;
	char before[128];

	memcpy(before, k->text, sizeof before);
	for (size_t i = 3; i < len; i++) {
		if_none = if_none || slice_same_nocase(words[i], S("NX"));
		gets = gets || slice_same_nocase(words[i], S("GET"));
		if (slice_same_nocase(words[i], S("PX")))
			ms = (uint64_t)integer(words[++i]);
	}
	bool sets = !if_none || !before[0];
	if (sets) {
		check(words[2].len < sizeof k->text);
		memset(k->text, 0, sizeof k->text);
		memcpy(k->text, words[2].at, words[2].len);
		k->expires_ms = ms ? scene_wall_ns() / NS_PER_MS + ms : 0;
	}
	if (gets && before[0])
		text_printf(to, "$%zu\r\n%s\r\n", strlen(before), before);
	else
		text_add(to, sets && !gets ? S("+OK\r\n") : S("$-1\r\n"));
}

static void about_key(struct fake_redis *r, const struct slice *words, size_t len, struct text *to)
{
	struct slice what = words[0];

	r->commands++;
	if (slice_same_nocase(what, S("BITFIELD"))) {
		bitfield(r, words, len, to);
	} else if (slice_same_nocase(what, S("SET"))) {
		set(r, words, len, to);
	} else if (slice_same_nocase(what, S("PEXPIRE"))) {
		key_of_name(r, words[1])->expires_ms = scene_wall_ns() / NS_PER_MS + (uint64_t)integer(words[2]);
		text_add(to, S(":1\r\n"));
	} else if (slice_same_nocase(what, S("GET"))) {
		struct redis_key *k = key_of_name(r, words[1]);
		if (k->text[0])
			text_printf(to, "$%zu\r\n%s\r\n", strlen(k->text), k->text);
		else
			text_add(to, S("$-1\r\n"));
	} else if (slice_same_nocase(what, S("DEL"))) {
		memset(key_of_name(r, words[1]), 0, sizeof(struct redis_key));
		text_add(to, S(":1\r\n"));
	} else {
		text_printf(to, "-ERR unknown command %.*s\r\n", SLICE(what));
	}
}

static void answer(struct fake_redis *r, const struct slice *words, size_t len, struct text *to)
{
	static const char run[] = "run_id:aaaa\r\n";
	char s[24], us[24];
	uint64_t now = scene_wall_ns();

	if (slice_same_nocase(words[0], S("PING")))
		text_add(to, S("+PONG\r\n"));
	else if (slice_same_nocase(words[0], S("AUTH")) || slice_same_nocase(words[0], S("CLIENT")))
		text_add(to, S("+OK\r\n"));
	else if (slice_same_nocase(words[0], S("ROLE")))
		text_add(to, S("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"));
	else if (slice_same_nocase(words[0], S("INFO")))
		text_printf(to, "$%zu\r\n%s\r\n", sizeof run - 1, run);
	else if (slice_same_nocase(words[0], S("TIME"))) {
		snprintf(s, sizeof s, "%llu", (unsigned long long)(now / NS_PER_S));
		snprintf(us, sizeof us, "%llu", (unsigned long long)(now % NS_PER_S / NS_PER_US));
		text_printf(to, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(s), s, strlen(us), us);
	} else {
		about_key(r, words, len, to);
	}
}

/* The length of the command at the front of `in`, and its words; 0: it is not all there. */
static size_t command(struct slice in, struct slice words[static 32], size_t *words_len)
{
	struct slice rest = in, line;
	uint64_t count = 0, len = 0;

	line = slice_cut(&rest, '\n');
	if (line.len < 3 || !slice_u64(slice_head(slice_from(line, 1), line.len - 2), &count))
		return 0;
	check(count <= 32);
	for (uint64_t i = 0; i < count; i++) {
		line = slice_cut(&rest, '\n');
		if (line.len < 3 || !slice_u64(slice_head(slice_from(line, 1), line.len - 2), &len) ||
		    rest.len < len + 2)
			return 0;
		words[i] = slice_head(rest, len);
		rest = slice_from(rest, len + 2);
	}
	*words_len = count;
	return in.len - rest.len;
}

static void serve(struct fake_redis *r, struct peer *p)
{
	static char bytes[BUFFER];
	struct text t = TEXT(bytes);
	struct slice words[32];
	size_t len, words_len;

	while ((len = command((struct slice){ p->in, p->len }, words, &words_len)) > 0) {
		answer(r, words, words_len, &t);
		peer_eat(p, len);
	}
	check(!t.cut);
	if (t.len)
		peer_write(p, text_slice(&t));
}

void redis_turn(struct scene *s)
{
	struct fake_redis *r = &s->redis;
	bool over;

	if (r->hangs)
		return;
	peers_accept(r->fd, r->peers);
	for (unsigned i = 0; i < PEERS; i++)
		if (peer_read(&r->peers[i], &over) || (r->peers[i].fd >= 0 && r->peers[i].len))
			serve(r, &r->peers[i]);
}

void redis_down(struct scene *s)
{
	if (s->redis.fd >= 0)
		close(s->redis.fd);
	s->redis.fd = -1;
	unlink(s->redis.socket);
	for (unsigned i = 0; i < PEERS; i++)
		peer_close(&s->redis.peers[i]);
}
