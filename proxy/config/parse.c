/* Knows how each type of value is read and written. */
#include "config/parse.h"

#define NAME_FORM \
	"write lower-case letters, digits, '.', '_' and '-', at most 63, the first a letter or a digit"
#define DURATION_FORM "write a number with its unit (ns, us, ms, s, m or h), as 250ms, 30s or 5m"
#define SIZE_FORM "write a number with its unit (B, KiB, MiB, GiB or TiB), as 64KiB"
#define RATE_FORM "write events per time, as 10/s, 5/m, 100/h or 100/10s"
#define CIDR_FORM "write an address, or a network, as 10.0.0.0/8 or 2001:db8::/32"
#define URL_FORM "write a URL, as https://issuer.example.com/"
#define NAME_PATTERN "^[a-z0-9][a-z0-9._-]{0,62}$"
#define CIDR_PATTERN "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$"
#define URL_PATTERN "^https?://"

#define NUMBER(word, type, name, form, pattern) \
	{ \
		word, form, pattern, sizeof(type), false, true, parse_##name, format_##name \
	}
#define VALUE(word, type, name, form, pattern) \
	{ \
		word, form, pattern, sizeof(type), false, false, parse_##name, format_##name \
	}
#define WORDY(word, name, form, pattern) \
	{ \
		word, form, pattern, sizeof(struct slice), false, false, parse_##name, format_text \
	}
#define MANY(word, type, name, format, form, pattern) \
	{ \
		word, form, pattern, sizeof(type), true, false, parse_##name, format_##format \
	}

const struct type types[TYPES] = {
	[TYPE_BOOL] = VALUE("boolean", bool, bool, "write true or false", NULL),
	[TYPE_COUNT] = NUMBER("number", uint64_t, count, "write decimal digits only", "^(0|[1-9][0-9]*)$"),
	[TYPE_SIZE] = NUMBER("size", uint64_t, size, SIZE_FORM, "^[0-9]+(B|KiB|MiB|GiB|TiB)$"),
	[TYPE_DURATION] = NUMBER("duration", uint64_t, duration, DURATION_FORM, "^[0-9]+(ns|us|ms|s|m|h)$"),
	[TYPE_RATE] = VALUE("rate", struct rate, rate, RATE_FORM, "^[0-9]+/[0-9]*(ms|s|m|h)$"),
	[TYPE_BYTERATE] = NUMBER("byte rate", uint64_t, byterate, "write a size per second, as 500B/s",
	                         "^[0-9]+(B|KiB|MiB|GiB)/s$"),
	[TYPE_PERCENT] = NUMBER("percentage", uint32_t, percent, "write 0% to 100%", "^[0-9]{1,3}%$"),
	[TYPE_SHARE] = VALUE("boolean or percentage", uint32_t, share, "write true, false, or 0% to 100%",
	                     "^(true|false|[0-9]{1,3}%)$"),
	[TYPE_FRACTION] = VALUE("fraction", struct fraction, fraction,
	                        "write a fraction, as 1/16, or a percentage, as 5%: more than nothing, 1 at most",
	                        "^(1|[0-9]{1,3}%|[0-9]{1,7}/[0-9]{1,7})$"),
	[TYPE_TEXT] = WORDY("text", text, "write text without control characters", NULL),
	[TYPE_NAME] = WORDY("name", name, NAME_FORM, NAME_PATTERN),
	[TYPE_HOST] = WORDY("host name", host, "write a host name without port, or *.example.com",
	                    "^(\\*\\.)?[A-Za-z0-9_.:\\[\\]-]+$"),
	[TYPE_PATH] = WORDY("path", path, "write an absolute path, as /login, or a prefix, as /login/*", "^/"),
	[TYPE_FILE] =
	    WORDY("file name", file, "write a path; relative ones begin at the configuration's directory", NULL),
	[TYPE_LOGFILE] = WORDY("log file", logfile, "write stdout, stderr or a path", NULL),
	[TYPE_URL] = WORDY("URL", url, URL_FORM, URL_PATTERN),
	[TYPE_ADDRESS] = WORDY("address", address, "write an IP address and a port, as 0.0.0.0:443 or [::]:443",
	                       "^([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$"),
	[TYPE_CIDRS] = MANY("network", struct cidr, cidr, cidr, CIDR_FORM, CIDR_PATTERN),
	[TYPE_TEXTS] = MANY("text", struct slice, text, text, "write text without control characters", NULL),
	[TYPE_NAMES] = MANY("name", struct slice, name, text, NAME_FORM, NAME_PATTERN),
	[TYPE_URLS] = MANY("URL", struct slice, url, text, URL_FORM, URL_PATTERN),
	[TYPE_FILES] = MANY("file name", struct slice, file, text, "write a path", NULL),
	[TYPE_SECRETS] = MANY("secret", struct secret, secret, secret,
	                      "write ${file:PATH} or ${env:NAME}, with at least 32 bytes behind it", NULL),
	[TYPE_PASSWORD] = { "password", "write ${file:PATH} or ${env:NAME}", "^\\$\\{(env|file):",
	                    sizeof(struct secret), false, false, parse_password, format_secret },
	[TYPE_PAIRS] = MANY("text", struct config_pair, text, text, "write names with their values", NULL),
	[TYPE_CHOICES] =
	    MANY("text", struct config_choice, text, text, "write names with the values they may have", NULL),
};

uint64_t type_number(const struct type *t, const void *value)
{
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (t->size == sizeof wide)
		return memcpy(&wide, value, sizeof wide), wide;
	return memcpy(&narrow, value, sizeof narrow), narrow;
}
