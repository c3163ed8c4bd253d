/* yaml.h -- a strict subset of YAML 1.1, read by libyaml into a tree that knows where everything stands.
 *
 * Refused, each with a sentence: anchors, aliases, tags, directives, several documents, duplicate keys, keys
 * that are no scalars, anything but UTF-8, depth over 32, files over 1 MiB. An empty file is an empty
 * mapping. */
#pragma once
#include "config/diagnostics.h"
#include "config/store.h"

#define YAML_DEPTH_MAX 32
#define YAML_SIZE_MAX ((size_t)1 << 20) /* bytes */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	bool plain;             /* scalar without quotes */
	bool failed;            /* what it refers to could not be had; complained already */
	struct slice reference; /* "${env:NAME}" where its text came that way and is never shown; else at NULL */
	struct config_place place;
	unsigned last_line;
	struct slice text; /* scalar; NUL-terminated */
	struct node *key;  /* where it is a value of a mapping */
	struct node *next; /* in its list or mapping */
	struct node *first, *last;
	size_t len; /* children */
};

/* The tree lies in s; file becomes every node's place.file. NULL: complained. */
struct node *yaml_read(struct store *s, struct slice text, const char *file, struct config_errors *e);

/* What libyaml complains of; lines and columns from 1. */
struct text;
struct yaml_trouble {
	struct slice text;             /* the whole file */
	const char *problem, *context; /* context: "" where there is none */
	unsigned line, column, context_line, context_column;
};
/* A sentence for people, where the cause is one of the usual ones; false: nothing is known better. */
bool yaml_in_words(const struct yaml_trouble *t, struct text *to);

/* UTF-8 without byte order mark and control characters (line ends are LF or CR LF)? False: complained. */
bool yaml_is_text(struct slice text, const char *file, struct config_errors *e);

/* Decodes the character at the front (RFC 3629); its length, or 0 where there is none. */
size_t utf8_character(struct slice s, uint32_t *code);

void node_append(struct node *to, struct node *child);
/* The value of a key; NULL where there is none. */
struct node *node_find(const struct node *map, struct slice key);
/* "a mapping", "a list", "a single value". */
const char *node_what(const struct node *n);
