/* issuer.c -- the issuer of a scene: discovery, keys, what it says of tokens that only it can read. */
#include "scene.h"
#include "base/check.h"
#include <stdlib.h>

/* Keys are shared by all scenes: making one takes longer than playing. */
void issuer_key(struct scene *s)
{
	struct fake_issuer *i = &s->issuer;
	char path[128];

	snprintf(path, sizeof path, "%.*s/key-%u.pem", (int)(strrchr(s->directory, '/') - s->directory),
	         s->directory, i->key++);
	signer_free(i->signer);
	i->signer = signer_read(path);
	if (i->signer)
		return;
	i->signer = signer_make();
	check(i->signer && signer_write(i->signer, path));
}

static const char *claims_of(const struct fake_issuer *i, struct slice token)
{
	for (unsigned k = 0; k < i->tokens_len; k++)
		if (slice_same(slice_of(i->tokens[k].token), token))
			return i->tokens[k].claims;
	return NULL;
}

/* RFC 7662: `token=...` in a form. */
static struct slice form_token(struct slice form)
{
	while (form.len) {
		struct slice value = slice_cut(&form, '&'), name = slice_cut(&value, '=');
		if (slice_same(name, S("token")))
			return value;
	}
	return S("");
}

/* Answers come in a later turn, never from within the question. */
static void answer_later(struct fake_issuer *i, struct issuer_answer a, struct slice body)
{
	check(i->answers_len < ISSUER_ANSWERS);
	a.body = strndup(body.at, body.len);
	check(a.body);
	i->answers[i->answers_len++] = a;
}

void issuer_fetch(void *with, const struct issuer_request *ask,
                  void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom)
{
	struct fake_issuer *i = &((struct scene *)with)->issuer;
	struct issuer_answer a = { .done = done, .for_whom = for_whom, .status = 200 };

	i->asked++;
	if (i->hangs)
		return;
	if (!i->up) {
		a.status = 0;
		answer_later(i, a, S(""));
	} else if (i->talks_rubbish) {
		answer_later(i, a, S("<html>Sign in to the wireless network</html>"));
	} else if (ask->form.len || ask->bearer.len) {
		const char *claims = claims_of(i, ask->form.len ? form_token(ask->form) : ask->bearer);
		answer_later(i, a, claims ? slice_of(claims) : S("{\"active\":false}"));
	} else if (slice_ends(ask->url, S("openid-configuration"))) {
		answer_later(i, a,
		             S("{\"issuer\":\"http://127.0.0.1:1/\",\"jwks_uri\":\"http://127.0.0.1:1/keys\"}"));
	} else {
		char *keys = signer_jwks(i->signer);
		answer_later(i, a, slice_of(keys));
		free(keys);
	}
}

void issuer_turn(struct scene *s)
{
	struct fake_issuer *i = &s->issuer;
	struct issuer_answer now[ISSUER_ANSWERS];
	unsigned len = i->answers_len;

	memcpy(now, i->answers, len * sizeof *now);
	i->answers_len = 0;
	for (unsigned k = 0; k < len; k++) {
		const char *failure = now[k].status ? NULL : "connection refused";
		now[k].done(now[k].for_whom, now[k].status, slice_of(now[k].body), UINT64_MAX, failure);
		free(now[k].body);
	}
}

/* Claims stand between double quotes in the scene, so they are written with single ones; `now`, `now+60` and
 * `now-60` are times. */
static void add_claims(struct text *to, struct slice claims, uint64_t now_s)
{
	for (size_t i = 0; i < claims.len; i++) {
		struct slice rest = slice_from(claims, i);
		if (slice_starts(rest, S(":now"))) {
			size_t digits = 5;
			uint64_t by = 0;
			bool moved = rest.len > 4 && (rest.at[4] == '+' || rest.at[4] == '-');
			while (moved && digits < rest.len && rest.at[digits] >= '0' && rest.at[digits] <= '9')
				by = by * 10 + (uint64_t)(rest.at[digits++] - '0');
			text_char(to, ':');
			text_u64(to, moved && rest.at[4] == '-' ? now_s - by : now_s + by);
			i += (moved ? digits : 4) - 1;
		} else {
			text_char(to, claims.at[i] == '\'' ? '"' : claims.at[i]);
		}
	}
}

/* A token valid for ten minutes from now; claims are added to the usual ones, or replace them. */
void issuer_token(struct scene *s, struct text *to, struct slice claims)
{
	static const char *const usual[][2] = { { "'iss'", "'http://127.0.0.1:1/'" },
		                                    { "'aud'", "'api'" },
		                                    { "'sub'", "'alice'" },
		                                    { "'iat'", "now" },
		                                    { "'exp'", "now+600" } };
	char all[2048], payload[2048];
	struct text t = TEXT(all), p = TEXT(payload);

	text_char(&t, '{');
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (!memmem(claims.at, claims.len, usual[i][0], strlen(usual[i][0])))
			text_printf(&t, "%s:%s,", usual[i][0], usual[i][1]);
	text_add(&t, claims);
	if (!claims.len)
		t.len--;
	text_char(&t, '}');
	add_claims(&p, text_slice(&t), scene_wall_ns() / NS_PER_S);
	check(!t.cut && text_end(&p));
	char *token = signer_sign(s->issuer.signer, payload);
	check(token);
	text_add(to, slice_of(token));
	free(token);
}
