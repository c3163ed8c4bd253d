/* load.h -- what the parts of one loading share: tree, then values, then checks. Errors are counted in
 * `errors`; every part goes on after one, so that a run tells of all. */
#pragma once
#include "config/bundle.h"
#include "config/index.h"
#include "config/table.h"
#include "config/yaml.h"

struct config_memory { /* what config->memory points at */
	struct store store;
	const void **secret; /* fields, and elements of lists, whose values came by ${...} */
	size_t secret_len;
	struct config_pair *key; /* purposes and keys of the bundle */
	size_t key_len;
};

struct load {
	struct bundle *bundle;
	struct config_errors *errors;
	struct store *keep;     /* lives with the configuration */
	struct store scratch;   /* ends with the loading */
	const char *file;       /* the configuration, as named */
	struct slice directory; /* its directory; absolute */
	bool incomplete;        /* a file is missing or no YAML: what follows would complain of its lack */
	unsigned passed_over;   /* values that could not be had, complained of already */
	struct index files;     /* absolute names of files read, with their names as written */
	struct index notes;     /* by address */
	size_t secrets;         /* fields noted whose value is secret */
};

/* ---- the tree: the file, all it includes, all it refers to. NULL: complained ---- */
struct node *load_tree(struct load *l, const char *path);
/* Replaces ${env:NAME} and ${file:PATH} by what they stand for. */
void load_references(struct load *l, struct node *n);

/* ---- values: reads the mapping n (NULL: not written) into a zeroed structure ---- */
void load_scope(struct load *l, const struct scope *s, const struct node *n, void *to);

/* ---- notes on fields and structures, by their addresses ---- */
void load_note(struct load *l, const void *field, const struct node *n);
/* Was there an error in it already? Then further ones would be noise. A structure is named by its `place`. */
void load_break(struct load *l, const void *at);
bool load_is_broken(const struct load *l, const void *at);
bool load_is_written(const struct load *l, const void *field);
/* Did its value come by ${...}? */
bool load_is_reference(const struct load *l, const void *field);
/* Where the field was written; `otherwise` where it was not. */
struct config_place load_place(const struct load *l, const void *field, struct config_place otherwise);
/* Where its name stands, of a value in a mapping. */
struct config_place load_key_place(const struct load *l, const void *field, struct config_place otherwise);
/* A value as it may be shown: cut where it is long, the reference where it came by one. */
struct slice load_shown(const struct load *l, const void *field, struct slice value);
void load_list_secrets(const struct load *l, struct config_memory *m);

/* ---- the meaning of the whole ---- */
void check_config(struct load *l, struct config_root *c);
