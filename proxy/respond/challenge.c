/* challenge.c -- WWW-Authenticate: Bearer (RFC 6750 section 3, quoted strings of RFC 9110 section 5.6.4). */
#include "respond/answer.h"

static void add_quoted(struct text *t, struct slice s)
{
	text_char(t, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < ' ' || s.at[i] > '~')
			continue;
		if (s.at[i] == '"' || s.at[i] == '\\')
			text_char(t, '\\');
		text_char(t, s.at[i]);
	}
	text_char(t, '"');
}

static bool is_scope_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~' || s.at[i] == '"' || s.at[i] == '\\')
			return false;
	return s.len > 0;
}

static void add_scope(struct text *t, const struct config_route *route)
{
	const CONFIG_TEXTS *scopes = route && route->verify ? &route->verify->scopes : NULL;
	const char *before = ", scope=\"";

	for (size_t i = 0; scopes && i < scopes->len; i++) {
		if (!is_scope_token(scopes->at[i]))
			continue;
		text_add(t, slice_of(before));
		text_add(t, scopes->at[i]);
		before = " ";
	}
	if (*before == ' ')
		text_char(t, '"');
}

/* Empty: a client that sent no credential is told no error (RFC 6750 section 3.1). */
static struct slice error_of(const struct own *o)
{
	switch (o->r->fault) {
	case FAULT_TOKEN_MISSING:
	case FAULT_DENIED:
		return S("");
	case FAULT_TWO_CREDENTIALS:
		return S("invalid_request");
	case FAULT_TOKEN_SCOPE:
	case FAULT_TOKEN_CLAIM:
		return S("insufficient_scope");
	default:
		return S("invalid_token");
	}
}

void challenge_add(struct own *o)
{
	const struct config_route *route = o->r->route;
	struct slice error = error_of(o);
	struct text *t = &o->values;
	size_t from = own_begin(o);

	bool is_asked_of = o->status == 401 || o->r->fault == FAULT_TOKEN_SCOPE ||
	                   o->r->fault == FAULT_TOKEN_CLAIM || o->r->fault == FAULT_TWO_CREDENTIALS;
	if (!is_asked_of)
		return;
	text_add(t, S("Bearer realm="));
	add_quoted(t, route && route->name.len ? route->name : S("sallyport"));
	if (error.len) {
		text_add(t, S(", error=\""));
		text_add(t, error);
		text_add(t, S("\", error_description="));
		add_quoted(t, slice_of(fault_info[o->r->fault].text));
	}
	if (o->r->fault == FAULT_TOKEN_SCOPE)
		add_scope(t, route);
	own_end(o, S("WWW-Authenticate"), from);
}
