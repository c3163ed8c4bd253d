/* certificates.h -- the certificates that a configuration names, each with its end. Part of keeper's door. */
#pragma once
#include "config/config.h"

#define CERTIFICATE_SOON_S (14 * 24 * 3600) /* it is said this long before one ends */

struct certificate {
	const char *of;     /* "listener", "clients of listener", "upstream", "CA of upstream", "Redis" ... */
	struct slice whose; /* an address or a name; may be empty */
	struct slice file;
	struct config_place place;
	int64_t end_s; /* since 1970 */
};

/* Those of the bundle that can be read; each once for each place that names it. */
void certificates_each(const struct config *c, struct bundle *b,
                       void (*take)(void *with, const struct certificate *one), void *with);
