/* Reads and writes text, names, hosts and paths. */
#include "config/parse.h"
#include "base/way.h"

void format_text(const void *value, struct text *to)
{
	text_add(to, *(const struct slice *)value);
}

bool parse_text(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w;
	if (from.len == 0)
		return *why = "leave the option out instead of giving it no text", false;
	for (size_t i = 0; i < from.len; i++)
		if ((unsigned char)from.at[i] < 0x20 || from.at[i] == 0x7f)
			return false;
	*(struct slice *)to = from;
	return true;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool parse_name(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w, (void)why;
	if (from.len == 0 || from.len > NAME_LEN_MAX || !is_alnum(from.at[0]))
		return false;
	for (size_t i = 0; i < from.len; i++)
		if (!is_alnum(from.at[i]) && from.at[i] != '.' && from.at[i] != '_' && from.at[i] != '-')
			return false;
	*(struct slice *)to = from;
	return true;
}

bool host_is_name(struct slice host)
{
	if (host.len == 0 || host.len > 253)
		return false;
	while (host.at) {
		bool more = slice_find(host, '.') < host.len;
		struct slice label = slice_cut(&host, '.');
		if (label.len == 0 || label.len > 63 || label.at[0] == '-' || label.at[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!is_alnum(slice_lower(label.at[i])) && label.at[i] != '-' && label.at[i] != '_')
				return false;
		if (!more)
			return true;
	}
	return false;
}

bool parse_host(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	bool wild = slice_starts(from, S("*."));
	struct slice name = wild ? slice_from(from, 2) : from;
	struct in6_addr ip;
	bool v4, v6 = slice_starts(from, S("[")) && slice_ends(from, S("]"));

	if (v6 ? !ip_read((struct slice){ from.at + 1, from.len - 2 }, &ip, &v4) || v4 : !host_is_name(name))
		return false;
	if (wild && ip_read(name, &ip, &v4))
		return *why = "an IP address has no wildcard", false;
	struct slice lower = store_copy(w->store, from);
	for (size_t i = 0; i < lower.len; i++)
		((char *)(uintptr_t)lower.at)[i] = slice_lower(lower.at[i]);
	*(struct slice *)to = lower;
	return true;
}

bool host_fits(struct slice pattern, struct slice host)
{
	if (!slice_starts(pattern, S("*.")))
		return slice_same(pattern, host);
	return host.len > pattern.len - 1 && slice_ends(host, slice_from(pattern, 1));
}

bool hosts_meet(struct slice pattern, struct slice other)
{
	if (!slice_starts(other, S("*.")))
		return host_fits(pattern, other);
	if (!slice_starts(pattern, S("*.")))
		return host_fits(other, pattern);
	return slice_ends(slice_from(pattern, 1), slice_from(other, 1)) ||
	       slice_ends(slice_from(other, 1), slice_from(pattern, 1));
}

/* ---- paths, in the form by which routes are chosen (base/way.h) ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = slice_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char of_parameter[] =
    "what follows a ; in a request's path is a parameter, which no route looks at: it would match none";

/* One byte, percent-encoded or not, in its normal form; bytes taken, 0 where it may not stand in a path. */
static size_t path_byte(struct slice from, struct text *to, const char **why)
{
	unsigned char c = (unsigned char)from.at[0];

	if (c == '%') {
		int high = from.len > 2 ? hex(from.at[1]) : -1, low = from.len > 2 ? hex(from.at[2]) : -1;
		int byte = high * 16 + low;
		if (high < 0 || low < 0)
			return *why = "a percent sign needs two hexadecimal digits behind it", 0;
		if (byte == 0 || byte == '/' || byte == '\\')
			return *why = "encoded slashes, backslashes and NUL are refused in requests: it would match none",
			       0;
		if (byte == ';')
			return *why = of_parameter, 0;
		if (way_is_plain((char)byte))
			text_char(to, (char)byte);
		else
			text_printf(to, "%%%02X", (unsigned)byte);
		return 3;
	}
	if (c == ';')
		return *why = of_parameter, 0;
	if (c >= 0x80 || c == '[' || c == ']')
		text_printf(to, "%%%02X", c);
	else if (c <= 0x20 || c == 0x7f || strchr("?#\\\"<>^`{|}*", (char)c))
		return *why = c == '*' ? "a * may stand only at the end, as /*"
		                       : "that character may not stand in a path",
		       0;
	else
		text_char(to, (char)c);
	return 1;
}

static bool has_dots(struct slice path)
{
	struct slice rest = path;

	while (rest.len) {
		struct slice part = slice_cut(&rest, '/');
		if (slice_same(part, S(".")) || slice_same(part, S("..")))
			return true;
	}
	return false;
}

bool parse_path(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	bool prefix = slice_ends(from, S("/*"));
	struct slice rest = prefix ? slice_head(from, from.len - 1) : from;

	if (!slice_starts(from, S("/")))
		return false;
	struct text t = { .at = store_take(w->store, 3 * from.len + 2), .cap = 3 * from.len + 2 };
	while (rest.len) {
		size_t taken = path_byte(rest, &t, why);
		if (!taken)
			return false;
		rest = slice_from(rest, taken);
	}
	if (memmem(t.at, t.len, "//", 2))
		return *why = "double slashes are made single in requests: it would match none", false;
	if (has_dots(text_slice(&t)))
		return *why = "dot segments are resolved in requests: it would match none", false;
	if (prefix)
		text_char(&t, '*');
	*(struct slice *)to = text_slice(&t);
	return text_end(&t);
}

bool parse_file(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	char whole[PATH_MAX];

	if (!parse_text(w, from, to, why))
		return false;
	if (from.at[0] == '/' || !w->directory.len)
		return true;
	struct slice joined = store_printf(w->store, "%.*s/%.*s", SLICE(w->directory), SLICE(from));
	joined = bundle_absolute(w->bundle, joined, whole);
	if (!joined.len)
		return *why = "the path is too long", false;
	*(struct slice *)to = store_copy(w->store, joined);
	return true;
}

bool parse_secret(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	struct secret *s = to;

	(void)w;
	if (from.len < 32)
		return *why = "it must have at least 32 bytes; make one by `head -c 48 /dev/urandom | base64`", false;
	*s = (struct secret){ (unsigned char *)(uintptr_t)from.at, from.len };
	return true;
}

/* Whether it came by reference is for the checks to see. */
bool parse_password(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	(void)w;
	if (from.len == 0 || from.len > 512)
		return *why = "a password has 1 to 512 bytes", false;
	*(struct secret *)to = (struct secret){ (unsigned char *)(uintptr_t)from.at, from.len };
	return true;
}

void format_secret(const void *value, struct text *to)
{
	(void)value;
	text_add(to, S("***"));
}
