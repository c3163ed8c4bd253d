/* keeping.h -- a keeper in a world of fake time, whose issuer answers what a test wants. */
#pragma once
#include "../jose/tokens.h"
#include "base/log.h"
#include "issuer/inside.h"
#include <sys/stat.h>
#include <unistd.h>

#define DAY_S (24 * 3600)
#define NEVER UINT64_MAX

struct keeping {
	struct config config;
	struct config_issuer issuer;
	char state[64];
	struct published_issuers *published;
	struct issuer_keeper *keeper;
	uint64_t now_ns, wall_s;

	/* the issuer */
	int status; /* of the key set; 0: refuses; -1: hangs */
	int discovery_status;
	struct slice body; /* the key set */
	const char *discovery;
	uint64_t max_age_s;
	unsigned discoveries, fetches, moved;
	char url[256];    /* last asked for */
	char floor[4096]; /* machine.floor */
	struct {
		void (*done)(void *, int, struct slice, uint64_t, const char *);
		void *for_whom;
	} hanging[64];
	size_t hanging_len;

	/* the fleet's Redis; NULL: none. answer: of what it owes one; false: of nothing */
	bool (*redis)(void *, const struct slice *, size_t, void (*)(void *, bool, const struct slice *, size_t),
	              void *);
	bool (*answer)(void);
};
extern struct keeping keeping;

void keeping_fetch(void *with, const struct issuer_request *ask,
                   void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom);

/* What hung is answered after all, whoever still wants it. */
void keeping_unhang(int status);

uint64_t keeping_now(void *with);

uint64_t keeping_wall(void *with);

void keeping_start_with(struct slice machine_secret);

void keeping_start(void);

void keeping_stop(void);

void keeping_open(struct slice jwks);

void keeping_path(char to[256], const char *name);

void keeping_close(void);

/* A fixture's work: a keeper that runs, with an issuer that answers so. */
int keeping_begin(struct slice body);

/* A fixture: after each test. */
int keeping_end(void **state);
