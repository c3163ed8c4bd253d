/* asking.h -- a worker and its keeper, wired as by the ring, with an issuer that is asked for opaque tokens
 * and answers when the test says so. */
#pragma once
#include "issuer/inside.h"
#include "issuer/introspect_reply.h"
#include "verify/inside.h"
#include <stdio.h>
#include <stdlib.h>

#define WALL_S UINT64_C(1800000000)
#define NOW_NS (UINT64_C(5000) * NS_PER_S)

#define CALLS 128
#define GUESTS 1000

struct asking {
	struct config config;
	struct config_issuer issuer;
	struct config_opaque opaque;
	struct config_route route[2];
	struct config_route_verify rule[2];
	struct slice audience, bearer, scope;
	struct published_issuers *published;
	struct verify *verify;
	struct issuer_keeper *keeper;
	uint64_t now_ns, wall_s;
	bool keeper_is_deaf;
	unsigned moved, woken;

	struct call { /* to the endpoint, not yet answered where done */
		void (*done)(void *, int, struct slice, uint64_t, const char *);
		void *for_whom;
		char form[400], user[64], password[64], bearer[200], accept[120];
	} call[CALLS];
	size_t calls, answered;

	/* the fleet's Redis: one value */
	bool fleet_is_away;
	char fleet_key[128], fleet_value[4096];
	size_t fleet_key_len, fleet_value_len;
	uint64_t fleet_ttl_ms;
	unsigned fleet_gets;
	void (*fleet_done)(void *, struct slice);
	void *fleet_for_whom;
};
extern struct asking asking;

struct asking_guest {
	_Alignas(max_align_t) char store[1024];
	char value[200];
	struct header field[1];
	struct client_facts client_facts;
	struct request r;
};
extern struct asking_guest askers[GUESTS];

void asking_fetch(void *with, const struct issuer_request *what,
                  void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom);

/* The oldest call that is not answered yet is, and the workers look. */
void asking_answer(int status, const char *body);

/* Of that answer the body is too long to be fetched. */
void asking_answer_without_end(int status);

uint64_t asking_now(void *with);

uint64_t asking_wall(void *with);

void asking_moved(void *with);

void asking_hire(void);

void asking_open(bool userinfo);

void asking_close(void);

/* Time passes; the keeper does what is due, the workers look. */
void asking_pass(uint64_t ns);

/* Its fault; FAULT_NONE where it may go on; FAULTS where it waits. */
int asking_enter(struct request *r);

struct request *asking_guest(int which, int route, const char *token);

int asking_try(int route, const char *token);

/* What a test begins and ends with, and what the request of asking_try becomes when it is looked at again. */
int asking_begin(void **state);
int asking_begin_userinfo(void **state);
int asking_end(void **state);
int asking_again(int which);
