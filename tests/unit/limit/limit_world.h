/* limit_world.h -- one route with limits, and requests for it. */
#pragma once
#include "limit/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

#define SLOTS 1024
#define MAX 4
#define NOW (NS_PER_S * 1000)

struct scene {
	struct config config;
	struct config_limit limits[MAX];
	struct config_route route;
	struct slice names[MAX], keys[MAX][KEY_PARTS_MAX], classes[MAX];
	void *memory;
	struct buckets *table;
	struct limits *l;
	struct client_facts client_facts;
	struct request r;
	struct header headers[8];
	char *store; /* of the request's arena */
};
extern struct scene s;

#define STORE 8192

int setup(void **state);

int teardown(void **state);

/* A limit of `burst`, one token a second, by the comma-separated key. */
struct config_limit *limit(const char *name, const char *key, uint64_t burst);

struct request *request_from(uint8_t last_byte);

void open_limits(void);

enum step_result early_from(uint8_t address, uint64_t now_ns);

#define assert_slice(have, text) \
	do { \
		struct slice is = (have); \
		if (!slice_same(is, slice_of(text))) \
			fail_msg("is: %.*s", SLICE(is)); \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
