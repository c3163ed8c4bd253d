/* fake.h -- a Redis made by the test: socket pairs instead of connections, a clock that the test moves. */
#pragma once
#include "base/check.h"
#include "base/text.h"
#include "redis/redis.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define MS NS_PER_MS
#define RUN_A "run_id:aaaa\r\n"

struct fake {
	struct bundle *bundle;
	struct config *config;
	struct loop *loop;
	struct redis *redis;
	int peer;     /* the server's end of the newest connection; -1: none */
	int peers[8]; /* of all connections, where they are kept */
	unsigned dials;
	bool keeps;       /* older connections stay open as a new one is made */
	bool refuses;     /* connections */
	sa_family_t dead; /* no address of this family takes a connection */
	enum fake_death { DEAD_AT_ONCE, DEAD_LATER, DEAD_SILENT } dead_how;
	int silent; /* the other end of one that nobody answers */
	struct redis_published published;
	const char *role, *run;
	char heard[65536]; /* what the server was told and has not answered */
	size_t heard_len;
	char events[256]; /* one letter each: O S C R */
	size_t events_len;
	struct {
		int done, overdue;
		enum redis_outcome outcome;
		bool late;
		int64_t integer;
		char text[64];
	} got;
};
extern struct fake f;
extern uint64_t fake_now_ns;

void on_event(void *with, unsigned shard, enum redis_event what);

void fake_open(const char *redis);

void fake_close(void);

/* One turn, after so long. */
void turn(uint64_t after_ns);

/* What came in since the last call. Every write of the proxy comes as one read where it is short. */
size_t hear(void);

void reply(const char *bytes);

void reply_time(uint64_t theirs_ns);

#define REDIS_AHEAD_NS (UINT64_C(1700000000) * NS_PER_S) /* the fake's clock before ours */

/* The first command in `heard` as "WORD WORD", taken off. False: there is none. */
bool next_command(char to[512]);

/* Answers what the room itself asks; the first other command is in `to`. False: there is none. */
bool serve(char to[512]);

/* Everything that was heard is answered in order: what is not the room's own with this. */
void answer_all(const char *with);

/* Turns until the state is reached, the fake answering at once what the room asks; `step_ns` each. */
bool reach(enum redis_state state, uint64_t step_ns, unsigned most);

#define ONE "servers: \"redis://127.0.0.1:6379\""
extern char command[512];

/* One server, used, and quiet for a moment. */
void open_up(void);

void on_done(void *with, const struct redis_answer *a);

uint64_t ask_words(const struct slice *words, size_t len, bool settling);

uint64_t ask_get(void);
