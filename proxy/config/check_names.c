/* check_names.c -- routes' names: given, or made from host and path. */
#include "config/check.h"

/* Lower case; what a name may not hold becomes one '-', none at either end. */
static struct slice normalise(struct store *s, struct slice from)
{
	char *to = store_take(s, from.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < from.len && len < NAME_LEN_MAX; i++) {
		char c = slice_lower(from.at[i]);
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (word || (len && (c == '.' || c == '_')))
			to[len++] = c;
		else if (len && to[len - 1] != '-')
			to[len++] = '-';
	}
	while (len && strchr("-._", to[len - 1]))
		to[--len] = '\0';
	return (struct slice){ to, len };
}

/* `cloud.example.com/login/ *` becomes cloud.example.com-login; a wildcard is spelled out. */
static struct slice derive(struct check *k, const struct config_route *r)
{
	struct slice host = r->host, path = r->path;
	bool wild = slice_starts(host, S("*."));

	if (wild)
		host = slice_from(host, 2);
	if (slice_ends(path, S("/*")))
		path.len -= 2;
	struct slice all =
	    store_printf(&k->load->scratch, "%s%.*s%.*s", wild ? "any." : "", SLICE(host), SLICE(path));
	struct slice name = normalise(k->load->keep, all);
	return name.len ? name : store_copy(k->load->keep, S("any"));
}

static void complain_taken(struct check *k, const struct config_route *r, const struct config_route *old,
                           bool derived)
{
	struct slice name = load_shown(k->load, &r->name, r->name);
	struct config_place at = old->place;

	if (derived)
		config_complain(k->load->errors, r->place,
		                "this route needs a name: the one made from its host and path, \"%.*s\", is "
		                "that of the route at %s:%u:%u",
		                SLICE(name), at.file, at.line, at.column);
	else
		COMPLAIN(k, &r->name, r, "the route at %s:%u:%u is called \"%.*s\" already", at.file, at.line,
		         at.column, SLICE(name));
}

void check_route_names(struct check *k)
{
	struct index names = index_of(&k->load->scratch);

	for (int derived = 0; derived < 2; derived++)
		for (size_t i = 0; i < k->root->routes_len; i++) {
			struct config_route *r = &k->root->routes[i];
			bool written = load_is_written(k->load, &r->name);
			if (load_is_broken(k->load, &r->place) || written == (derived == 1))
				continue;
			if (!written)
				r->name = derive(k, r);
			struct config_route *old = index_add(&names, r->name, r);
			if (old)
				complain_taken(k, r, old, derived);
		}
}
