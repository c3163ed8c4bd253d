/* The table of what each byte may be. */
#include "request/chars.h"

#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define ALPHA(c) (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z')
#define ALNUM(c) (DIGIT(c) || ALPHA(c))
#define SEEN(c) ((c) > 0x20 && (c) < 0x7F)
#define MARK(c) \
	((c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' || (c) == '\'' || (c) == '*' || \
	 (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' || (c) == '_' || (c) == '`' || (c) == '|' || \
	 (c) == '~')
#define TOKEN(c) (ALNUM(c) || MARK(c))
#define VALUE(c) ((c) == '\t' || ((c) >= 0x20 && (c) != 0x7F))
#define TARGET(c) (SEEN(c) && (c) != '#')
#define PATH(c) (TARGET(c) && (c) != '%' && (c) != '/' && (c) != '\\' && (c) != '?')
#define UNRESERVED(c) (ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_' || (c) == '~')
#define HOST(c) (ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_')
#define WAY(c) \
	(UNRESERVED(c) || (c) == '!' || (c) == '$' || (c) == '&' || (c) == '\'' || (c) == '(' || (c) == ')' || \
	 (c) == '+' || (c) == ',' || (c) == '=' || (c) == ':' || (c) == '@')
#define HEX(c) (DIGIT(c) || (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'f'))

#define KINDS(c) \
	((TOKEN(c) ? CHAR_TOKEN : 0) | (VALUE(c) ? CHAR_VALUE : 0) | (TARGET(c) ? CHAR_TARGET : 0) | \
	 (PATH(c) ? CHAR_PATH : 0) | (UNRESERVED(c) ? CHAR_UNRESERVED : 0) | (HOST(c) ? CHAR_HOST : 0) | \
	 (HEX(c) ? CHAR_HEX : 0) | (WAY(c) ? CHAR_WAY : 0) | ((c) == ' ' || (c) == '\t' ? CHAR_SPACED : 0))
#define FOUR(c) KINDS(c), KINDS((c) + 1), KINDS((c) + 2), KINDS((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)

const uint16_t char_kinds[256] = {
	SIXTEEN(0x00), SIXTEEN(0x10), SIXTEEN(0x20), SIXTEEN(0x30), SIXTEEN(0x40), SIXTEEN(0x50),
	SIXTEEN(0x60), SIXTEEN(0x70), SIXTEEN(0x80), SIXTEEN(0x90), SIXTEEN(0xA0), SIXTEEN(0xB0),
	SIXTEEN(0xC0), SIXTEEN(0xD0), SIXTEEN(0xE0), SIXTEEN(0xF0),
};
