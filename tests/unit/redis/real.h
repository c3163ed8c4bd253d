/* real.h -- real redis-server processes on loopback, each with its own directory, gone with the test. */
#pragma once
#include "base/check.h"
#include "base/text.h"
#include "redis/redis.h"
#include "../ports.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define SERVERS 12
#define PATIENCE_NS (20 * NS_PER_S) /* for what a loaded machine may take its time over */

struct server {
	pid_t pid;
	uint16_t port;
};

struct real {
	char dir[64];
	struct server server[SERVERS];
	size_t len;
	struct bundle *bundle;
	struct config *config;
	struct loop *loop;
	struct redis *redis;
	struct redis_published *published;
	char events[512];
	size_t events_len;
};
extern struct real real;

/* ---- files ---- */

const char *in_dir(const char *name);

void write_file(const char *name, const char *text);

/* A documented file of users, with passwords, which also lie in "password" and "keeper-password". */
void copy_acl(const char *from, const char *to);

/* ---- servers ---- */

/* Starts redis-server on a configuration of this text; kind: NULL or "--sentinel". Returns its number. */
size_t start(const char *kind, uint16_t port, const char *text);

void stop(size_t server, int with);

/* What redis-cli prints of a command; NUL-terminated. */
const char *cli(const char *format, ...);

void until_says(const char *piece, const char *command);

/* A server that keeps nothing; what `more` says counts after it. */
size_t start_server(const char *more);

/* ---- the room against them ---- */

void open_room(const char *redis);

void real_turn(void);

#define UNTIL(condition) \
	do { \
		uint64_t end_ns = clock_ns() + PATIENCE_NS; \
		while (!(condition)) { \
			if (clock_ns() > end_ns) \
				fail_msg("it never came true: %s", #condition); \
			real_turn(); \
		} \
	} while (0)

struct got {
	unsigned asked, done, answered, late, refused, lost;
	int64_t integer;
	char error[120];
};

/* One more on a counter, and its time to live: what a token bucket does. False: refused at once. */
bool count_up(const char *key, struct got *to);

void close_room(void);

int set_up(void **state);

int tear_down(void **state);
