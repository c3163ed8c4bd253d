/* fixture.h -- a worker's verification with a configuration made by hand,
	published memory and a silent keeper. */
#pragma once
#include "../jose/tokens.h"
#include "verify/inside.h"

#define WALL_S UINT64_C(1800000000)
#define NOW_NS (UINT64_C(1000) * NS_PER_S)

enum {
	ROUTE_OPEN,
	ROUTE_READ,
	ROUTE_WRITE,
	ROUTE_NARROW,
	ROUTE_OTHER,
	ROUTE_PLAIN,
	ROUTE_BOTH,
	ROUTE_THIRD,
	ROUTE_ACME,
	ROUTES
};

struct fixture {
	struct config config;
	struct config_issuer issuers[3];
	struct config_route routes[ROUTES];
	struct config_route_verify rules[ROUTES];
	struct slice both[2], one[1], read[1], write[1], third[2], pair[2], acme[1], yes[1], bearer[1];
	struct config_choice choices[2];
	struct published_issuers *published;
	struct verify *verify;
	unsigned asked, woken;
	bool keeper_is_deaf;
	char asked_kid[KID_MAX + 1];
	uint64_t asked_iat_s, hard_ns;
};
extern struct fixture fixture;

bool fixture_asked(void *with, struct slice issuer, struct slice kid, uint64_t iat_s);

void fixture_open(void);

void fixture_close(void);

/* A fixture: after each test. */
int fixture_end(void **state);

/* As the keeper does: this issuer's keys, fetched at these times. */
void fixture_publish(int issuer, struct slice jwks, uint64_t wall_s, uint64_t ns);

struct published_slot *fixture_slot(int issuer);
