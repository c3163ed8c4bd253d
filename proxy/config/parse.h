/* parse.h -- values: from text to memory and back. One row per type of types.h. */
#pragma once
#include "base/ip.h"
#include "base/text.h"
#include "config/bundle.h"
#include "config/store.h"

enum config_type {
	TYPE_BOOL,
	TYPE_COUNT,
	TYPE_SIZE,
	TYPE_DURATION,
	TYPE_RATE,
	TYPE_BYTERATE,
	TYPE_PERCENT,
	TYPE_SHARE,
	TYPE_FRACTION,
	TYPE_TEXT,
	TYPE_NAME,
	TYPE_HOST,
	TYPE_PATH,
	TYPE_FILE,
	TYPE_LOGFILE,
	TYPE_URL,
	TYPE_ADDRESS,
	TYPE_CIDRS,
	TYPE_TEXTS,
	TYPE_NAMES,
	TYPE_URLS,
	TYPE_FILES,
	TYPE_SECRETS,
	TYPE_PASSWORD,
	TYPE_PAIRS,
	TYPE_CHOICES,
	TYPES
};

struct parse_with {              /* what a parser may need beside the text */
	struct store *store;         /* where new text is put; values given must lie in it already */
	const struct bundle *bundle; /* for absolute paths; may be NULL where directory is */
	struct slice directory;      /* absolute; empty: relative paths stay as they are */
};

/* False: *why says what to write instead, where the type's own `form` is not enough; else it stays NULL. */
typedef bool parse_fn(const struct parse_with *w, struct slice from, void *to, const char **why);
typedef void format_fn(const void *value, struct text *to);

struct type {
	const char *word;    /* "duration", or of a list what it holds */
	const char *form;    /* "write a number with a unit, as 10ms" */
	const char *pattern; /* JSON Schema; NULL: any text */
	size_t size;         /* bytes of a value, or of one element of a list */
	bool list;
	bool number; /* min and max apply; the value is a uint64_t, or a uint32_t by its size */
	parse_fn *parse;
	format_fn *format;
};
extern const struct type types[TYPES];

/* What a list looks like in memory, whatever it holds. */
struct any_list {
	void *at;
	size_t len;
};

uint64_t type_number(const struct type *t, const void *value);

parse_fn parse_bool, parse_count, parse_size, parse_duration, parse_rate, parse_byterate, parse_percent,
    parse_share, parse_fraction;
parse_fn parse_text, parse_name, parse_host, parse_path, parse_file, parse_logfile, parse_url, parse_address,
    parse_cidr, parse_secret, parse_password;
format_fn format_bool, format_count, format_size, format_duration, format_rate, format_byterate,
    format_percent, format_share, format_fraction, format_text, format_cidr, format_secret;

#define NAME_LEN_MAX 63 /* bytes of a CONFIG_NAME */

/* ---- parts of network names ---- */
struct url {
	bool https;
	struct slice host; /* without brackets */
	uint64_t port;     /* 0: not written */
	struct slice rest; /* from the first slash on */
};
bool url_split(struct slice from, struct url *to, const char **why);

struct address {        /* of a listener */
	struct in6_addr ip; /* IPv4 mapped */
	uint16_t port;
};
bool address_split(struct slice from, struct address *to, const char **why);
bool host_is_name(struct slice host);
