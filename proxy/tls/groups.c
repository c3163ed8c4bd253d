/* groups.c -- groups of key exchange by name: what a library lacks is left out, so that one configuration
 * fits old and new ones. */
#include "base/check.h"
#include "base/text.h"
#include "tls/inside.h"
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>

/* One plain name: what else OpenSSL's lists may hold in later versions is not for a name to say. */
static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = slice_lower(s.at[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return s.len > 0;
}

static void add(struct text *list, struct slice name)
{
	if (list->len)
		text_char(list, ':');
	text_add(list, name);
}

/* One number for P-256 and prime256v1; 0 where this has no number. */
static int number_of(struct slice name)
{
	char room[64];
	struct text t = TEXT(room);

	text_add(&t, name);
	if (!text_end(&t))
		return 0;
	int nist = EC_curve_nist2nid(room);
	return nist != NID_undef ? nist : OBJ_sn2nid(room);
}

/* OpenSSL refused a list that holds a group twice until 3.5, which takes it. */
static bool holds(const struct text *list, struct slice name)
{
	int number = number_of(name);

	for (struct slice rest = { list->at, list->len }; rest.len;) {
		struct slice other = slice_cut(&rest, ':');
		if (slice_same(other, name) || (number && number_of(other) == number))
			return true;
	}
	return false;
}

/* Does the list with this name behind it hold? Not where the name is unknown, or is there already. */
static bool fits(SSL_CTX *ctx, const struct text *list, struct slice name)
{
	char room[TLS_GROUPS_MAX];
	struct text all = TEXT(room);

	text_add(&all, (struct slice){ list->at, list->len });
	add(&all, name);
	bool ok = text_end(&all) && SSL_CTX_set1_groups_list(ctx, room) == 1;
	ERR_clear_error();
	return ok;
}

bool tls_groups(const struct config_listener_tls *t, char list[static TLS_GROUPS_MAX], struct slice *lacking)
{
	struct text in = { .at = list, .cap = TLS_GROUPS_MAX / 2 };
	struct text out = { .at = list + TLS_GROUPS_MAX / 2, .cap = TLS_GROUPS_MAX / 2 };
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	const struct text none = { .at = list };

	check(ctx);
	for (struct slice rest = t->groups; rest.len;) {
		struct slice name = slice_cut(&rest, ':');
		if (!is_name(name) || !fits(ctx, &none, name))
			add(&out, name);
		else if (!holds(&in, name) && fits(ctx, &in, name))
			add(&in, name);
	}
	SSL_CTX_free(ctx);
	bool ok = text_end(&in) && text_end(&out);
	*lacking = text_slice(&out);
	return ok && in.len;
}
