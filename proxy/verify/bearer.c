/* Reads the scheme Bearer. */
#include "verify/credential.h"

static bool is_b64token(char c)
{
	return char_is(c, CHAR_UNRESERVED) || c == '+' || c == '/';
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

bool bearer_read(struct slice authorization, struct slice *token)
{
	struct slice rest = slice_trim(authorization);
	struct slice scheme = slice_cut(&rest, ' ');

	if (!slice_same_nocase(scheme, S("Bearer")))
		return false;
	while (rest.len && rest.at[0] == ' ')
		rest = slice_from(rest, 1);
	*token = rest;
	return true;
}
