/* handshake.c -- the first words on a connection: AUTH first, all of them in one write. */
#include "metrics/metrics.h"
#include "redis/inside.h"

/* An error of the greeting ends the connection, and says why. */
static bool is_well(struct channel *l, const struct redis_answer *a, enum channel_end otherwise)
{
	if (a->outcome == REDIS_REFUSED)
		channel_doom(l, slice_starts(a->values->text, S("NOAUTH")) ? END_AUTH : otherwise, a->values->text);
	return a->outcome == REDIS_ANSWERED;
}

static void on_auth(void *with, const struct redis_answer *a)
{
	is_well(with, a, END_AUTH);
}

static void on_role(void *with, const struct redis_answer *a)
{
	struct channel *l = with;

	if (!is_well(l, a, END_ROLE))
		return;
	const struct redis_value *v = a->values;
	if (v->type != REDIS_ARRAY || !v->len || !slice_same(v->array[0].text, S("master"))) {
		if (l->shard->run[0]) /* it was one */
			metrics_add(metrics_series(METRIC_redis_replaced_total, S("role"), S(""), S(""), S("")), 1);
		l->shard->run[0] = '\0';
		channel_doom(l, END_ROLE, S("it is no master"));
	}
}

static void on_info(void *with, const struct redis_answer *a)
{
	struct channel *l = with;
	struct text run = { .at = l->run, .cap = sizeof l->run };

	if (!is_well(l, a, END_ROLE))
		return;
	for (struct slice rest = a->values[0].text, line; rest.len;) {
		line = slice_cut(&rest, '\n');
		if (!slice_starts(line, S("run_id:")))
			continue;
		if (slice_ends(line, S("\r")))
			line.len--;
		text_add(&run, slice_from(line, 7));
		if (!text_end(&run))
			l->run[0] = '\0';
		return;
	}
}

/* The last word of every greeting. */
static void on_time(void *with, const struct redis_answer *a)
{
	struct channel *l = with;

	if (!is_well(l, a, END_ROLE) || l->doomed >= 0)
		return;
	channel_ready(l);
	if (l->shard)
		shard_greeted(l->shard);
}

static void on_ping(void *with, const struct redis_answer *a)
{
	struct channel *l = with;

	if (is_well(l, a, END_AUTH) && l->doomed < 0)
		channel_ready(l);
}

/* Its name, and its password, which may be empty. */
static struct slice user_of(const struct channel *l, const struct secret **password)
{
	const struct config_redis *c = l->redis->config;

	if (l->kind == CHANNEL_SENTINEL) {
		*password = &c->sentinel_password;
		return c->sentinel_user;
	}
	bool keeper = l->redis->env.is_keeper && c->keeper.user.len;
	*password = keeper ? &c->keeper.password : &c->password;
	return keeper ? c->keeper.user : c->user;
}

static bool authenticate(struct channel *l)
{
	const struct secret *password;
	struct slice user = user_of(l, &password);
	struct slice words[3] = { S("AUTH"), user, { (const char *)password->bytes, password->len } };

	if (!password->len)
		return true;
	if (words[1].len)
		return channel_ask(l, words, 3, on_auth, l);
	words[1] = words[2];
	return channel_ask(l, words, 2, on_auth, l);
}

static bool introduce(struct channel *l)
{
	const struct slice name[] = { S("CLIENT"), S("SETNAME"), slice_of(l->redis->name) };
	const struct slice role[] = { S("ROLE") }, info[] = { S("INFO"), S("server") };
	const struct slice time[] = { S("TIME") }, ping[] = { S("PING") };

	if (l->kind != CHANNEL_MASTER)
		return channel_ask(l, ping, 1, on_ping, l);
	return channel_ask(l, name, 3, on_auth, l) && channel_ask(l, role, 1, on_role, l) &&
	       channel_ask(l, info, 2, on_info, l) && channel_ask(l, time, 1, on_time, l);
}

void channel_greet(struct channel *l)
{
	struct list later, *node;
	size_t bytes = l->pending_bytes;

	list_init(&later); /* what was redirected here meanwhile waits for the end of the greeting */
	while ((node = list_shift(&l->pending)))
		list_push(&later, node);
	l->state = CHANNEL_GREETING;
	if (!authenticate(l) || !introduce(l))
		channel_doom(l, END_RESET, S("out of memory"));
	channel_send(l);
	secret_wipe(l->redis->out, sizeof l->redis->out);
	while ((node = list_shift(&later)))
		list_push(&l->pending, node);
	l->pending_bytes = bytes;
}
