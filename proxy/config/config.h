/* config.h -- the configuration: read, checked, explained. Everything comes from options.def.
 *
 * Owner: a struct config owns all it points at; config_free frees it. It never changes after the load.
 * All reading of files goes through a bundle: in the child that validates, the bundle reads the disk and
 * remembers every byte; written to a sealed memory file, it is all that a worker needs to make the same
 * configuration again. What can go wrong: the operator's mistakes, each a full sentence with
 * file:line:column, up to 20 a run. */
#pragma once
#include "config/files.h"
#include "config/material.h"
#include "config/types.h"
#include "config/withheld.h"

/* ---- the words: enum TAG and TAG_words[], by the same numbers, of each WORDS of options.def ---- */
#define WORDS(name, tag, words, def, when, text) \
	enum tag { words }; \
	extern const struct slice tag##_words[];
#define WORD(id, word) id,
#include "config/options.def"
#undef WORD

/* ---- the structures: one per SCOPE of options.def, fields named by its rows ---- */
#ifndef CONFIG_MARK
#define CONFIG_MARK /* `make lint` marks every field and sees which ones nobody reads */
#endif
#define SCOPE(name, where, text) struct config_##name {
#define OPTION(name, type, def, min, max, when, text) CONFIG_##type name CONFIG_MARK;
#define WORDS(name, tag, words, def, when, text) int name CONFIG_MARK; /* enum tag */
#define GROUP(name, scope, text) struct config_##scope name;
#define PART(name, scope, text) struct config_##scope *name; /* NULL where absent */
#define LIST(name, scope, text) \
	struct config_##scope *name; \
	size_t name##_len;
#define MAP(name, scope, text) \
	struct config_##scope *name; \
	size_t name##_len; /* each has .id, its name */
#define END(name) \
	struct slice id; \
	struct config_place place; \
	} \
	;
#include "config/options.def"

struct config {
	struct config_root root; /* first, so that the table's offsets hold */
	void *memory;            /* private to config/ */
};

/* ---- loading ---- */
struct config_errors { /* start from { 0 } */
	char *text;        /* what to print, complete lines; owned by whoever calls config_errors_free */
	unsigned count;    /* all found, at most 20 of them in text */
	char *warnings;    /* as above: what is allowed and hardly meant; NULL: none */
	unsigned warned;
	struct config_sources *sources; /* private to config/; needs the bundle, which outlives it */
};

/* Reads `path` through the bundle and checks everything that can be known without opening a socket: names
 * that refer, files that must be readable, ranges. NULL: *errors says why; what was in *errors is lost.
 * A route's body_max and, where it has an upstream, its timeouts are filled with what holds if it says
 * nothing. */
struct config *config_load(struct bundle *b, const char *path, struct config_errors *errors)
    __attribute__((warn_unused_result));
void config_free(struct config *c);
void config_errors_free(struct config_errors *e);
/* One more mistake, at a place of the configuration (rooms that check their part: tls, classify). */
void config_complain(struct config_errors *e, struct config_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first option that differs and needs a restart to change ("log.ring"); false: there is none. */
struct text;
bool config_needs_restart(const struct config *a, const struct config *b, struct text *key);

/* Something that is allowed and hardly meant. It refuses nothing. */
void config_warn(struct config_errors *e, struct config_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- telling: each writes to a stream and is generated from options.def ---- */
#include <stdio.h>
bool config_explain(FILE *to, const char *key,
                    bool json); /* "routes.verify.issuer"; false: no such key, suggestion printed */
void config_print(FILE *to, const struct config *c,
                  bool json); /* the effective configuration, secrets as "***" */
void config_write_options_md(FILE *to);
void config_write_schema(FILE *to);
void config_write_man(FILE *to); /* the whole of sallyport.conf(5), mdoc */
