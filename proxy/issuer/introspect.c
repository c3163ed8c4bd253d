/* Opaque tokens: the issuer is asked about each once per machine, however many wait for it.
 *
 * Everything goes through the issuer's gate (outbound.h), where keys go first. What was said is published; of
 * a token that could not be asked about it is published that it could not, so that nobody waits for nothing.
 * An issuer that fails again and again is left alone for a while. */
#include "issuer/introspect.h"
#include "base/check.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "base/urlencoded.h"
#include "metrics/metrics.h"
#include <stdio.h>

#define UNDER_WAY_MAX 2048
#define FAILURES_MAX 5 /* in a row, before it is left alone */

/* ---- opening and closing ---- */

static char *encoded(struct slice from)
{
	struct text t = { .at = malloc(3 * from.len + 1), .cap = 3 * from.len + 1 };

	check(t.at);
	urlencoded_add(&t, from);
	check(text_end(&t));
	return t.at;
}

static void open_one(struct inquiries *all, struct inquirer *i, struct source *s)
{
	static const char *const outcomes[OUTCOMES] = { "good", "refused", "failed", "shared", "unusable" };
	const struct config_opaque *o = s->config->opaque;

	if (!o)
		return;
	i->source = s;
	check(opaque_who(all->keeper->config, s->config, i->who));
	i->plan = reply_plan_of(all->keeper->config, s->config, i->wanted);
	i->user = encoded(o->client_id);
	i->password = encoded(o->client_secret);
	for (int n = 0; n < OUTCOMES; n++)
		i->series[n] =
		    metrics_series(METRIC_issuer_inquiries_total, s->config->id, slice_of(outcomes[n]), S(""), S(""));
}

struct inquiries *inquiries_open(struct issuer_keeper *k)
{
	struct inquiries *all = calloc(1, sizeof *all);

	check(all && crypt_open(&all->crypt));
	all->keeper = k;
	const CONFIG_SECRETS *fleet = &k->config->root.secrets.fleet;
	struct slice secret = { 0 };
	if (fleet->len)
		secret = (struct slice){ (const char *)fleet->at[0].bytes, fleet->at[0].len };
	seal_open(&all->seal, secret, "sallyport opaque token");
	list_init(&all->under_way);
	atomic_fetch_add(&k->published->opaque.keepers, 1);
	atomic_fetch_add(&k->published->opaque.moved, 1);
	all->of = calloc(k->len + 1, sizeof *all->of);
	check(all->of);
	for (size_t i = 0; i < k->len; i++)
		open_one(all, &all->of[i], &k->source[i]);
	return all;
}

/* What was sent is wiped: it is a credential. */
static void end(struct introspection *q)
{
	list_remove(&q->link);
	q->all->len--;
	secret_wipe(q->text, q->size);
	free(q);
}

static void close_one(struct inquirer *i)
{
	if (!i->source)
		return;
	secret_wipe(i->password, strlen(i->password));
	free(i->user);
	free(i->password);
}

void inquiries_close(struct inquiries *all)
{
	while (!list_is_empty(&all->under_way))
		end(list_entry(all->under_way.next, struct introspection, link));
	for (size_t i = 0; i < all->keeper->len; i++)
		close_one(&all->of[i]);
	crypt_close(&all->crypt);
	seal_close(&all->seal);
	free(all->of);
	free(all);
}

/* ---- what comes of one ---- */

static uint64_t backoff_ns(unsigned failures)
{
	uint64_t ns = random_jitter(NS_PER_S << (failures < 5 ? failures : 5), 20);

	return ns < NS_PER_S ? NS_PER_S : ns;
}

static void works(struct inquirer *i)
{
	if (i->failures)
		log_info("issuer %.*s: tokens can be asked about again", SLICE(i->source->config->id));
	i->failures = 0;
	i->failure[0] = '\0';
	i->not_before_ns = 0;
}

/* Does the issuer say by that status that something is wrong with this one question, and nothing of itself?
 * Who sends odd tokens can have it say so. */
static bool is_of_one(int status)
{
	return status == 400 || status == 413 || status == 414 || status == 422;
}

/* Does it say too much of the one token to be read? */
static bool is_too_long(int status, struct slice body, const char *failure)
{
	return status == 200 && (failure || body.len > REPLY_BYTES_MAX);
}

/* It could not be asked about, for no fault of the issuer's. */
static void failed_alone(struct introspection *q)
{
	works(q->by);
	metrics_add(q->by->series[OUTCOME_FAILED], 1);
	opaque_publish(inquiry_table(q), q->id, OPAQUE_FAILED, keeper_now(q->all->keeper) + OPAQUE_REFUSED_NS);
}

