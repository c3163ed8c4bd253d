/* claims.c -- what this machine's exchanges have claimed, told to the fleet by Redis: its proxies share one
 * text for each code or refresh token, KEYSPACE:ENVIRONMENT:ex:{HASH}.
 *
 *     SET key fMACHINE NX PX 120000   GET key   -> OK, or what is there: f... (in flight) or u (used)
 *     SET key u PX 30000                        after success, whoever claimed it
 *     PEXPIRE key 0                             after any other end, where it is ours
 *
 * Within a machine its own table has decided already, so that our own MACHINE in the text is what an end
 * that Redis did not hear of has left: it is ours again. Who waited redis.budget goes on with the machine's
 * claim alone; the answer is heard all the same, and what it gave is given back, if after the request's
 * end. A claim that is left with Redis away ends by itself. */
#include "journey/inside.h"
#include "base/check.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include <stdlib.h>

#define CLAIMS 1024 /* under way at once; more are this machine's alone */
#define KEY_MAX 512
#define LABEL_MAX (1 + EXCHANGE_MACHINE)

struct shared_claim {
	struct list link; /* in free or ended */
	struct shared_claims *all;
	struct request *request; /* NULL: its end is over */
	uint64_t since_ns;
	char name[EXCHANGE_NAME];
	bool is_asking, is_held, is_hurried;
	uint8_t fault; /* what another's claim makes of the request */
};

struct shared_claims {
	struct journey *journey;
	struct exchange_key key;
	char mine[LABEL_MAX];
	struct list free, ended; /* ended: to be given back in this turn */
	struct shared_claim at[CLAIMS];
};

struct shared_claims *claims_open(struct journey *j)
{
	struct shared_claims *all;

	if (!j->env.redis || !j->env.config->root.secrets.fleet.len)
		return NULL;
	all = calloc(1, sizeof *all);
	check(all);
	if (!fleet_key(j->env.config, FLEET_KEY_EXCHANGES, &all->key, sizeof all->key)) {
		free(all);
		return NULL;
	}
	all->journey = j;
	all->mine[0] = 'f';
	exchange_machine(j->env.exchanges, all->mine + 1);
	list_init(&all->free);
	list_init(&all->ended);
	for (size_t i = 0; i < CLAIMS; i++) {
		all->at[i].all = all;
		list_push(&all->free, &all->at[i].link);
	}
	return all;
}

void claims_close(struct shared_claims *all)
{
	if (!all)
		return;
	secret_wipe(&all->key, sizeof all->key);
	free(all);
}

static void let_go(struct shared_claim *c)
{
	list_push(&c->all->free, &c->link);
}

static struct slice key_of(const struct shared_claim *c, char room[static KEY_MAX])
{
	struct text t = { .at = room, .cap = KEY_MAX };

	text_add(&t, redis_keyspace(c->all->journey->env.redis));
	text_add(&t, S("ex:{"));
	text_add(&t, (struct slice){ c->name, sizeof c->name });
	text_char(&t, '}');
	check(!t.cut);
	return text_slice(&t);
}

static uint16_t slot_of(const struct shared_claim *c)
{
	return redis_slot((struct slice){ c->name, sizeof c->name });
}

/* ---- the end ---- */

static void on_heard(void *with, const struct redis_answer *a)
{
	(void)with, (void)a; /* where it was not heard, the claim ends by itself */
}

static void tell(const struct shared_claim *c, const struct slice *words, size_t len)
{
	const struct redis_command command = { words, len };

	redis_ask(c->all->journey->env.redis, &(struct redis_ask){ .slot = slot_of(c),
	                                                           .lenient = true,
	                                                           .commands = &command,
	                                                           .commands_len = 1,
	                                                           .on_done = on_heard });
}

static void print_used(const struct shared_claim *c)
{
	char room[KEY_MAX];

	tell(c, (struct slice[]){ S("SET"), key_of(c, room), S("u"), S("PX"), S("30000") }, 5);
}

static void give_back(const struct shared_claim *c)
{
	char room[KEY_MAX];

	tell(c, (struct slice[]){ S("PEXPIRE"), key_of(c, room), S("0") }, 3);
}

void claims_settle(struct request *r)
{
	struct shared_claim *c = r->claim;

	r->claim = NULL;
	c->request = NULL;
	if (r->status >= 200 && r->status < 300) {
		print_used(c);
		c->is_held = false;
	} else if (c->is_asking) {
		c->is_held = true; /* as soon as it is known */
	} else if (c->is_held) {
		give_back(c);
	}
	if (!c->is_asking)
		let_go(c);
}

