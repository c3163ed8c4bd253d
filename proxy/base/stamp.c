/* Writes times as logs (RFC 3339) and HTTP (RFC 9110) want them. */
#include "base/stamp.h"
#include "base/clock.h"

struct civil {
	unsigned year, month, day, weekday; /* month and day from 1; Sunday is 0 */
	unsigned hour, minute, second;
};

/* Days to a date of the Gregorian calendar, counted in eras of 400 years that begin on 1 March. */
static struct civil civil_of(uint64_t wall_ns)
{
	uint64_t s = wall_ns / NS_PER_S, days = s / 86400 + 719468, era = days / 146097;
	unsigned of_era = (unsigned)(days - era * 146097), of_day = (unsigned)(s % 86400);
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
	struct civil c = { .day = of_year - (153 * month + 2) / 5 + 1 };

	c.weekday = (unsigned)((s / 86400 + 4) % 7); /* 1 January 1970 was a Thursday */
	c.month = month < 10 ? month + 3 : month - 9;
	c.year = year + (unsigned)era * 400 + (c.month <= 2);
	c.hour = of_day / 3600;
	c.minute = of_day / 60 % 60;
	c.second = of_day % 60;
	return c;
}

/* n in `width` digits at `to`, zeros in front. Returns the place behind it. */
static char *digits(char *to, unsigned n, unsigned width)
{
	for (unsigned i = width; i-- > 0; n /= 10)
		to[i] = (char)('0' + n % 10);
	return to + width;
}

static char *mark(char *to, char c)
{
	*to = c;
	return to + 1;
}

static char *three(char *to, const char *names, unsigned which)
{
	memcpy(to, names + (size_t)3 * which, 3);
	return to + 3;
}

static char *clock_time(char *to, const struct civil *c)
{
	to = mark(digits(to, c->hour, 2), ':');
	to = mark(digits(to, c->minute, 2), ':');
	return digits(to, c->second, 2);
}

void stamp_rfc3339(struct text *t, uint64_t wall_ns)
{
	static char out[24]; /* of the last second: within it only the milliseconds change */
	static uint64_t second = UINT64_MAX;

	if (wall_ns / NS_PER_S != second) {
		struct civil c = civil_of(wall_ns);
		char *p = out;
		second = wall_ns / NS_PER_S;
		p = mark(digits(p, c.year, 4), '-');
		p = mark(digits(p, c.month, 2), '-');
		p = mark(digits(p, c.day, 2), 'T');
		mark(clock_time(p, &c), '.');
		out[23] = 'Z';
	}
	digits(out + 20, (unsigned)(wall_ns / NS_PER_MS % 1000), 3);
	text_add(t, (struct slice){ out, sizeof out });
}

void stamp_http(struct text *t, uint64_t wall_ns)
{
	struct civil c = civil_of(wall_ns);
	char out[29], *p = out;

	p = mark(mark(three(p, "SunMonTueWedThuFriSat", c.weekday), ','), ' ');
	p = mark(digits(p, c.day, 2), ' ');
	p = mark(three(p, "JanFebMarAprMayJunJulAugSepOctNovDec", c.month - 1), ' ');
	p = mark(digits(p, c.year, 4), ' ');
	p = clock_time(p, &c);
	memcpy(p, " GMT", 4);
	text_add(t, (struct slice){ out, sizeof out });
}
