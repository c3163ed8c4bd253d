/* The verbs of the admin socket that revoke: revoke, unrevoke, revocations. Whoever revokes is told which
 * workers have begun a turn since, hence judge by it. */
#include "keeper/inside.h"
#include <jansson.h>
#include <stdlib.h>

#define CONFIRM_NS NS_PER_S
#define MACHINES_NS (2 * NS_PER_S) /* others read every 300 ms, and tell it through Redis */
#define TURNS 2                    /* the one under way may have judged before */
#define PENDING_MAX 16
#define MACHINES_MAX_BYTES (64 * 1024)     /* names of the fleet's machines */
#define LIST_MAX ((size_t)3 * 1024 * 1024) /* bytes: admin_call takes no more than 4 MiB */

struct confirming {
	struct confirming *next;
	struct admin_ask *ask;
	uint64_t until_ns, machines_ns;
	bool kept;
	uint64_t beats[SEATS_MAX];
	pid_t pid[SEATS_MAX]; /* 0: nobody sat there */
};

/* ---- who has seen it ---- */

static bool has_seen(const struct shared *s, const struct confirming *c, unsigned seat)
{
	return atomic_load(&shared_reported(s, seat)->beats) >= c->beats[seat] + TURNS;
}

/* Its process has ended: another one there reads the table as it begins. */
static bool is_gone(const struct shared *s, const struct confirming *c, unsigned seat)
{
	return atomic_load(&s->seats[seat].pid) != c->pid[seat];
}

static void begin(struct keeper *k, struct admin_ask *ask, bool kept)
{
	struct confirming *c = calloc(1, sizeof *c);
	struct shared *s = k->shared;

	if (!c) {
		keeper_refuse(ask, "it is done, but there is no memory to say who has confirmed it");
		return;
	}
	c->ask = ask;
	c->until_ns = k->loop->now_ns + CONFIRM_NS;
	c->machines_ns = k->loop->now_ns + MACHINES_NS;
	revoker_ask_machines(issuer_keeper_revoker(k->verify), c->machines_ns);
	c->kept = kept;
	for (unsigned i = SEAT_WORKERS; i < s->seats_len; i++) {
		bool serves = shared_state(s, i) >= SEAT_SERVING;
		c->pid[i] = serves ? atomic_load(&s->seats[i].pid) : 0;
		c->beats[i] = atomic_load(&shared_reported(s, i)->beats);
	}
	c->next = k->confirming;
	k->confirming = c;
	k->confirming_len++;
}

static void print_seat(struct text *t, const struct shared *s, unsigned seat, bool *first)
{
	text_printf(t, "%s{\"slot\":%u,\"generation\":%u,\"pid\":%d}", *first ? "" : ",",
	            atomic_load(&s->seats[seat].slot), atomic_load(&s->seats[seat].generation),
	            (int)atomic_load(&s->seats[seat].pid));
	*first = false;
}

static void tell_those(struct text *t, const struct shared *s, const struct confirming *c, bool confirmed)
{
	bool first = true;

	for (unsigned i = SEAT_WORKERS; i < s->seats_len; i++)
		if (c->pid[i] && !is_gone(s, c, i) && has_seen(s, c, i) == confirmed)
			print_seat(t, s, i, &first);
}

static void answer(struct keeper *k, const struct confirming *c)
{
	static char line[SEATS_MAX * 64 + MACHINES_MAX_BYTES];
	struct text t = TEXT(line);

	text_printf(&t, "{\"kept\":%s,\"confirmed\":[", c->kept ? "true" : "false");
	tell_those(&t, k->shared, c, true);
	text_add(&t, S("],\"unconfirmed\":["));
	tell_those(&t, k->shared, c, false);
	static const char *const fleet[] = {
		[REVOKER_ALONE] = "null", [REVOKER_FLEET_UNTOLD] = "false", [REVOKER_FLEET_TOLD] = "true"
	};
	text_printf(&t, "],\"fleet\":%s",
	            k->verify ? fleet[revoker_fleet_knows(issuer_keeper_revoker(k->verify))] : "false");
	if (k->verify && revoker_fleet_knows(issuer_keeper_revoker(k->verify)) == REVOKER_FLEET_TOLD) {
		text_char(&t, ',');
		revoker_print_machines(issuer_keeper_revoker(k->verify), &t);
	}
	text_char(&t, '}');
	admin_answer(c->ask, text_slice(&t));
}