static void failed(struct introspection *q, const char *why)
{
	struct inquirer *i = q->by;
	uint64_t until_ns = keeper_now(q->all->keeper) + backoff_ns(i->failures);

	if (strcmp(i->failure, why) != 0)
		log_warn("issuer %.*s: a token could not be asked about: %s", SLICE(i->source->config->id), why);
	snprintf(i->failure, sizeof i->failure, "%s", why);
	if (++i->failures >= FAILURES_MAX)
		i->not_before_ns = until_ns;
	metrics_add(i->series[OUTCOME_FAILED], 1);
	opaque_publish(inquiry_table(q), q->id, OPAQUE_FAILED, until_ns);
}

static void refused(struct introspection *q)
{
	works(q->by);
	metrics_add(q->by->series[OUTCOME_REFUSED], 1);
	opaque_take_back(inquiry_table(q), q->id);
	opaque_publish(inquiry_table(q), q->id, OPAQUE_REFUSED, keeper_now(q->all->keeper) + OPAQUE_REFUSED_NS);
	fleet_forget(q);
}

/* An answer that concerns one token says nothing against its issuer. What was said of the token before holds
 * no more. */
static void unusable(struct introspection *q, const char *why)
{
	struct inquirer *i = q->by;
	uint64_t until_ns = keeper_now(q->all->keeper) + OPAQUE_REFUSED_NS;

	works(i);
	if (strcmp(i->unusable, why) != 0)
		log_warn("issuer %.*s: what it says of a token cannot be used: %s", SLICE(i->source->config->id),
		         why);
	snprintf(i->unusable, sizeof i->unusable, "%s", why);
	metrics_add(i->series[OUTCOME_UNUSABLE], 1);
	opaque_take_back(inquiry_table(q), q->id);
	opaque_publish_why(inquiry_table(q), q->id, why, until_ns);
	fleet_forget(q);
}

static void good(struct introspection *q, struct slice text)
{
	struct opaque_head head = { .asked_ns = q->begun_ns };

	works(q->by);
	metrics_add(q->by->series[OUTCOME_GOOD], 1);
	head.generation = atomic_fetch_add(&q->all->keeper->published->generations, 1) + 1;
	memcpy(head.id, q->id, sizeof head.id);
	opaque_publish(inquiry_table(q), q->id, OPAQUE_NOTHING, 0); /* what was said before holds no more */
	opaque_put(inquiry_table(q), &head, text);
	fleet_learn(q, text);
}

/* What a signed answer says; free() it. NULL: it is not believed, and `why` says what came. */
static char *opened(const struct introspection *q, struct slice body, char *why, size_t cap)
{
	struct issuer_keeper *k = q->all->keeper;
	const struct source *s = q->by->source;
	struct reply_signed answer = { .issuer = s->config,
		                           .keys = s->keys,
		                           .crypt = &q->all->crypt,
		                           .wall_s = k->env.wall_s(k->env.with),
		                           .skew_s = k->config->root.verification.skew / NS_PER_S };
	char *said = reply_open(&answer, body);

	if (!said)
		snprintf(why, cap, "%s", answer.why);
	if (answer.is_of_unknown_key)
		issuer_keeper_unknown(k, s->config->id, answer.jwt.kid, answer.issued_s);
	return said;
}

/* As reply_read, of a signed answer what is in it. */
static enum reply read_answer(const struct introspection *q, int status, struct slice body,
                              char text[OPAQUE_TEXT_MAX], size_t *len, char *why, size_t cap)
{
	bool introspects = !q->by->source->config->opaque->by; /* WORDS: introspection|userinfo */
	bool is_signed = introspects && status == 200 && body.len <= REPLY_BYTES_MAX && reply_is_signed(body);
	char *said = is_signed ? opened(q, body, why, cap) : NULL;
	const char *wrong = "";

	if (is_signed && !said)
		return REPLY_MALFORMED;
	enum reply reply = reply_read(&q->by->plan, status, said ? slice_of(said) : body, text, len, &wrong);
	snprintf(why, cap, "%s", wrong);
	free(said);
	return reply;
}

