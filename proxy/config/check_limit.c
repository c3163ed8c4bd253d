/* Checks the sections of limits. */
#include "config/check.h"
#include <inttypes.h>

#define YEAR_NS (365 * 24 * 3600 * NS_PER_S)

static const char *const parts[] = { "address", "prefix", "prefix48", "subject", "client",
	                                 "tenant",  "ja4",    "route",    "class",   "certificate" };

static const char *const named[] = { "header:", "cookie:", "form:", "json:" };

static bool is_part(struct slice part)
{
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (slice_same(part, slice_of(parts[i])))
			return true;
	return false;
}

/* The name of a field in a body: visible, and for JSON no empty step of the path. */
static bool is_field(struct slice name, bool json)
{
	bool empty = name.len == 0 || name.len > 64;

	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] >= 0x7f)
			return false;
	while (json && !empty && name.len) {
		bool more = slice_find(name, '.') < name.len;
		empty = slice_cut(&name, '.').len == 0 || (more && !name.len);
	}
	return !empty;
}

static void check_named(struct check *k, const struct config_limit *l, const struct slice *part, size_t kind)
{
	struct slice name = slice_from(*part, strlen(named[kind]));
	bool body = kind >= 2;

	if (body ? is_field(name, kind == 3) : check_is_token(name))
		return;
	if (body)
		COMPLAIN(k, part, l, "key: \"%.*s\" names no field; write up to 64 visible characters%s",
		         SHOWN(k, part), kind == 3 ? ", as json:username or json:user.name" : "");
	else
		COMPLAIN(k, part, l, "key: \"%.*s\" names no valid %s", SHOWN(k, part),
		         kind == 0 ? "header field" : "cookie");
}

static void check_part(struct check *k, const struct config_limit *l, const struct slice *part)
{
	struct prefix_bits bits;
	char hint[GUESS_MAX];

	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		if (slice_starts(*part, slice_of(named[i]))) {
			check_named(k, l, part, i);
			return;
		}
	if (is_part(*part) || prefix_bits(*part, &bits))
		return;
	if (slice_starts(*part, S("prefix:"))) {
		COMPLAIN(k, part, l,
		         "key: \"%.*s\" is no prefix; write prefix:N/M with N of 8 to 32 for IPv4 and M of 16 to "
		         "128 for IPv6, or one of them",
		         SHOWN(k, part));
		return;
	}
	struct guess g = guess_of(*part);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		guess_try(&g, slice_of(parts[i]));
	COMPLAIN(k, part, l,
	         "key: \"%.*s\" is none of address, prefix, prefix48, prefix:N/M, subject, client, tenant, ja4, "
	         "route, class, certificate, header:NAME, cookie:NAME, form:FIELD and json:FIELD%s",
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

static void check_outcome(struct check *k, const struct config_limit *l, const struct config_pair *o)
{
	uint64_t status = 0, cost = 0;

	if (o->name.len != 3 || !slice_u64(o->name, &status) || status < 200 || status > 599)
		COMPLAIN(k, &o->value, l, "outcomes: \"%.*s\" is no status; write one of 200 to 599",
		         SLICE(complain_shown(o->name)));
	else if (!slice_u64(o->value, &cost) || cost < l->cost || cost > l->burst)
		COMPLAIN(k, &o->value, l,
		         "outcomes: %" PRIu64 " is to cost \"%.*s\"; write a number of tokens from cost (%" PRIu64
		         ") to burst (%" PRIu64 "), which is what such a request costs in all",
		         status, SHOWN(k, &o->value), l->cost, l->burst);
}

static void check_outcomes(struct check *k, const struct config_limit *l)
{
	for (size_t i = 0; i < l->outcomes.len; i++)
		check_outcome(k, l, &l->outcomes.at[i]);
	if (l->outcomes.len > LIMIT_OUTCOMES_MAX)
		COMPLAIN(k, &l->outcomes, l, "outcomes: more than %d statuses", LIMIT_OUTCOMES_MAX);
}

static void check_limit(struct check *k, const struct config_limit *l)
{
	uint64_t period_ns = (l->rate.per_ns + l->rate.count - 1) / l->rate.count;

	if (l->key.len > KEY_PARTS_MAX)
		COMPLAIN(k, &l->key, l, "key: more than %d things to count by", KEY_PARTS_MAX);
	for (size_t i = 0; i < l->key.len; i++) {
		check_part(k, l, &l->key.at[i]);
		if (slice_same(l->key.at[i], S("certificate")) && !k->has_client_certificates)
			COMPLAIN(k, &l->key.at[i], l,
			         "key: no listener asks clients for a certificate, so all would share one bucket");
	}
	check_distinct(k, &l->key, l->place, "key part");
	check_classes(k, l);
	check_methods(k, &l->methods, l->place);
	check_outcomes(k, l);
	if (l->burst < l->cost)
		COMPLAIN(k, &l->burst, l,
		         "burst %" PRIu64 " is less than cost %" PRIu64 ", so no request could ever pass", l->burst,
		         l->cost);
	if (l->burst > YEAR_NS / period_ns)
		COMPLAIN(k, &l->burst, l,
		         "an empty bucket of this burst would take more than a year to fill at this rate");
}

/* All machines of a fleet must name a key alike, and nobody else may be able to. */
static void check_fleet(struct check *k)
{
	for (size_t i = 0; k->root->redis && k->root->secrets.fleet.len == 0 && i < k->root->limits_len; i++) {
		const struct config_limit *l = &k->root->limits[i];
		if (l->scope != SCOPE_FLEET)
			continue;
		COMPLAIN(k, &l->scope, l,
		         "scope: fleet needs secrets.fleet, from which all machines name a key in Redis alike; write "
		         "secrets: {fleet: [\"${file:PATH}\"]}, or scope: machine");
		return;
	}
}

void check_limits(struct check *k)
{
	check_fleet(k);
	for (size_t i = 0; i < k->root->limits_len; i++)
		if (!load_is_broken(k->load, &k->root->limits[i].place))
			check_limit(k, &k->root->limits[i]);
}
