/* The verbs of the admin socket that concern issuers: issuers, drill. */
#include "keeper/inside.h"
#include <stdlib.h>

#define ANSWER_MAX ((size_t)96 * 1024)

static void write_piece(void *with, struct slice piece)
{
	text_add(with, piece);
}

static void answer_issuers(struct keeper *k, struct admin_ask *ask)
{
	char *store = malloc(ANSWER_MAX);
	struct text t = { .at = store, .cap = ANSWER_MAX };

	if (store) {
		text_add(&t, S("{\"issuers\":["));
		issuer_keeper_print(k->verify, write_piece, &t);
		text_add(&t, S("]}"));
	}
	admin_answer(ask, store && !t.cut ? text_slice(&t) : S("{\"error\":\"out of memory\"}"));
	free(store);
}

/* NAME KIND SECONDS */
static void begin_drill(struct keeper *k, struct admin_ask *ask, struct slice rest)
{
	struct slice issuer = slice_cut(&rest, ' '), kind = slice_cut(&rest, ' ');
	char line[256];
	struct text t = TEXT(line);
	uint64_t for_s;
	const char *why = "it is drill NAME KIND SECONDS";

	if (slice_u64(rest, &for_s))
		why = issuer_keeper_drill(k->verify, issuer, kind, for_s);
	if (!why) {
		answer_issuers(k, ask);
		return;
	}
	text_printf(&t, "{\"error\":\"%s\"}", why);
	admin_answer(ask, text_slice(&t));
}

bool keeper_on_issuer_ask(struct keeper *k, struct admin_ask *ask, struct slice verb)
{
	struct slice word = slice_cut(&verb, ' ');
	bool drill = slice_same(word, S("drill"));

	if (!drill && !slice_same(word, S("issuers")))
		return false;
	if (!k->verify)
		admin_answer(ask, S("{\"error\":\"a new keeper is taking over; ask again\"}"));
	else if (drill)
		begin_drill(k, ask, verb);
	else
		answer_issuers(k, ask);
	return true;
}
