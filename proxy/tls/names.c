/* names.c -- which certificate stands for a server name: a sorted table of the names that the certificates
 * say they are for (RFC 6125 section 6.4: to the letter, or a wildcard for one whole label). */
#include "tls/inside.h"
#include <openssl/x509v3.h>
#include <stdlib.h>

static int compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.at, b.at, len) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_text(const void *a, const void *b)
{
	const struct slice *left = a, *right = b;

	return compare(*left, *right);
}

/* Names come before the host that claims them first. */
static int by_name(const void *a, const void *b)
{
	const struct tls_name *left = a, *right = b;
	int order = compare(left->text, right->text);

	return order ? order : (left->host > right->host) - (left->host < right->host);
}

static struct slice copy_lower(const unsigned char *from, size_t len)
{
	char *to = malloc(len + 1);

	for (size_t i = 0; to && i < len; i++)
		to[i] = slice_lower((char)from[i]);
	return (struct slice){ to, to ? len : 0 };
}

/* "a.example,b.example," of a list. */
static struct slice joined(const struct slice *at, size_t len)
{
	size_t all = 0, used = 0;

	for (size_t i = 0; i < len; i++)
		all += at[i].len + 1;
	char *to = malloc(all + 1);
	for (size_t i = 0; to && i < len; i++) {
		memcpy(to + used, at[i].at, at[i].len);
		used += at[i].len;
		to[used++] = ',';
	}
	return (struct slice){ to, used };
}

static bool is_usable(const GENERAL_NAME *n)
{
	return n->type == GEN_DNS && ASN1_STRING_length(n->d.dNSName) > 0 &&
	       !memchr(ASN1_STRING_get0_data(n->d.dNSName), ',', (size_t)ASN1_STRING_length(n->d.dNSName));
}

bool names_read(X509 *cert, struct slice *sorted)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int most = all ? sk_GENERAL_NAME_num(all) : 0;
	struct slice *list = calloc((size_t)most + 1, sizeof *list);
	size_t len = 0;
	bool ok = list;

	for (int i = 0; ok && i < most; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(all, i);
		if (!is_usable(n))
			continue;
		list[len] = copy_lower(ASN1_STRING_get0_data(n->d.dNSName), (size_t)ASN1_STRING_length(n->d.dNSName));
		ok = list[len++].at;
	}
	if (ok) {
		qsort(list, len, sizeof *list, by_text);
		*sorted = joined(list, len);
		ok = sorted->at;
	}
	for (size_t i = 0; i < len; i++)
		free((void *)(uintptr_t)list[i].at);
	free(list);
	GENERAL_NAMES_free(all);
	return ok;
}

bool names_index(struct tls_server *s)
{
	size_t most = 0, len = 0;

	for (size_t i = 0; i < s->hosts_len; i++)
		for (size_t k = 0; k < s->hosts[i].names.len; k++)
			most += s->hosts[i].names.at[k] == ',';
	s->names = calloc(most + 1, sizeof *s->names);
	if (!s->names)
		return false;
	for (size_t i = 0; i < s->hosts_len; i++)
		for (struct slice rest = s->hosts[i].names; rest.len;)
			s->names[len++] = (struct tls_name){ slice_cut(&rest, ','), i };
	qsort(s->names, len, sizeof *s->names, by_name);
	s->names_len = len;
	return true;
}

/* The first entry of that text: that of the host configured first. */
static const struct tls_name *look_up(const struct tls_server *s, struct slice text)
{
	size_t from = 0, to = s->names_len;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (compare(s->names[middle].text, text) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from < s->names_len && slice_same(s->names[from].text, text) ? &s->names[from] : NULL;
}

size_t names_find(const struct tls_server *s, struct slice name)
{
	const struct tls_name *found = look_up(s, name);
	char wild[256];

	if (!found && name.len && name.len < sizeof wild) {
		struct slice rest = slice_from(name, slice_find(name, '.'));
		if (rest.len && rest.len < name.len) {
			wild[0] = '*';
			memcpy(wild + 1, rest.at, rest.len);
			found = look_up(s, (struct slice){ wild, rest.len + 1 });
		}
	}
	return found ? found->host : 0;
}