/* Those whose answer came after their end: a callback of redis/ must not ask. */
void claims_turn(struct shared_claims *all)
{
	struct list *node;

	while ((node = list_shift(&all->ended))) {
		struct shared_claim *c = list_entry(node, struct shared_claim, link);
		if (c->is_held)
			give_back(c);
		let_go(c);
	}
}

/* ---- the question ---- */

static bool is_ours(const struct shared_claim *c, struct slice text)
{
	return slice_same(text, (struct slice){ c->all->mine, sizeof c->all->mine });
}

/* Whether it is ours, and otherwise whose; what nobody of us writes is nobody's. */
static bool read_answer(struct shared_claim *c, const struct redis_answer *a, uint8_t *fault)
{
	struct slice text;

	*fault = FAULT_NONE;
	if (a->outcome != REDIS_ANSWERED || a->len != 2)
		return false;
	if (a->values[0].type == REDIS_STATUS)
		return true;
	if (a->values[1].type != REDIS_STRING)
		return false;
	text = a->values[1].text;
	if (is_ours(c, text))
		return true;
	if (slice_same(text, S("u")))
		*fault = FAULT_EXCHANGE_USED;
	else if (text.len && text.at[0] == 'f')
		*fault = FAULT_EXCHANGE_BUSY;
	return false;
}

static void on_answer(void *with, const struct redis_answer *a)
{
	struct shared_claim *c = with;
	bool held = read_answer(c, a, &c->fault);

	c->is_asking = false;
	if (!c->request) {
		c->is_held = c->is_held && held;
		list_push(&c->all->ended, &c->link);
		return;
	}
	c->is_held = held;
	if (!c->is_hurried)
		request_wake(c->request);
}

static bool ask(struct shared_claim *c)
{
	char room[KEY_MAX];
	struct slice key = key_of(c, room), mine = { c->all->mine, sizeof c->all->mine };
	struct slice set[] = { S("SET"), key, mine, S("NX"), S("PX"), S("120000") };
	struct slice get[] = { S("GET"), key };
	const struct redis_command commands[] = { { set, 6 }, { get, 2 } };

	return redis_ask(c->all->journey->env.redis, &(struct redis_ask){ .slot = slot_of(c),
	                                                                  .lenient = true,
	                                                                  .commands = commands,
	                                                                  .commands_len = 2,
	                                                                  .on_done = on_answer,
	                                                                  .with = c }) != 0;
}

static enum step_result begin(struct shared_claims *all, struct request *r)
{
	struct list *node = list_shift(&all->free);
	struct shared_claim *c = node ? list_entry(node, struct shared_claim, link) : NULL;

	if (!c)
		return GO_ON;
	*c = (struct shared_claim){ .all = all, .request = r, .since_ns = r->loop->now_ns };
	list_init(&c->link);
	if (!exchange_name(&all->key, r, c->name)) {
		let_go(c);
		return GO_ON;
	}
	r->claim = c;
	if (r->redis_waited_ns < r->config->root.redis->budget)
		c->is_asking = redis_is_usable(all->journey->env.redis, slot_of(c)) && ask(c);
	return c->is_asking ? WAIT : GO_ON;
}

enum step_result claims_enter(struct shared_claims *all, struct request *r)
{
	struct shared_claim *c = r->claim;

	if (!c)
		return begin(all, r);
	if (c->is_asking && !c->is_hurried)
		return WAIT;
	r->redis_waited_ns += r->loop->now_ns - c->since_ns;
	return c->fault && !c->is_hurried ? request_fail(r, c->fault) : GO_ON;
}

uint64_t claims_wait_ns(const struct request *r)
{
	const struct shared_claim *c = r->claim;
	uint64_t due_ns;

	if (!c)
		return 0;
	due_ns = c->since_ns + r->config->root.redis->budget - r->redis_waited_ns;
	return due_ns > r->loop->now_ns ? due_ns - r->loop->now_ns : 1;
}

void claims_stop_waiting(struct request *r)
{
	r->claim->is_hurried = true;
}

void claims_leave(struct request *r)
{
	if (r->claim)
		r->claim->is_hurried = true; /* its end gives the claim back */
}
