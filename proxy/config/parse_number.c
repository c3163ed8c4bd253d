/* Reads and writes numbers, sizes, durations, rates. */
#include "config/parse.h"

struct unit {
	const char *word;
	uint64_t of;
};

/* Largest first, so that the first that divides is the one to print. */
static const struct unit times[] = { { "h", 3600 * NS_PER_S }, { "m", 60 * NS_PER_S }, { "s", NS_PER_S },
	                                 { "ms", NS_PER_MS },      { "us", NS_PER_US },    { "ns", 1 } };
static const struct unit sizes[] = { { "TiB", UINT64_C(1) << 40 },
	                                 { "GiB", UINT64_C(1) << 30 },
	                                 { "MiB", UINT64_C(1) << 20 },
	                                 { "KiB", UINT64_C(1) << 10 },
	                                 { "B", 1 } };

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define WEEK_NS (7 * 24 * 3600 * NS_PER_S)
#define EVENTS_MAX UINT64_C(1000000000)

/* A number with a unit behind it, without a space. */
static bool measure(struct slice from, const struct unit *units, size_t len, uint64_t *to, const char **why)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < from.len && from.at[digits] >= '0' && from.at[digits] <= '9')
		digits++;
	if (!slice_u64(slice_head(from, digits), &n))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!slice_same(slice_from(from, digits), slice_of(units[i].word)))
			continue;
		if (n > UINT64_MAX / units[i].of)
			return *why = "it is larger than any computer can count", false;
		*to = n * units[i].of;
		return true;
	}
	return false;
}

static void unmeasure(uint64_t n, const struct unit *units, size_t len, struct text *to)
{
	size_t i = 0;

	while (i + 1 < len && (n == 0 || n % units[i].of))
		i++;
	if (n == 0 && units == times)
		i = 2; /* 0s */
	text_u64(to, n / units[i].of);
	text_add(to, slice_of(units[i].word));
}

bool parse_bool(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	bool yes = slice_same(from, S("true"));

	(void)w, (void)why;
	if (!yes && !slice_same(from, S("false")))
		return false;
	*(bool *)to = yes;
	return true;
}

void format_bool(const void *value, struct text *to)
{
	text_add(to, *(const bool *)value ? S("true") : S("false"));
}

bool parse_count(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w;
	if (from.len > 1 && from.at[0] == '0') /* octal to some, decimal to others */
		return *why = "write it without a zero before it", false;
	return slice_u64(from, to);
}

void format_count(const void *value, struct text *to)
{
	text_u64(to, *(const uint64_t *)value);
}

bool parse_size(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w;
	return measure(from, sizes, COUNT(sizes), to, why);
}

void format_size(const void *value, struct text *to)
{
	unmeasure(*(const uint64_t *)value, sizes, COUNT(sizes), to);
}

bool parse_duration(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w;
	return measure(from, times, COUNT(times), to, why);
}

void format_duration(const void *value, struct text *to)
{
	unmeasure(*(const uint64_t *)value, times, COUNT(times), to);
}

bool parse_byterate(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w;
	return slice_ends(from, S("/s")) && measure(slice_head(from, from.len - 2), sizes, COUNT(sizes), to, why);
}

void format_byterate(const void *value, struct text *to)
{
	format_size(value, to);
	text_add(to, S("/s"));
}

bool parse_percent(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	uint64_t n;

	(void)w, (void)why;
	if (!slice_ends(from, S("%")) || !slice_u64(slice_head(from, from.len - 1), &n) || n > 100)
		return false;
	*(uint32_t *)to = (uint32_t)n;
	return true;
}

void format_percent(const void *value, struct text *to)
{
	text_u64(to, *(const uint32_t *)value);
	text_char(to, '%');
}

bool parse_share(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	bool all;

	if (!parse_bool(w, from, &all, why))
		return parse_percent(w, from, to, why);
	*(uint32_t *)to = all ? 100 : 0;
	return true;
}

void format_share(const void *value, struct text *to)
{
	uint32_t share = *(const uint32_t *)value;

	if (share % 100 == 0)
		text_add(to, share ? S("true") : S("false"));
	else
		format_percent(value, to);
}

#define FRACTION_MOST 1000000

bool parse_fraction(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	bool percent = slice_ends(from, S("%")), divided = slice_find(from, '/') < from.len;
	struct slice below = slice_head(from, from.len - percent), above = slice_cut(&below, '/');
	uint64_t part, of = percent ? 100 : 1;

	(void)w, (void)why;
	if (!slice_u64(above, &part) || (divided && (percent || !slice_u64(below, &of))))
		return false;
	if (part == 0 || part > of || of > FRACTION_MOST)
		return false;
	*(struct fraction *)to = (struct fraction){ (uint32_t)part, (uint32_t)of };
	return true;
}

void format_fraction(const void *value, struct text *to)
{
	const struct fraction *f = value;

	text_u64(to, f->part);
	if (f->of == 100) {
		text_char(to, '%');
	} else if (f->of != 1) {
		text_char(to, '/');
		text_u64(to, f->of);
	}
}

/* The time of a rate: a unit alone counts once. */
static bool per(struct slice from, uint64_t *ns, const char **why)
{
	for (size_t i = 0; i < COUNT(times); i++)
		if (slice_same(from, slice_of(times[i].word))) {
			*ns = times[i].of;
			return true;
		}
	return measure(from, times, COUNT(times), ns, why);
}

bool parse_rate(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	struct rate rate;
	struct slice rest = from;

	(void)w;
	if (!slice_u64(slice_cut(&rest, '/'), &rate.count) || !per(rest, &rate.per_ns, why))
		return false;
	if (rate.count == 0 || rate.count > EVENTS_MAX)
		return *why = "a rate counts 1 to 1000000000 events", false;
	if (rate.per_ns < NS_PER_MS || rate.per_ns > WEEK_NS)
		return *why = "the time of a rate lies between 1ms and 168h", false;
	if (rate.count > rate.per_ns)
		return *why = "that is more than one event per nanosecond", false;
	*(struct rate *)to = rate;
	return true;
}

void format_rate(const void *value, struct text *to)
{
	const struct rate *rate = value;

	text_u64(to, rate->count);
	text_char(to, '/');
	for (size_t i = 0; i < COUNT(times); i++)
		if (rate->per_ns == times[i].of) {
			text_add(to, slice_of(times[i].word));
			return;
		}
	format_duration(&rate->per_ns, to);
}
