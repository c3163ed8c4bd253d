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

struct loaded load_from(struct bundle *b, const char *text);

struct loaded load_text(const char *text);

void unload(struct loaded *l);

void expect_good(struct loaded *l);

void expect_said(const struct loaded *l, const char *piece);

/* It is refused for one reason alone, and the errors hold this text. */
void refuse(const char *text, const char *piece);

void welcome(const char *text);

/* What a telling function writes. */
struct told {
	char *text;
	size_t len;
};

/* With the files that a listener of its tests names. */
struct loaded with_files(const char *text);
