/* copying.h -- two machines of keeping.h, each looked at in turn, and a Redis of a few values. */
#pragma once
#include "metrics/metrics.h"
#include "passing.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CAP 200000

/* ---- a Redis of a few values ---- */

struct value {
	char key[64], text[CAP];
	size_t len;
	uint64_t ttl_ms;
};
extern struct value values[3];
enum redis_is { HERE, AWAY, FORBIDDING, FORBIDDING_SET, SILENT };
extern enum redis_is redis_is;
extern unsigned gets, sets, others;
struct owed {
	void (*done)(void *, bool, const struct slice *, size_t);
	void *for_whom;
	struct slice text;
	bool answered;
};
extern struct owed owed;

bool redis(void *with, const struct slice *words, size_t len,
           void (*done)(void *, bool, const struct slice *, size_t), void *for_whom);

bool answer(void);

/* ---- machines ---- */

extern struct keeping other; /* the machine that is not looked at now */
extern unsigned char secret_bytes[2][32];
extern struct secret secrets[2];
extern char logged[8192];

void on_log(void *with, enum log_level level, struct slice line);

/* The same world, seen from the other machine. */
void on_the_other(void);

void lose_the_issuer(void);

/* Its memory and disk are gone, as a new container's; not the floor. */
void wipe(void);

unsigned refused(const char *reason);

unsigned said(const char *words);
