#include "verify/claims.h"
#include "base/text.h"
#include "verify/strict.h"

#define TIME_MAX_S (UINT64_C(1) << 53) /* beyond it a JSON number is not exact */

/* A NumericDate (RFC 7519 section 2): not negative; fractions are cut. */
static bool read_time(const json_t *root, const char *name, uint64_t *to)
{
	const json_t *n = json_object_get(root, name);
	double value = json_number_value(n);

	if (!n)
		return true;
	if (!json_is_number(n) || !(value >= 0))
		return false;
	if (value >= (double)TIME_MAX_S)
		*to = TIME_MAX_S;
	else
		*to = json_is_integer(n) ? (uint64_t)json_integer_value(n) : (uint64_t)value;
	return true;
}

static void begin(struct claims *c, enum claim which, const struct text *t)
{
	c->part[which].at = (uint16_t)t->len;
}

static void end(struct claims *c, enum claim which, const struct text *t)
{
	c->part[which].len = (uint16_t)(t->len - c->part[which].at);
}

static bool read_text(const json_t *root, const char *name, enum claim which, struct text *t,
                      struct claims *c)
{
	struct slice value = strict_text(root, name);

	if (!value.at)
		return !json_object_get(root, name) || json_is_null(json_object_get(root, name));
	begin(c, which, t);
	text_add(t, value);
	end(c, which, t);
	return strict_is_plain(value);
}

/* A claim that names somebody; of another type than a string it says nothing to us. */
static bool read_name(const json_t *root, struct slice name, enum claim which, struct text *t,
                      struct claims *c)
{
	const json_t *member = name.len ? json_object_get(root, name.at) : NULL;

	if (!json_is_string(member))
		return true;
	struct slice value = { json_string_value(member), json_string_length(member) };
	begin(c, which, t);
	text_add(t, value);
	end(c, which, t);
	return strict_is_plain(value);
}

/* A string, or an array of strings: each with a NUL behind it, which no JSON string here can hold. */
static bool read_list(const json_t *value, enum claim which, struct text *t, struct claims *c)
{
	size_t i;
	json_t *item;

	begin(c, which, t);
	if (json_is_string(value)) {
		text_add(t, (struct slice){ json_string_value(value), json_string_length(value) });
		text_char(t, '\0');
	} else if (value && !json_is_array(value)) {
		return false;
	}
	json_array_foreach((json_t *)(uintptr_t)value, i, item) {
		if (!json_is_string(item))
			return false;
		text_add(t, (struct slice){ json_string_value(item), json_string_length(item) });
		text_char(t, '\0');
	}
	end(c, which, t);
	return true;
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
		const json_t *value = json_object_get(root, wanted->at[i].at);
		size_t n = json_array_size(value);
		begin(c, CLAIM_WANTED + (enum claim)i, t);
		if (!json_is_array(value))
			add_item(value, t);
		for (size_t j = 0; j < n; j++)
			add_item(json_array_get(value, j), t);
		end(c, CLAIM_WANTED + (enum claim)i, t);
	}
}

static bool is_word(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] == ' ')
			return false;
	return s.len && strict_is_plain(s);
}

/* scope is a string (RFC 8693 section 4.2); some issuers send scp, or an array. */
static bool read_scope(const json_t *root, struct text *t, struct claims *c)
{
	const json_t *value = json_object_get(root, "scope");
	size_t i;
	json_t *item;

	if (!value)
		value = json_object_get(root, "scp");
	begin(c, CLAIM_SCOPE, t);
	if (json_is_string(value)) {
		struct slice all = slice_trim(strict_text(root, json_object_get(root, "scope") ? "scope" : "scp"));
		text_add(t, all);
		end(c, CLAIM_SCOPE, t);
		return strict_is_plain(all);
	}
	json_array_foreach((json_t *)(uintptr_t)value, i, item) {
		struct slice word = { json_string_value(item), json_string_length(item) };
		if (!json_is_string(item) || !is_word(word))
			return false;
		if (t->len > c->part[CLAIM_SCOPE].at)
			text_char(t, ' ');
		text_add(t, word);
	}
	end(c, CLAIM_SCOPE, t);
	return true;
}

static bool read_all(const json_t *root, const struct claims_names *names, bool may_last, struct text *t,
                     struct claims *c)
{
	if (!json_is_object(root) || !read_time(root, "exp", &c->expires_s) ||
	    !read_time(root, "nbf", &c->not_before_s) || !read_time(root, "iat", &c->issued_s))
		return false;
	/* absent: such a token would live for ever (RFC 9068 section 2.2 demands it) */
	if (c->expires_s == 0 && (!may_last || json_object_get(root, "exp")))
		return false;
	if (!read_text(root, "iss", CLAIM_ISSUER, t, c) || !read_text(root, "sub", CLAIM_SUBJECT, t, c) ||
	    !read_text(root, "azp", CLAIM_PARTY, t, c) || !read_text(root, "jti", CLAIM_ID, t, c) ||
	    !read_text(root, "sid", CLAIM_SESSION, t, c))
		return false;
	if (!read_name(root, names->tenant, CLAIM_TENANT, t, c) ||
	    !read_name(root, names->client, CLAIM_CLIENT, t, c))
		return false;
	if (!c->part[CLAIM_CLIENT].len && !read_name(root, S("client_id"), CLAIM_CLIENT, t, c))
		return false;
	const json_t *permissions = json_object_get(root, "permissions");
	return read_list(json_object_get(root, "aud"), CLAIM_AUDIENCE, t, c) && read_scope(root, t, c) &&
	       read_list(permissions, CLAIM_PERMISSIONS, t, c);
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
	bool read = root && read_all(root, names, plan->may_last, &t, to);
	if (read)
		read_wanted(root, &plan->wanted, &t, to);
	read = read && !t.cut;
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
