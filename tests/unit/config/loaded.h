/* loaded.h -- a configuration loaded from text, for tests. No disk unless the test makes its own bundle. */
#pragma once
#include "config/bundle.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

struct loaded {
	struct bundle *bundle;
	struct config *config;
	struct config_errors errors;
};

/* The least that a configuration must say. Three lines, so that what a test adds begins at line 4. */
#define LEAST "environment: dev\nlisteners:\n  - {address: \"127.0.0.1:8080\"}\n"
#define ISSUER "issuers: {auth0: {issuer: \"https://auth0.example/\", audiences: [api]}}\n"
#define UPSTREAM "upstreams: {app: {endpoints: [\"http://127.0.0.1:3000\"]}}\n"

static inline struct loaded load_from(struct bundle *b, const char *text)
{
	struct loaded l = { .bundle = b };

	if (text)
		bundle_put(b, "/etc/s/c.yaml", slice_of(text));
	l.config = config_load(b, "/etc/s/c.yaml", &l.errors);
	return l;
}

static inline struct loaded load_text(const char *text)
{
	return load_from(bundle_empty(), text);
}

static inline void unload(struct loaded *l)
{
	config_free(l->config);
	config_errors_free(&l->errors);
	bundle_close(l->bundle);
}

static inline void expect_good(struct loaded *l)
{
	if (l->errors.text)
		fprintf(stderr, "%s", l->errors.text);
	assert_non_null(l->config);
	assert_int_equal(l->errors.count, 0);
}

static inline void expect_said(const struct loaded *l, const char *piece)
{
	assert_null(l->config);
	assert_non_null(l->errors.text);
	if (!strstr(l->errors.text, piece))
		fprintf(stderr, "looked for: %s\nin: %s", piece, l->errors.text);
	assert_non_null(strstr(l->errors.text, piece));
}

/* It is refused for one reason alone, and the errors hold this text. */
static inline void refuse(const char *text, const char *piece)
{
	struct loaded l = load_text(text);

	expect_said(&l, piece);
	if (l.errors.count != 1)
		fprintf(stderr, "%s", l.errors.text);
	assert_int_equal(l.errors.count, 1);
	unload(&l);
}

static inline void welcome(const char *text)
{
	struct loaded l = load_text(text);

	expect_good(&l);
	unload(&l);
}

/* What a telling function writes. */
struct told {
	char *text;
	size_t len;
};

/* With the files that a listener of its tests names. */
static inline struct loaded with_files(const char *text)
{
	struct bundle *b = bundle_empty();

	bundle_put(b, "/etc/s/cert.pem", S("c"));
	bundle_put(b, "/etc/s/key.pem", S("k"));
	bundle_put(b, "/etc/s/ca.pem", S("a"));
	return load_from(b, text);
}
