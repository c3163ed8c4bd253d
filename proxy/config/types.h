/* types.h -- the types an option can have. Part of config's door. */
#pragma once
#include "base/clock.h"
#include "base/gcra.h"
#include "base/secret.h"
#include "base/slice.h"
#include "config/maxima.h"
#include <netinet/in.h>

struct fraction {
	uint32_t part, of;
}; /* of: not 0 */

struct cidr {
	struct in6_addr net; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t bits;        /* of 128 */
};

struct config_place { /* where something was written; for messages */
	const char *file;
	unsigned line, column; /* from 1; 0 where it was not written (a default) */
};

struct config_cidrs {
	struct cidr *at;
	size_t len;
};
struct config_texts {
	struct slice *at;
	size_t len;
};
struct config_pair {
	struct slice name, value;
};
struct config_pairs {
	struct config_pair *at;
	size_t len;
};
struct config_choice {
	struct slice name;
	struct config_texts values;
};
struct config_choices {
	struct config_choice *at;
	size_t len;
};
struct config_secret_list {
	struct secret *at;
	size_t len;
};

/* Every slice of a configuration is also NUL-terminated behind its end, for C libraries. An absent text has
 * at == NULL. */
typedef bool CONFIG_BOOL;
typedef uint64_t CONFIG_COUNT;
typedef uint64_t CONFIG_SIZE;            /* bytes: 64KiB, 1MiB, 500B */
typedef uint64_t CONFIG_DURATION;        /* ns: 10ms, 30s, 5m, 24h */
typedef struct rate CONFIG_RATE;         /* 10/s, 5/m, 100/h */
typedef uint64_t CONFIG_BYTERATE;        /* bytes per second: 500B/s */
typedef uint32_t CONFIG_PERCENT;         /* 0..100 */
typedef struct fraction CONFIG_FRACTION; /* 1/16, 5%, 1 */
typedef uint32_t CONFIG_SHARE;           /* the same; true is 100%, false 0% */
typedef struct slice CONFIG_TEXT;
typedef struct slice CONFIG_NAME;    /* [a-z0-9][a-z0-9._-]{0,62} */
typedef struct slice CONFIG_HOST;    /* exact, *.wildcard; lower case */
typedef struct slice CONFIG_PATH;    /* exact, or a prefix ending in a slash and a star; normalised */
typedef struct slice CONFIG_FILE;    /* relative ones are made absolute by the configuration's directory */
typedef struct slice CONFIG_LOGFILE; /* a file, or "stdout" or "stderr" */
typedef struct slice CONFIG_URL;
typedef struct slice CONFIG_ADDRESS; /* 0.0.0.0:443, [::]:443 */
typedef struct config_cidrs CONFIG_CIDRS;
typedef struct config_texts CONFIG_TEXTS;
typedef struct config_texts CONFIG_NAMES;
typedef struct config_texts CONFIG_URLS;
typedef struct config_texts CONFIG_FILES;
typedef struct config_pairs CONFIG_PAIRS;
typedef struct config_choices CONFIG_CHOICES;     /* names, each with the values it may have */
typedef struct config_secret_list CONFIG_SECRETS; /* never printed; at least 32 bytes each */
typedef struct secret CONFIG_PASSWORD; /* never printed, never written into the file; bytes NULL: absent */

/* Is the host (lower case, no dot behind it) one that the CONFIG_HOST is for? The one matcher of routes and
 * of client certificate policies: *.example.com is for every name below example.com, however deep. */
bool host_fits(struct slice pattern, struct slice host);
/* Is there a host that both are for? */
bool hosts_meet(struct slice pattern, struct slice other);

/* Is the address (IPv4 mapped) in one of the networks? */
bool cidrs_have(const struct config_cidrs *nets, const struct in6_addr *address);

/* Does the list have the word, to the letter? */
static inline bool texts_have(const struct config_texts *list, struct slice word)
{
	for (size_t i = 0; i < list->len; i++)
		if (slice_same(list->at[i], word))
			return true;
	return false;
}

/* A part of a limit's key: prefix (24/64), prefix48 (24/48), prefix:N or prefix:N/M. N and M are lengths for
 * IPv4 (8 to 32) and IPv6 (16 to 128); a single N up to 32 is for IPv4 and leaves IPv6 at 64, a longer one is
 * for IPv6 and leaves IPv4 at 24. False: none of these. */
struct prefix_bits {
	uint8_t v4, v6;
};
bool prefix_bits(struct slice part, struct prefix_bits *to);

/* A COUNT, SIZE or DURATION with the default "" that was not written. 0 is a value. */
#define CONFIG_ABSENT UINT64_MAX
