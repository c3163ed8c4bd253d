/* strict_numbers.c -- numbers that jansson refuses as too large (integers from 2^63 on, reals like 1e400),
 * which JSON allows (RFC 8259 section 6): they become strings of the same spelling, so that nothing is
 * lost. */
#include "base/strict.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(struct slice s, size_t from)
{
	size_t i = from;

	while (i < s.len && is_digit(s.at[i]))
		i++;
	return i - from;
}

/* Length of the JSON number that begins there, 0 for none; *real: it has a fraction or an exponent. */
static size_t number_at(struct slice s, bool *real)
{
	size_t i = s.len && s.at[0] == '-', n = digits(s, i);

	*real = false;
	if (!n || (n > 1 && s.at[i] == '0'))
		return 0;
	i += n;
	if (i < s.len && s.at[i] == '.') {
		if (!(n = digits(s, i + 1)))
			return 0;
		*real = true;
		i += 1 + n;
	}
	if (i < s.len && (s.at[i] == 'e' || s.at[i] == 'E')) {
		size_t sign = i + 1 < s.len && (s.at[i + 1] == '+' || s.at[i + 1] == '-');
		if (!(n = digits(s, i + 1 + sign)))
			return 0;
		*real = true;
		i += 1 + sign + n;
	}
	return i;
}

/* Spelt in `s` alone. */
static bool is_too_large(struct slice s, bool real)
{
	char text[512];
	bool large;

	if (!real && s.len < 19)
		return false;
	if (s.len >= sizeof text)
		return !real; /* a real with so many digits is none that anybody compares */
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	errno = 0;
	if (real)
		large = isinf(strtod(text, NULL));
	else
		large = (strtoll(text, NULL, 10), errno == ERANGE);
	errno = 0;
	return large;
}

/* Calls take(with, at, len) for each number that is too large, outside strings. */
static void each_large(struct slice bytes, void (*take)(void *with, size_t at, size_t len), void *with)
{
	bool quoted = false, real;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = bytes.at[i];
		if (quoted) {
			i += c == '\\';
			quoted = c != '"';
		} else if (c == '"') {
			quoted = true;
		} else if (c == '-' || is_digit(c)) {
			size_t len = number_at(slice_from(bytes, i), &real);
			if (len && is_too_large(slice_head(slice_from(bytes, i), len), real))
				take(with, i, len);
			i += len ? len - 1 : 0;
		}
	}
}

static void count(void *with, size_t at, size_t len)
{
	(void)at, (void)len;
	++*(size_t *)with;
}

struct copying {
	struct slice from;
	char *to;
	size_t taken, len;
};

static void copy(struct copying *c, size_t until)
{
	memcpy(c->to + c->len, c->from.at + c->taken, until - c->taken);
	c->len += until - c->taken;
	c->taken = until;
}

static void quote(void *with, size_t at, size_t len)
{
	struct copying *c = with;

	copy(c, at);
	c->to[c->len++] = '"';
	copy(c, at + len);
	c->to[c->len++] = '"';
}

char *strict_large_numbers(struct slice bytes, size_t *len)
{
	size_t found = 0;

	each_large(bytes, count, &found);
	struct copying c = { bytes, found ? malloc(bytes.len + 2 * found) : NULL, 0, 0 };
	if (!c.to)
		return NULL;
	each_large(bytes, quote, &c);
	copy(&c, bytes.len);
	*len = c.len;
	return c.to;
}