/* Rings again those who have not: a turn may have been under way. */
static bool is_over(struct keeper *k, const struct confirming *c)
{
	struct shared *s = k->shared;
	enum revoker_fleet fleet =
	    k->verify ? revoker_fleet_knows(issuer_keeper_revoker(k->verify)) : REVOKER_ALONE;
	bool all = fleet != REVOKER_FLEET_UNTOLD;
	bool known = fleet != REVOKER_FLEET_TOLD || revoker_machines_know(issuer_keeper_revoker(k->verify));

	for (unsigned i = SEAT_WORKERS; i < s->seats_len; i++)
		if (c->pid[i] && !is_gone(s, c, i) && !has_seen(s, c, i)) {
			shared_notify(s->notify_fds[i]);
			all = false;
		}
	return (all && known) || k->loop->now_ns >= (fleet == REVOKER_FLEET_TOLD ? c->machines_ns : c->until_ns);
}

void keeper_confirm(struct keeper *k, bool ending)
{
	for (struct confirming **at = &k->confirming; *at;) {
		struct confirming *c = *at;
		if (!is_over(k, c) && !ending) {
			at = &c->next;
			continue;
		}
		answer(k, c);
		*at = c->next;
		free(c);
		k->confirming_len--;
	}
}

void keeper_unconfirm(struct keeper *k, const struct admin_ask *ask)
{
	for (struct confirming **at = &k->confirming; *at;) {
		struct confirming *c = *at;
		if (c->ask != ask) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
		k->confirming_len--;
	}
}

/* ---- the verbs ---- */

static struct slice text_member(const json_t *of, const char *name)
{
	const json_t *member = json_object_get(of, name);

	return (struct slice){ json_string_value(member), json_string_length(member) };
}

static uint64_t time_member(const json_t *of, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(of, name));

	return n > 0 ? (uint64_t)n : 0;
}

static void change(struct keeper *k, struct admin_ask *ask, bool revoke, struct slice json)
{
	json_t *what = json_loadb(json.at, json.len, JSON_REJECT_DUPLICATES, NULL);
	const struct revocation_order r = { .issuer = text_member(what, "issuer"),
		                                .kind = text_member(what, "kind"),
		                                .value = text_member(what, "value"),
		                                .until_s = time_member(what, "until"),
		                                .before_s = time_member(what, "before") };
	bool kept = true;
	const char *why = "it cannot be read";

	if (k->confirming_len == PENDING_MAX)
		why = "too many others are being confirmed; ask again";
	else if (json_is_object(what))
		why = revoke ? revoker_add(issuer_keeper_revoker(k->verify), &r, &kept)
		             : revoker_undo(issuer_keeper_revoker(k->verify), &r, &kept);
	json_decref(what);
	if (why)
		keeper_refuse(ask, why);
	else
		begin(k, ask, kept);
}

static void write_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

static void list(struct keeper *k, struct admin_ask *ask)
{
	char *store = malloc(LIST_MAX);
	struct text t = { .at = store, .cap = store ? LIST_MAX : 0 };
	const char *lost = revoker_lost(issuer_keeper_revoker(k->verify));

	text_add(&t, S("{\"lost\":"));
	text_printf(&t, lost ? "\"%s\"" : "null", lost);
	text_add(&t, S(",\"revocations\":["));
	revoker_print(issuer_keeper_revoker(k->verify), write_piece, &t);
	text_add(&t, S("]}"));
	if (t.cut)
		keeper_refuse(ask, "the list does not fit into an answer");
	else
		admin_answer(ask, text_slice(&t));
	free(store);
}

bool keeper_on_revoke_ask(struct keeper *k, struct admin_ask *ask, struct slice verb)
{
	struct slice word = slice_cut(&verb, ' ');
	bool revoke = slice_same(word, S("revoke")), undo = slice_same(word, S("unrevoke"));

	if (!revoke && !undo && !slice_same(word, S("revocations")))
		return false;
	if (!k->verify)
		keeper_refuse(ask, "a new keeper is taking over; ask again");
	else if (revoke || undo)
		change(k, ask, revoke, verb);
	else
		list(k, ask);
	return true;
}
