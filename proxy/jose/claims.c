/* Reads a token's payload into a flat record. */
#include "jose/claims.h"
#include "base/strict.h"
#include "base/text.h"

#define NESTED_MAX 4                   /* objects that a name with dots may go down */
#define TIME_MAX_S (UINT64_C(1) << 53) /* beyond it a JSON number is not exact */

static bool refuse(struct claims *c, const char *why)
{
	c->why = why;
	return false;
}

/* A NumericDate (RFC 7519 section 2): not negative; fractions are cut. */
static bool read_time(const json_t *root, const char *name, uint64_t *to)
{
	const json_t *n = json_object_get(root, name);
	double value = json_number_value(n);

	if (!n || json_is_null(n))
		return true;
	if (!json_is_number(n) || !(value >= 0))
		return false;
	if (value >= (double)TIME_MAX_S)
		*to = TIME_MAX_S;
	else
		*to = json_is_integer(n) ? (uint64_t)json_integer_value(n) : (uint64_t)value;
	return true;
}

const json_t *claims_member(const json_t *root, struct slice name)
{
	const json_t *found = json_object_get(root, name.at);
	char part[256];

	for (unsigned down = 0; !found && down < NESTED_MAX && slice_find(name, '.') < name.len; down++) {
		struct slice first = slice_cut(&name, '.');
		if (first.len >= sizeof part)
			return NULL;
		memcpy(part, first.at, first.len);
		part[first.len] = '\0';
		root = json_object_get(root, part);
		found = json_object_get(root, name.at);
	}
	return found;
}

static void begin(struct claims *c, enum claim which, const struct text *t)
{
	c->part[which].at = (uint16_t)t->len;
}

static void end(struct claims *c, enum claim which, const struct text *t)
{
	c->part[which].len = (uint16_t)(t->len - c->part[which].at);
}

/* A claim that names somebody or something: a string, or a whole number as text. Of another type it says
 * nothing to us. False: it has characters that may stand in no field. */
static bool read_name(const json_t *root, struct slice name, enum claim which, struct text *t,
                      struct claims *c)
{
	const json_t *member = name.len ? claims_member(root, name) : NULL;
	struct slice value = { json_string_value(member), json_string_length(member) };

	begin(c, which, t);
	if (json_is_integer(member))
		text_printf(t, "%" JSON_INTEGER_FORMAT, json_integer_value(member));
	else if (json_is_string(member))
		text_add(t, value);
	end(c, which, t);
	return !json_is_string(member) || strict_is_plain(value);
}

/* Whom the token is bound to (RFC 7800 section 3, RFC 8705 section 3.1). Members that nobody knows are
 * ignored, as the RFC says; those that stand for a proof that is not asked for here bind it for good. */
static void read_binding(const json_t *root, struct text *t, struct claims *c)
{
	static const char *const others[] = { "jwk", "jwe", "kid", "jku", "jkt" };
	const json_t *cnf = json_object_get(root, "cnf");
	struct slice thumbprint = strict_text(cnf, "x5t#S256");

	if (!cnf || json_is_null(cnf))
		return;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (json_object_get(cnf, others[i]))
			thumbprint.len = 0;
	begin(c, CLAIM_BINDING, t);
	text_add(t, thumbprint.len ? thumbprint : S("?"));
	end(c, CLAIM_BINDING, t);
}

/* A string, or those of an array that are strings: each with a NUL behind it, which no JSON string here can
 * hold. */
static void read_list(const json_t *value, enum claim which, struct text *t, struct claims *c)
{
	size_t i;
	json_t *item;

	begin(c, which, t);
	if (json_is_string(value)) {
		text_add(t, (struct slice){ json_string_value(value), json_string_length(value) });
		text_char(t, '\0');
	}
	if (json_is_array(value))
		json_array_foreach((json_t *)(uintptr_t)value, i, item) {
			if (!json_is_string(item))
				continue;
			text_add(t, (struct slice){ json_string_value(item), json_string_length(item) });
			text_char(t, '\0');
		}
	if (json_is_array(value) && json_array_size(value) == 0)
		text_char(t, '\0'); /* it is there */
	end(c, which, t);
}

/* Whom it is for must be said clearly (RFC 7519 section 4.1.3). */
static bool read_audience(const json_t *root, struct text *t, struct claims *c)
{
	const json_t *value = json_object_get(root, "aud");
	size_t i, strings = 0;
	json_t *item;

	read_list(value, CLAIM_AUDIENCE, t, c);
	if (!value || json_is_string(value))
		return true;
	if (!json_is_array(value))
		return false;
	json_array_foreach((json_t *)(uintptr_t)value, i, item)
		strings += json_is_string(item);
	return strings == json_array_size(value);
}

