/* world_lines.c -- the lines of a scene that say what happens around the proxy, and what is seen of it. */
#include "scene.h"
#include "base/check.h"
#include "revocation/revocation.h"

/* ---- upstreams ---- */

static struct fake_upstream *upstream_named(struct scene *s, struct slice name)
{
	struct fake_upstream *u = upstream_find(s, name);

	if (u)
		return u;
	check(s->upstreams_len < UPSTREAMS);
	u = &s->upstreams[s->upstreams_len++];
	u->fd = -1;
	peers_init(u->peers);
	word_copy(s, name, u->name, sizeof u->name);
	snprintf(u->socket, sizeof u->socket, "%s/%.*s.sock", s->directory, SLICE(name));
	return u;
}

static void upstream_saw(struct scene *s, struct fake_upstream *u, struct slice rest)
{
	struct slice text = word(&rest), kind = word(&rest);
	char wanted[512];
	bool absent = slice_same(text, S("no"));

	if (slice_same(kind, S("requests"))) {
		if (u->seen != word_number(s, text))
			scene_fail(s, "it saw %u requests", u->seen);
		return;
	}
	word_copy(s, absent ? kind : text, wanted, sizeof wanted);
	if (!strcasestr(u->last, wanted) != absent)
		scene_fail(s, "its last request had %s text; it was:\n%s", absent ? "that" : "no such", u->last);
}

static void add_text(struct scene *s, struct slice from, char *to, size_t cap, struct slice end)
{
	struct text t = { to, strlen(to), cap - 1, false };

	word_unescape(from, &t);
	text_add(&t, end);
	if (t.cut)
		scene_fail(s, "too long: %.*s", SLICE(from));
	to[t.len] = '\0';
}

/* METHOD PATH -> what it does from now on */
static void upstream_answers(struct scene *s, struct fake_upstream *u, struct slice method, struct slice rest)
{
	struct slice path = word(&rest);

	for (unsigned i = 0; i < u->answers_len; i++)
		if (slice_same(slice_of(u->answers[i].path), path) &&
		    slice_same(slice_of(u->answers[i].method), method))
			u->answers[i] = u->answers[--u->answers_len];
	struct upstream_answer *a = &u->answers[u->answers_len++];
	check(u->answers_len <= ANSWERS);
	memset(a, 0, sizeof *a);
	word_copy(s, method, a->method, sizeof a->method);
	word_copy(s, path, a->path, sizeof a->path);
	word(&rest);
	for (struct slice w = word(&rest); w.len; w = word(&rest)) {
		uint64_t status;
		if (slice_same(w, S("once")))
			a->once = true;
		else if (slice_same(w, S("cut")))
			a->does = DOES_CUT;
		else if (slice_same(w, S("hangs")))
			a->does = DOES_HANG;
		else if (slice_same(w, S("begins")))
			a->does = DOES_BEGIN;
		else if (slice_same(w, S("raw")))
			a->does = DOES_WRITE, add_text(s, word(&rest), a->body, sizeof a->body, S(""));
		else if (slice_same(w, S("body")))
			add_text(s, word(&rest), a->body, sizeof a->body, S(""));
		else if (slice_same(w, S("field")))
			add_text(s, word(&rest), a->fields, sizeof a->fields, S("\r\n"));
		else if (slice_u64(w, &status))
			a->status = (unsigned)status;
		else
			scene_fail(s, "unknown word: %.*s", SLICE(w));
	}
	if (!a->body[0])
		snprintf(a->body, sizeof a->body, "upstream");
}

static void upstream_line(struct scene *s, struct slice rest)
{
	struct fake_upstream *u = upstream_named(s, word(&rest));
	struct slice what = word(&rest);

	if (!what.len)
		return;
	if (slice_same(what, S("sends")) || slice_same(what, S("ends")) || slice_same(what, S("cuts"))) {
		upstream_stream(s, u, what, word(&rest));
		world_settle(s);
	} else if (slice_same(what, S("down"))) {
		world_open(s);
		upstream_down(u);
	} else if (slice_same(what, S("up"))) {
		u->fd = peers_listen(s, u->socket);
	} else if (slice_same(what, S("saw"))) {
		world_open(s);
		upstream_saw(s, u, rest);
	} else if (slice_same(what, S("was"))) { /* was left N times */
		word(&rest);
		world_settle(s);
		if (u->gone != word_number(s, word(&rest)))
			scene_fail(s, "it was left %u times", u->gone);
	} else {
		upstream_answers(s, u, what, rest);
	}
}

/* ---- the issuer, Redis, the operator ---- */

static void issuer_says(struct scene *s, struct slice rest)
{
	struct slice token = word(&rest), claims = word(&rest);
	struct fake_issuer *i = &s->issuer;
	struct opaque_token *t = NULL;

	for (unsigned k = 0; k < i->tokens_len; k++)
		if (slice_same(slice_of(i->tokens[k].token), token))
			t = &i->tokens[k];
	check(t || i->tokens_len < OPAQUE_TOKENS);
	t = t ? t : &i->tokens[i->tokens_len++];
	word_copy(s, token, t->token, sizeof t->token);
	word_copy(s, claims, t->claims, sizeof t->claims);
	for (char *c = t->claims; *c; c++)
		*c = *c == '\'' ? '"' : *c;
}

