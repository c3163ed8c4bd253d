#include "config/check.h"
#include <inttypes.h>

#define YEAR_NS (365 * 24 * 3600 * NS_PER_S)

static const char *const parts[] = { "address", "prefix", "prefix48", "subject", "client", "tenant",
	                             "ja4",     "route",  "class",    "certificate" };

static bool is_part(struct slice part)
{
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (slice_same(part, slice_of(parts[i])))
			return true;
	return false;
}

static void check_part(struct check *k, const struct config_limit *l, const struct slice *part)
{
	struct slice header = slice_from(*part, 7);
	char hint[GUESS_MAX];

	if (slice_starts(*part, S("header:"))) {
		if (!check_is_token(header))
			COMPLAIN(k, part, l, "key: \"%.*s\" names no valid header field", SHOWN(k, part));
		return;
	}
	if (is_part(*part))
		return;
	struct guess g = guess_of(*part);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		guess_try(&g, slice_of(parts[i]));
	COMPLAIN(
	    k, part, l,
	    "key: \"%.*s\" is none of address, prefix, prefix48, subject, client, tenant, ja4, route, class, "
	    "certificate and header:NAME%s",
	    SHOWN(k, part), guess_say(&g, hint));
}

static void check_classes(struct check *k, const struct config_limit *l)
{
	for (size_t i = 0; i < l->classes.len; i++) {
		const struct slice *class = &l->classes.at[i];
		if (!slice_same(*class, S("human")) && !slice_same(*class, S("declared")))
			COMPLAIN(k, class, l, "classes: \"%.*s\" is neither human nor declared", SHOWN(k, class));
	}
	check_distinct(k, &l->classes, l->place, "class");
}

static void check_limit(struct check *k, const struct config_limit *l)
{
	uint64_t period_ns = (l->rate.per_ns + l->rate.count - 1) / l->rate.count;

	for (size_t i = 0; i < l->key.len; i++) {
		check_part(k, l, &l->key.at[i]);
		if (slice_same(l->key.at[i], S("certificate")) && !k->has_client_certificates)
			COMPLAIN(k, &l->key.at[i], l,
			         "key: no listener asks clients for a certificate, so all would share one bucket");
	}
	check_distinct(k, &l->key, l->place, "key part");
	check_classes(k, l);
	if (l->burst < l->cost)
		COMPLAIN(k, &l->burst, l,
		         "burst %" PRIu64 " is less than cost %" PRIu64 ", so no request could ever pass", l->burst,
		         l->cost);
	if (l->burst > YEAR_NS / period_ns)
		COMPLAIN(k, &l->burst, l,
		         "an empty bucket of this burst would take more than a year to fill at this rate");
}

void check_limits(struct check *k)
{
	for (size_t i = 0; i < k->root->limits_len; i++)
		if (!load_is_broken(k->load, &k->root->limits[i].place))
			check_limit(k, &k->root->limits[i]);
}
