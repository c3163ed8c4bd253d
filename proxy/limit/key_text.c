/* key_text.c -- keys as people see and write them: one word per part, made of visible ASCII; all other bytes,
 * and a % or a leading @, are written %XX.
 *
 *     203.0.113.9  2001:db8::/64  203.0.113.0/24      an address (of IPv6 its /64), a prefix
 *     auth0:alice                                     subject, client, tenant: issuer and value
 *     alice                                           any other value
 *     @203.0.113.9                                    the request lacked it: its address stood in
 *     ?                                               too long, or may be a secret: never shown */
#include "base/ip.h"
#include "base/urlencoded.h"
#include "limit/inside.h"
#include "limit/key.h"
#include <arpa/inet.h>

/* Fields that hold what nobody but the upstream should see; better one too many. */
static bool is_secret(const struct key_part *part)
{
	static const char *const words[] = { "pass", "pwd", "secret", "token", "pin", "otp", "code", "key" };
	char name[65];
	struct text lower = TEXT(name);

	if (part->kind == PART_HEADER || part->kind == PART_COOKIE)
		return true;
	if (!part_is_of_body(part->kind))
		return false;
	for (size_t i = 0; i < part->name.len; i++)
		text_char(&lower, slice_lower(part->name.at[i]));
	if (!text_end(&lower))
		return true;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strstr(name, words[i]))
			return true;
	return false;
}

static void add_encoded(struct text *to, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i];
		if (c <= ' ' || c >= 0x7f || c == '%' || c == '+' || (i == 0 && (c == '@' || c == '?')))
			text_printf(to, "%%%02X", c);
		else
			text_char(to, (char)c);
	}
}

static void add_address(struct text *to, const struct key_piece *p, struct prefix_bits bits)
{
	char name[INET6_ADDRSTRLEN];
	bool v4 = IN6_IS_ADDR_V4MAPPED(&p->net);

	if (v4)
		inet_ntop(AF_INET, p->net.s6_addr + 12, name, sizeof name);
	else
		inet_ntop(AF_INET6, &p->net, name, sizeof name);
	text_add(to, slice_of(name));
	if (p->kind == PART_PREFIX)
		text_printf(to, "/%u", v4 ? bits.v4 : bits.v6);
	else if (!v4)
		text_add(to, S("/64"));
}

static void add_piece(struct text *to, const struct key_part *part, const struct key_piece *p)
{
	if (p->kind <= PART_PREFIX) {
		if (part->kind > PART_PREFIX)
			text_char(to, '@');
		add_address(to, p, part->bits);
		return;
	}
	if (p->hashed || is_secret(part)) {
		text_char(to, '?');
		return;
	}
	if (part_is_of_token(p->kind)) {
		add_encoded(to, p->issuer);
		text_char(to, ':');
	}
	add_encoded(to, p->value);
}

void key_text(const struct plan *plan, const struct limit_key *key, struct text *to)
{
	for (size_t i = 0; i < key->len; i++) {
		if (i)
			text_char(to, ' ');
		add_piece(to, &plan->parts[i], &key->at[i]);
	}
}

static bool read_address(struct slice word, enum part_kind kind, struct prefix_bits bits,
                         struct key_piece *to)
{
	struct in6_addr a;
	bool v4;

	if (!ip_read(slice_cut(&word, '/'), &a, &v4)) /* how long a prefix is, the limit says */
		return false;
	piece_of_address(to, kind, &a, bits);
	return true;
}

/* The word is decoded in place. */
static bool read_piece(const struct limits *l, const struct key_part *part, struct slice word,
                       struct key_piece *to)
{
	static const struct prefix_bits whole = { 32, 64 };
	char *at = (char *)(uintptr_t)word.at;
	size_t len;

	if (part->kind <= PART_PREFIX)
		return read_address(word, part->kind, part->bits, to);
	if (slice_starts(word, S("@")))
		return read_address(slice_from(word, 1), PART_ADDRESS, whole, to);
	to->kind = part->kind;
	to->hashed = false;
	if (part_is_of_token(part->kind))
		to->issuer = slice_cut(&word, ':');
	at = (char *)(uintptr_t)word.at;
	if (!urlencoded_decode(word, at, &len))
		return false;
	word.len = len;
	if (part_is_of_body(part->kind)) {
		char folded[FOLDED_MAX];
		if (!field_fold(word, folded, &word) || word.len > len) /* folded twice it stays what it is */
			return false;
		memcpy(at, folded, word.len);
		word = field_normal(at, word.len);
	}
	piece_of_value(l, to, word);
	return word.len > 0;
}

bool key_from_text(const struct limits *l, const struct plan *plan, struct slice words, struct limit_key *to)
{
	to->len = plan->parts_len;
	for (size_t i = 0; i < plan->parts_len; i++)
		if (!read_piece(l, &plan->parts[i], slice_cut(&words, ' '), &to->at[i]))
			return false;
	return words.len == 0;
}
