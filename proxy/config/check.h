/* check.h -- what the values mean together. Each part complains and goes on; a structure in which there was
 * an error already is passed over, since what it lacks may be what was misspelt. */
#pragma once
#include "config/load.h"

struct check {
	struct load *load;
	struct config_root *root;
	struct index upstreams, issuers, limits; /* by name */
	bool has_client_certificates;
};

void check_listeners(struct check *k);
void check_issuers(struct check *k);
void check_upstreams(struct check *k);
void check_limits(struct check *k);
void check_redis(struct check *k);
void check_routes(struct check *k);
void check_trust(struct check *k);  /* who is believed, and who may look */
void check_unused(struct check *k); /* warns only */
/* Of one route: redirect, header changes, tokens, CORS. */
void check_redirect(struct check *k, struct config_redirect *r);
void check_headers(struct check *k, struct config_headers *h, bool request);
void check_opaque(struct check *k, const struct config_opaque *o);
void check_verify(struct check *k, const struct config_route_verify *v);
void check_claims(struct check *k); /* those that the conditions of all routes name */
void check_cors(struct check *k, struct config_cors *c);
/* Methods of a route or a limit: words in capitals, no two the same. */
void check_methods(struct check *k, const struct config_texts *methods, struct config_place holder);
/* Gives names to the routes that have none. */
void check_route_names(struct check *k);

/* One mistake, at the field if it was written, else at the structure that holds it. */
#define COMPLAIN(k, field, holder, ...) \
	config_complain((k)->load->errors, load_place((k)->load, (field), (holder)->place), __VA_ARGS__)
/* A value for "%.*s", fit to be shown. */
#define SHOWN(k, field) SLICE(load_shown((k)->load, (field), *(field)))

/* The file can be read through the bundle; absent is well. */
void check_file(struct check *k, const struct slice *file, struct config_place holder);
/* `name` is among the names; at is the field that holds it. What: "upstream". NULL: complained. */
void *check_name(struct check *k, const struct index *names, const struct slice *at,
                 struct config_place holder, const char *what);
/* No two texts of a list are the same; it says so of the second. */
void check_distinct(struct check *k, const struct config_texts *list, struct config_place holder,
                    const char *what);
bool check_is_token(struct slice s); /* RFC 9110 section 5.6.2 */
bool check_is_private(const struct in6_addr *ip);