static void issuer_line(struct scene *s, struct slice rest)
{
	struct slice how = word(&rest);
	struct fake_issuer *i = &s->issuer;

	if (slice_same(how, S("says"))) {
		issuer_says(s, rest);
	} else if (slice_same(how, S("changes"))) { /* its key */
		issuer_key(s);
	} else if (slice_same(how, S("was"))) { /* asked N times */
		word(&rest);
		if (i->asked != word_number(s, word(&rest)))
			scene_fail(s, "it was asked %u times", i->asked);
	} else {
		i->up = slice_same(how, S("up"));
		i->hangs = slice_same(how, S("hangs"));
		i->talks_rubbish = slice_same(how, S("rubbish"));
		if (i->talks_rubbish)
			i->up = true;
		else if (!i->up && !i->hangs && !slice_same(how, S("down")))
			scene_fail(s, "an issuer is up, down, hangs or talks rubbish");
	}
}

static void redis_line(struct scene *s, struct slice rest)
{
	struct slice how = word(&rest);
	struct fake_redis *r = &s->redis;

	if (slice_same(how, S("was"))) { /* asked N times */
		word(&rest);
		if (r->commands != word_number(s, word(&rest)))
			scene_fail(s, "it was asked %u times", r->commands);
		return;
	}
	world_open(s);
	r->hangs = slice_same(how, S("hangs"));
	if (slice_same(how, S("down")))
		redis_down(s);
	else if (slice_same(how, S("up")) && r->fd < 0)
		r->fd = peers_listen(s, r->socket);
	else if (!r->hangs && !slice_same(how, S("up")))
		scene_fail(s, "Redis is up, down or hangs");
	world_settle(s);
}

/* revoke ISSUER KIND VALUE [before now], on the first machine */
static void revoke_line(struct scene *s, struct slice rest, bool undo)
{
	struct revocation_order what = { .issuer = word(&rest), .kind = word(&rest), .value = word(&rest) };
	bool kept;

	world_open(s);
	if (slice_same(word(&rest), S("before")))
		what.before_s = scene_wall_ns() / NS_PER_S;
	struct revoker *r = issuer_keeper_revoker(s->machines[0].now->keeper);
	const char *why = undo ? revoker_undo(r, &what, &kept) : revoker_add(r, &what, &kept);
	if (why)
		scene_fail(s, "not revoked: %s", why);
	world_settle(s);
}

static void drill_line(struct scene *s, struct slice rest)
{
	struct slice issuer = word(&rest), kind = word(&rest);

	world_open(s);
	const char *why = issuer_keeper_drill(s->machines[0].now->keeper, issuer, kind,
	                                      word_duration(s, word(&rest)) / NS_PER_S);
	if (why)
		scene_fail(s, "no drill: %s", why);
	world_settle(s);
}

static void barred_line(struct scene *s, struct slice rest)
{
	struct slice address = word(&rest);
	char text[80];
	struct sockaddr_storage at;
	socklen_t len;
	uint16_t port;

	snprintf(text, sizeof text, "%.*s:1", SLICE(address));
	check(address_parse(slice_of(text), &at, &len));
	s->barred = address_of(&at, &port);
}

/* reload [refused "text"]: the configuration lines follow */
static void reload_line(struct scene *s, struct slice rest)
{
	world_open(s);
	s->in_config = s->reloads = true;
	s->refusal[0] = '\0';
	if (word(&rest).len)
		word_copy(s, word(&rest), s->refusal, sizeof s->refusal);
	config_begin(s);
}

/* log has "text" | log has no "text" */
static void log_line(struct scene *s, struct slice rest)
{
	word(&rest);
	struct slice text = word(&rest);
	bool absent = slice_same(text, S("no"));
	char wanted[512];

	word_copy(s, absent ? word(&rest) : text, wanted, sizeof wanted);
	for (char *c = wanted; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (!strstr(s->log, wanted) != absent)
		scene_fail(s, "%s is %sin the access log", wanted, absent ? "" : "not ");
}

static void clock_line(struct scene *s, struct slice rest)
{
	struct slice by = word(&rest);

	world_open(s);
	if (!slice_starts(by, S("+")))
		scene_fail(s, "the clock moves by +10s, +5m, +2h or +100ms");
	world_pass(s, word_duration(s, slice_from(by, 1)));
}

bool world_line(struct scene *s, struct slice first, struct slice rest)
{
	if (slice_same(first, S("upstream")))
		upstream_line(s, rest);
	else if (slice_same(first, S("clock")))
		clock_line(s, rest);
	else if (slice_same(first, S("issuer")))
		issuer_line(s, rest);
	else if (slice_same(first, S("redis")))
		redis_line(s, rest);
	else if (slice_same(first, S("revoke")) || slice_same(first, S("unrevoke")))
		revoke_line(s, rest, slice_starts(first, S("un")));
	else if (slice_same(first, S("drill")))
		drill_line(s, rest);
	else if (slice_same(first, S("reload")))
		reload_line(s, rest);
	else if (slice_same(first, S("barred")))
		barred_line(s, rest);
	else if (slice_same(first, S("log")))
		log_line(s, rest);
	else if (slice_same(first, S("machines")))
		s->machines_len = (unsigned)word_number(s, word(&rest));
	else if (slice_same(first, S("ends"))) {
		word(&rest);
		if (word_number(s, word(&rest)) != s->ends)
			scene_fail(s, "%llu requests passed SETTLE", (unsigned long long)s->ends);
	} else
		return false;
	if (s->machines_len > MACHINES)
		scene_fail(s, "there are at most %d machines", MACHINES);
	return true;
}
