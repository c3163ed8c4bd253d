/* One record of revoke_sync.h: made, and read. */
#include "base/text.h"
#include "revocation/revoke_sync.h"
#include <stdio.h>

#define SIGNED_PART (REVOKE_SYNC_RECORD + 128)

/* What the HMAC is over. False: it does not fit. */
static bool signed_part(const struct revoke_sync *s, struct slice body, char room[SIGNED_PART],
                        struct slice *to)
{
	struct text t = { .at = room, .cap = SIGNED_PART };

	text_add(&t, S("sallyport revocation 1\n"));
	text_add(&t, s->config->root.environment);
	text_char(&t, '\n');
	text_add(&t, body);
	*to = text_slice(&t);
	return !t.cut;
}

bool revoke_sync_write(const struct revoke_sync *s, const struct revocation *r, char to[REVOKE_SYNC_RECORD])
{
	char room[REVOKE_SYNC_RECORD], all[SIGNED_PART], hex[SIGNATURE_LEN];
	struct text body = TEXT(room), t = { .at = to, .cap = REVOKE_SYNC_RECORD };
	struct slice whole;

	text_printf(&body, "%s %s %llu %llu %llu %d ", revoked_kind_names[r->kind], r->issuer,
	            (unsigned long long)r->until_s, (unsigned long long)r->before_s, (unsigned long long)r->at_ms,
	            r->undone);
	text_base64url(&body, r->value, strlen(r->value));
	if (body.cut || !signed_part(s, text_slice(&body), all, &whole) || !crypt_sign(s->key[0], whole, hex))
		return false;
	text_add(&t, (struct slice){ hex, sizeof hex });
	text_char(&t, ' ');
	text_add(&t, text_slice(&body));
	return text_end(&t);
}

static bool is_authentic(const struct revoke_sync *s, struct slice mac, struct slice body)
{
	char all[SIGNED_PART];
	struct slice whole;

	return signed_part(s, body, all, &whole) && crypt_is_signed(s->key, s->keys, whole, mac);
}

static bool is_known(const struct revoke_sync *s, struct slice issuer)
{
	for (size_t i = 0; i < s->config->root.issuers_len; i++)
		if (slice_same(s->config->root.issuers[i].id, issuer))
			return true;
	return false;
}

bool revoke_sync_read(const struct revoke_sync *s, struct slice record, struct revocation *to,
                      char value[REVOKED_VALUE_MAX + 1], bool *foreign)
{
	struct slice body = record, mac = slice_cut(&body, ' '), rest = body;
	size_t kind = 0, len = 0;
	uint64_t undone;

	*foreign = record.len >= REVOKE_SYNC_RECORD || !is_authentic(s, mac, body);
	if (*foreign)
		return false;
	struct slice word = slice_cut(&rest, ' '), issuer = slice_cut(&rest, ' ');
	while (kind < REVOKED_KINDS && !slice_same(word, slice_of(revoked_kind_names[kind])))
		kind++;
	*to = (struct revocation){ .kind = (enum revoked_kind)kind, .value = value };
	bool whole = kind < REVOKED_KINDS && is_known(s, issuer) && issuer.len < sizeof to->issuer &&
	             slice_u64(slice_cut(&rest, ' '), &to->until_s) &&
	             slice_u64(slice_cut(&rest, ' '), &to->before_s) &&
	             slice_u64(slice_cut(&rest, ' '), &to->at_ms) && slice_u64(slice_cut(&rest, ' '), &undone) &&
	             text_base64url_decode(rest, value, REVOKED_VALUE_MAX, &len);
	if (!whole)
		return false;
	value[len] = '\0';
	to->undone = undone != 0;
	snprintf(to->issuer, sizeof to->issuer, "%.*s", SLICE(issuer));
	to->mark = revoked_mark(s->all->table, issuer, to->kind, (struct slice){ value, len });
	return true;
}
