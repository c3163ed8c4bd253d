/* asking.h -- commands and their answers. Part of redis' door. */
#pragma once
#include "base/slice.h"

struct redis;

enum redis_type { REDIS_NIL, REDIS_INTEGER, REDIS_STRING, REDIS_STATUS, REDIS_ARRAY, REDIS_ERROR };
struct redis_value {
	enum redis_type type;
	int64_t integer;
	struct slice text;               /* STRING, STATUS, ERROR */
	const struct redis_value *array; /* ARRAY */
	size_t len;                      /* elements of it */
};

enum redis_outcome {
	REDIS_ANSWERED, /* every command has its value, none an error */
	REDIS_REFUSED,  /* at least one value is an error */
	REDIS_LOST,     /* no answer; the commands may or may not have been executed */
};
struct redis_answer { /* good until the callback returns */
	enum redis_outcome outcome;
	bool late;                        /* on_overdue was called before */
	uint64_t took_ns;                 /* from the turn that asked */
	uint64_t sent_ns;                 /* when it left */
	uint64_t theirs_ns;               /* what of it was the other's, without our own turns */
	const struct redis_value *values; /* one per command; NULL where LOST */
	size_t len;
};

struct redis_command {
	const struct slice *arguments;
	size_t len;
};
struct redis_ask {
	uint16_t slot;                        /* redis_slot of the one key that all commands are about */
	bool settling;                        /* may be asked in REDIS_SETTLING as well */
	bool lenient;                         /* NOPERM concerns this question alone: the breaker stays closed */
	const struct redis_command *commands; /* copied */
	size_t commands_len;                  /* 1 to REDIS_COMMANDS_MAX; executed in this order */
	void (*on_overdue)(void *with);       /* once, as the budget passes without an answer; may be NULL */
	void (*on_done)(void *with, const struct redis_answer *a); /* exactly once, unless orphaned */
	void *with;
};
/* A ticket; 0: refused at once (down, or full), and nothing will be called. Not before the next turn is
 * anything called. */
uint64_t redis_ask(struct redis *r, const struct redis_ask *ask);
/* Nobody wants to hear of it any more: neither callback will be called. Harmless once it is done. */
void redis_orphan(struct redis *r, uint64_t ticket);
