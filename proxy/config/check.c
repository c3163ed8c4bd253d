/* Checks a configuration as a whole: names, files, relations between sections. */
#include "config/check.h"

/* ---- tools ---- */

void check_file(struct check *k, const struct slice *file, struct config_place holder)
{
	struct slice bytes;
	const char *why = NULL;

	if (!file->at || load_is_broken(k->load, file) || bundle_file(k->load->bundle, file->at, &bytes, &why))
		return;
	config_complain(k->load->errors, load_place(k->load, file, holder),
	                "the file \"%.*s\" cannot be read: %s", SHOWN(k, file), why);
}

static void guess_all(const struct index *names, struct guess *g)
{
	struct slice name;

	for (size_t at = 0; index_next(names, &at, &name);)
		guess_try(g, name);
}

void *check_name(struct check *k, const struct index *names, const struct slice *at,
                 struct config_place holder, const char *what)
{
	void *found = index_find(names, *at);
	char hint[GUESS_MAX];

	if (found)
		return found;
	struct guess g = guess_of(*at);
	if (k->load->errors->count < COMPLAIN_MAX) /* what is not shown needs no guess */
		guess_all(names, &g);
	config_complain(k->load->errors, load_place(k->load, at, holder), "there is no %s \"%.*s\"%s", what,
	                SHOWN(k, at), guess_say(&g, hint));
	return NULL;
}

void check_distinct(struct check *k, const struct config_texts *list, struct config_place holder,
                    const char *what)
{
	struct index seen = index_of(&k->load->scratch);

	for (size_t i = 0; i < list->len; i++)
		if (index_add(&seen, list->at[i], &list->at[i]))
			config_complain(k->load->errors, load_place(k->load, &list->at[i], holder),
			                "the %s \"%.*s\" is given twice", what, SHOWN(k, &list->at[i]));
}

bool check_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = slice_lower(s.at[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return s.len > 0;
}

bool check_is_private(const struct in6_addr *ip)
{
	static const char *const nets[] = { "10.0.0.0/8",    "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		                                "100.64.0.0/10", "fc00::/7",      "fe80::/10" };
	struct cidr net;
	const struct config_cidrs one = { &net, 1 };
	const char *why;

	for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++)
		if (parse_cidr(NULL, slice_of(nets[i]), &net, &why) && cidrs_have(&one, ip))
			return true;
	return false;
}

/* ---- the whole ---- */

/* The structures of a map by their ids; what is found is a pointer to the structure. */
#define INDEX(k, map) \
	do { \
		(k)->map = index_of(&(k)->load->scratch); \
		for (size_t i = 0; i < (k)->root->map##_len; i++) \
			index_add(&(k)->map, (k)->root->map[i].id, &(k)->root->map[i]); \
	} while (0)

static void check_rest(struct check *k)
{
	struct config_root *c = k->root;
	const struct config_verification *v = &c->verification;

	if (load_is_reference(k->load, &c->environment))
		COMPLAIN(k, &c->environment, c,
		         "environment must be written out: a file that takes it from where it runs fits every host");
	for (size_t i = 0; i < c->rules.len; i++) {
		check_file(k, &c->rules.at[i], c->place);
		bundle_mark_text(k->load->bundle, c->rules.at[i].at);
	}
	if (v->keys_hard < v->keys_soft)
		COMPLAIN(k, &v->keys_hard, v, "verification.keys_hard is shorter than verification.keys_soft");
	if (c->http.target_max > c->http.head_max)
		COMPLAIN(k, &c->http.target_max, &c->http,
		         "http.target_max is larger than http.head_max, of which it is a part");
}

void check_config(struct load *l, struct config_root *c)
{
	struct check k = { .load = l, .root = c };

	INDEX(&k, upstreams);
	INDEX(&k, issuers);
	INDEX(&k, limits);
	check_listeners(&k);
	check_issuers(&k);
	check_upstreams(&k);
	check_limits(&k);
	check_redis(&k);
	check_routes(&k);
	check_claims(&k);
	check_trust(&k);
	check_rest(&k);
	if (l->errors->count == 0) /* what is misspelt is used under another name */
		check_unused(&k);
}