/* Something that can be compared as text, with a NUL behind it. */
static void add_item(const json_t *item, struct text *t)
{
	if (json_is_string(item))
		text_add(t, (struct slice){ json_string_value(item), json_string_length(item) });
	else if (json_is_boolean(item))
		text_add(t, json_is_true(item) ? S("true") : S("false"));
	else if (json_is_integer(item))
		text_printf(t, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
	else
		return;
	text_char(t, '\0');
}

static void read_wanted(const json_t *root, const struct config_texts *wanted, struct text *t,
                        struct claims *c)
{
	for (size_t i = 0; i < wanted->len; i++) {
		const json_t *value = claims_member(root, wanted->at[i]);
		size_t n = json_array_size(value);
		begin(c, CLAIM_WANTED + (enum claim)i, t);
		if (!json_is_array(value))
			add_item(value, t);
		for (size_t j = 0; j < n; j++)
			add_item(json_array_get(value, j), t);
		end(c, CLAIM_WANTED + (enum claim)i, t);
	}
}

/* With one space between them. False: control characters. */
static bool add_words(struct slice all, enum claim which, struct text *t, struct claims *c)
{
	if (!strict_is_plain(slice_trim(all)))
		return false;
	while (all.len) {
		struct slice word = slice_cut(&all, ' ');
		if (word.len && t->len > c->part[which].at)
			text_char(t, ' ');
		text_add(t, word);
	}
	return true;
}

/* scope is a string (RFC 8693 section 4.2); some issuers send scp, or an array. */
static bool read_scope(const json_t *root, struct text *t, struct claims *c)
{
	const json_t *value = json_object_get(root, "scope");
	bool plain = true;
	size_t i;
	json_t *item;

	if (!value || json_is_null(value))
		value = json_object_get(root, "scp");
	begin(c, CLAIM_SCOPE, t);
	if (json_is_string(value))
		plain = add_words((struct slice){ json_string_value(value), json_string_length(value) }, CLAIM_SCOPE,
		                  t, c);
	json_array_foreach((json_t *)(uintptr_t)value, i, item)
		plain &=
		    add_words((struct slice){ json_string_value(item), json_string_length(item) }, CLAIM_SCOPE, t, c);
	end(c, CLAIM_SCOPE, t);
	return plain;
}

static bool read_times(const json_t *root, bool may_last, struct claims *c)
{
	const json_t *exp = json_object_get(root, "exp");

	if (!read_time(root, "exp", &c->expires_s))
		return refuse(c, "exp is no time");
	if (!read_time(root, "nbf", &c->not_before_s))
		return refuse(c, "nbf is no time");
	if (!read_time(root, "iat", &c->issued_s))
		return refuse(c, "iat is no time");
	/* absent: such a token would live for ever (RFC 9068 section 2.2 demands it) */
	if (c->expires_s == 0 && exp && !json_is_null(exp))
		return refuse(c, "exp is 0");
	return c->expires_s || may_last ? true : refuse(c, "exp is missing");
}

static bool read_names(const json_t *root, const struct claims_names *names, struct text *t, struct claims *c)
{
	const json_t *issuer = json_object_get(root, "iss");
	const struct {
		struct slice name;
		enum claim which;
		const char *why;
	} all[] = {
		{ S("iss"), CLAIM_ISSUER, "iss has control characters" },
		{ S("sub"), CLAIM_SUBJECT, "sub has control characters or spaces around it" },
		{ S("azp"), CLAIM_PARTY, "azp has control characters or spaces around it" },
		{ S("jti"), CLAIM_ID, "jti has control characters or spaces around it" },
		{ S("sid"), CLAIM_SESSION, "sid has control characters or spaces around it" },
		{ names->tenant, CLAIM_TENANT, "the tenant has control characters or spaces around it" },
		{ names->client, CLAIM_CLIENT, "the client has control characters or spaces around it" },
	};

	if (issuer && !json_is_string(issuer) && !json_is_null(issuer))
		return refuse(c, "iss is no string");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!read_name(root, all[i].name, all[i].which, t, c))
			return refuse(c, all[i].why);
	if (!c->part[CLAIM_CLIENT].len && !read_name(root, S("client_id"), CLAIM_CLIENT, t, c))
		return refuse(c, "client_id has control characters or spaces around it");
	return true;
}

static bool read_all(const json_t *root, const struct claims_names *names, bool may_last, struct text *t,
                     struct claims *c)
{
	if (!json_is_object(root))
		return refuse(c, "the claims are no JSON object without doubled members");
	if (json_object_get(root, "token_introspection"))
		return refuse(c, "it is an answer about a token (token_introspection)");
	if (!read_times(root, may_last, c) || !read_names(root, names, t, c))
		return false;
	read_binding(root, t, c);
	if (!read_audience(root, t, c))
		return refuse(c, "aud is neither a string nor a list of strings");
	if (!read_scope(root, t, c))
		return refuse(c, "scope has control characters");
	read_list(json_object_get(root, "permissions"), CLAIM_PERMISSIONS, t, c);
	return true;
}

static size_t choose(const json_t *root, const struct claims_plan *plan)
{
	struct slice issuer = strict_text(root, "iss");
	size_t i = 0;

	while (i < plan->len && plan->names[i].issuer.at && !slice_same(plan->names[i].issuer, issuer))
		i++;
	return i;
}

bool claims_read(struct slice payload, const struct claims_plan *plan, char *text, size_t cap,
                 struct claims *to, size_t *whose)
{
	struct text t = { .at = text, .cap = cap < UINT16_MAX ? cap : UINT16_MAX };
	json_t *root = strict_read(payload);

	*to = (struct claims){ .text = text };
	*whose = choose(root, plan);
	const struct claims_names *names = &plan->names[*whose < plan->len ? *whose : 0];
	bool read = read_all(root, names, plan->may_last, &t, to);
	if (read)
		read_wanted(root, &plan->wanted, &t, to);
	if (read && t.cut)
		read = refuse(to, "its claims are too long");
	json_decref(root);
	to->len = (uint16_t)t.len;
	return read;
}

struct slice claims_get(const struct claims *c, enum claim which)
{
	return (struct slice){ c->text + c->part[which].at, c->part[which].len };
}

bool claims_have(const struct claims *c, enum claim which, struct slice word)
{
	struct slice rest = claims_get(c, which);
	char mark = which == CLAIM_SCOPE ? ' ' : '\0';

	while (rest.len)
		if (slice_same(slice_cut(&rest, mark), word))
			return word.len > 0;
	return false;
}
