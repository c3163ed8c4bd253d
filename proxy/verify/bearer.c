#include "verify/jwt.h"

static bool is_b64token(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
}

/* 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" */
bool bearer_is_token(struct slice s)
{
	size_t i = 0;

	while (i < s.len && is_b64token(s.at[i]))
		i++;
	if (i == 0)
		return false;
	while (i < s.len && s.at[i] == '=')
		i++;
	return i == s.len;
}

enum fault bearer_read(struct slice authorization, struct slice *token)
{
	struct slice rest = slice_trim(authorization);
	struct slice scheme = slice_cut(&rest, ' ');

	if (!slice_same_nocase(scheme, S("Bearer")))
		return FAULT_TOKEN_MISSING;
	while (rest.len && rest.at[0] == ' ')
		rest = slice_from(rest, 1);
	*token = rest;
	return bearer_is_token(rest) ? FAULT_NONE : FAULT_TOKEN_MALFORMED;
}