static void on_answer(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure)
{
	struct introspection *q = for_whom;
	char text[OPAQUE_TEXT_MAX], why[160], said[sizeof why + 60];
	size_t len = 0;

	(void)max_age_s;
	snprintf(why, sizeof why, "%s", failure ? failure : "no answer");
	enum reply reply = status ? read_answer(q, status, body, text, &len, why, sizeof why) : REPLY_MALFORMED;
	if (status)
		snprintf(said, sizeof said, "its answer of status %d is of no use: %s", status, why);
	if (reply == REPLY_GOOD)
		good(q, (struct slice){ text, len });
	else if (reply == REPLY_REFUSED)
		refused(q);
	else if (reply == REPLY_UNUSABLE)
		unusable(q, why);
	else if (is_of_one(status) || is_too_long(status, body, failure))
		failed_alone(q);
	else
		failed(q, status ? said : why);
	inquiry_end(q);
}

void inquiry_end(struct introspection *q)
{
	struct issuer_keeper *k = q->all->keeper;

	end(q);
	keeper_notify_workers(k);
}

/* ---- asking ---- */

void inquiry_send(struct introspection *q)
{
	outbound_send(&q->by->source->outbound, &q->fetch);
}

static bool is_under_way(const struct inquiries *all, const unsigned char id[SHA256_LEN])
{
	for (const struct list *node = all->under_way.next; node != &all->under_way; node = node->next)
		if (memcmp(list_entry(node, struct introspection, link)->id, id, SHA256_LEN) == 0)
			return true;
	return false;
}

/* Has another worker's question been answered meanwhile? */
static bool is_settled(const struct inquirer *i, const struct opaque_table *t,
                       const unsigned char id[SHA256_LEN], uint64_t now)
{
	struct opaque_seen seen;

	if (opaque_heard(t, id, now) != OPAQUE_NOTHING)
		return true;
	return opaque_find(t, id, &seen) && now < seen.head.asked_ns + i->source->config->opaque->fresh / 2;
}

static struct introspection *make(struct inquiries *all, struct inquirer *i, struct slice token)
{
	bool userinfo = i->source->config->opaque->by == OPAQUE_BY_USERINFO;
	size_t size = 3 * token.len + 64;
	struct introspection *q = all->len < UNDER_WAY_MAX ? calloc(1, sizeof *q + size) : NULL;
	struct text t = { .at = q ? q->text : NULL, .cap = q ? size : 0 };

	if (!q)
		return NULL;
	q->all = all;
	q->by = i;
	q->size = size;
	if (userinfo) {
		text_add(&t, token);
		q->fetch.bearer = text_slice(&t);
	} else {
		text_add(&t, S("token="));
		urlencoded_add(&t, token);
		text_add(&t, S("&token_type_hint=access_token"));
		q->fetch.form = text_slice(&t);
		q->fetch.user = slice_of(i->user);
		q->fetch.password = slice_of(i->password);
		if (i->source->signs_introspection)
			q->fetch.accept = S(REPLY_ACCEPT);
	}
	q->fetch.rank = RANK_TOKENS;
	q->fetch.url = i->source->config->opaque->endpoint;
	q->fetch.done = on_answer;
	q->fetch.for_whom = q;
	return q;
}

static void begin(struct inquiries *all, struct inquirer *i, const unsigned char id[SHA256_LEN],
                  struct slice token)
{
	uint64_t now = keeper_now(all->keeper);
	struct introspection *q =
	    now < i->not_before_ns || state_is_cut_off(i->source) ? NULL : make(all, i, token);

	if (!q) {
		uint64_t until_ns = i->not_before_ns > now ? i->not_before_ns : now + NS_PER_S;
		metrics_add(i->series[OUTCOME_FAILED], 1);
		opaque_publish(&all->keeper->published->opaque, id, OPAQUE_FAILED, until_ns);
		keeper_notify_workers(all->keeper);
		return;
	}
	memcpy(q->id, id, sizeof q->id);
	q->begun_ns = now;
	list_push(&all->under_way, &q->link);
	all->len++;
	if (!fleet_ask(q))
		inquiry_send(q);
}

void issuer_keeper_token(struct issuer_keeper *k, struct slice issuer, struct slice token)
{
	struct inquiries *all = k->inquiries;
	struct source *s = keeper_find(k, issuer);
	struct inquirer *i = s ? &all->of[s - k->source] : NULL;
	unsigned char digest[HASH_MAX], id[SHA256_LEN];
	size_t len;

	if (!i || !i->source || token.len == 0 || token.len > OPAQUE_TOKEN_MAX)
		return;
	if (!crypt_digest(&all->crypt, HASH_SHA256, token, digest, &len) ||
	    !opaque_id(&all->crypt, i->who, digest, id))
		return;
	if (!is_under_way(all, id) && !is_settled(i, &all->keeper->published->opaque, id, keeper_now(k)))
		begin(all, i, id, token);
}
