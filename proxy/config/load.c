/* Fills the configuration in from the tree that was read. */
#include "config/load.h"
#include "base/check.h"
#include "config/bundle.h"

struct note {
	const void *at;
	const struct node *node; /* NULL: not written */
	bool broken, secret;
};

static struct slice key_of(const void *const *at)
{
	return (struct slice){ (const char *)at, sizeof *at };
}

static struct note *find(const struct load *l, const void *at)
{
	return index_find(&l->notes, key_of(&at));
}

static struct note *note(struct load *l, const void *at)
{
	struct note *n = find(l, at);

	if (n)
		return n;
	n = store_take(&l->scratch, sizeof *n);
	n->at = at;
	index_add(&l->notes, key_of(&n->at), n);
	return n;
}

void load_note(struct load *l, const void *field, const struct node *n)
{
	struct note *noted = note(l, field);

	noted->node = n;
	if (n->reference.at && !noted->secret) {
		noted->secret = true;
		l->secrets++;
	}
}

void load_break(struct load *l, const void *at)
{
	note(l, at)->broken = true;
}

bool load_is_broken(const struct load *l, const void *at)
{
	const struct note *n = find(l, at);

	return n && n->broken;
}

bool load_is_written(const struct load *l, const void *field)
{
	const struct note *n = find(l, field);

	return n && n->node;
}

bool load_is_reference(const struct load *l, const void *field)
{
	const struct note *n = find(l, field);

	return n && n->secret;
}

struct config_place load_place(const struct load *l, const void *field, struct config_place otherwise)
{
	const struct note *n = find(l, field);

	return n && n->node ? n->node->place : otherwise;
}

struct config_place load_key_place(const struct load *l, const void *field, struct config_place otherwise)
{
	const struct note *n = find(l, field);

	return n && n->node && n->node->key ? n->node->key->place : otherwise;
}

struct slice load_shown(const struct load *l, const void *field, struct slice value)
{
	const struct note *n = find(l, field);

	return complain_shown(n && n->node && n->node->reference.at ? n->node->reference : value);
}

void load_list_secrets(const struct load *l, struct config_memory *m)
{
	struct slice key;
	size_t at = 0;

	m->secret = store_take(&m->store, l->secrets * sizeof *m->secret);
	for (const struct note *n; (n = index_next(&l->notes, &at, &key));)
		if (n->secret)
			m->secret[m->secret_len++] = n->at;
}

static void take_keys(const struct load *l, struct config_memory *m)
{
	struct slice purpose, key;
	size_t len = 0;

	for (size_t at = 0; bundle_next(l->bundle, BUNDLE_KEY, &at, &purpose, &key);)
		len++;
	m->key = store_take(&m->store, len * sizeof *m->key);
	for (size_t at = 0; bundle_next(l->bundle, BUNDLE_KEY, &at, &purpose, &key);)
		m->key[m->key_len++] =
		    (struct config_pair){ store_copy(&m->store, purpose), store_copy(&m->store, key) };
}

bool config_key(const struct config *c, struct slice purpose, struct slice *key)
{
	const struct config_memory *m = c->memory;

	for (size_t i = 0; m && i < m->key_len; i++)
		if (slice_same(m->key[i].name, purpose))
			return *key = m->key[i].value, true;
	return false;
}

struct config *config_load(struct bundle *b, const char *path, struct config_errors *errors)
{
	struct load l = { .bundle = b, .errors = errors };
	struct config_memory *m = calloc(1, sizeof *m);

	check(m);
	complain_open(errors, b, path);
	l.keep = &m->store;
	l.files = index_of(&l.scratch);
	l.notes = index_of(&l.scratch);
	struct config *c = store_take(l.keep, sizeof *c);
	c->memory = m;
	struct node *tree = load_tree(&l, path);
	if (tree) {
		load_scope(&l, table_root(), tree, &c->root);
		check_config(&l, &c->root);
		load_list_secrets(&l, m);
		take_keys(&l, m);
	}
	complain_close(errors);
	store_free(&l.scratch);
	if (errors->count == 0)
		return c;
	config_free(c);
	return NULL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	struct config_memory *m = c->memory;
	store_free(&m->store);
	free(m);
}
