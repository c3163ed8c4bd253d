/* Takes application/x-www-form-urlencoded apart and decodes it. */
#include "base/urlencoded.h"
#include "base/text.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool urlencoded_next(struct slice *rest, struct slice *name, struct slice *value)
{
	while (rest->len) {
		*value = slice_cut(rest, '&');
		*name = slice_cut(value, '=');
		if (name->len)
			return true;
	}
	return false;
}

bool urlencoded_decode(struct slice from, char *to, size_t *len)
{
	*len = 0;
	for (size_t i = 0; i < from.len; i++) {
		char c = from.at[i] == '+' ? ' ' : from.at[i];
		if (c == '%') {
			int high = i + 2 < from.len ? hex(from.at[i + 1]) : -1;
			int low = high >= 0 ? hex(from.at[i + 2]) : -1;
			if (low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		to[(*len)++] = c;
	}
	return true;
}

void urlencoded_add(struct text *t, struct slice from)
{
	for (size_t i = 0; i < from.len; i++) {
		char c = from.at[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (plain || c == '*' || c == '-' || c == '.' || c == '_')
			text_char(t, c);
		else if (c == ' ')
			text_char(t, '+');
		else
			text_printf(t, "%%%02X", (unsigned char)c);
	}
}
