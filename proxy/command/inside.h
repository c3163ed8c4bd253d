/* inside.h -- what the commands share. Private to command/. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include "base/slice.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_DAEMON, EXIT_CONFIG = 78 };

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.yaml"

struct options {
	const char *command;                         /* its name */
	const char *config;                          /* -c */
	const char *socket;                          /* -s */
	bool json;                                   /* -o json */
	const char *for_how_long;                    /* --for */
	bool stop;                                   /* --stop */
	bool show_keys;                              /* --show-keys */
	const char *issuer, *until, *before, *since; /* --issuer, --until, --before, --since */
	char **rest;                                 /* other words */
	int rest_len;
};

/* Reads the options named in `takes` ("cso"; F: --for, S: --stop, K: --show-keys, I: --issuer, U: --until,
 * B: --before, A: --since), and --help. -1: go on; else an exit status. argv[0] is the command. */
int options_read(int argc, char **argv, const char *takes, const char *usage, struct options *to);
/* The words left must be between these many; -1 or an exit status, as above. */
int options_words(const struct options *o, int least, int most, const char *usage);

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_status(int argc, char **argv);
int command_limits(int argc, char **argv);
int command_issuer(int argc, char **argv);
int command_revoke(int argc, char **argv);
int command_guard(int argc, char **argv);
int command_ledger(int argc, char **argv);
int command_version(int argc, char **argv);
int command_config(int argc, char **argv);

/* A moment as 2026-01-31T12:00:00Z or in seconds since 1970, or a duration from now. *to: seconds since
 * 1970; 0: text is NULL. False: it cannot be read. */
enum options_durations { OPTIONS_MOMENT, OPTIONS_AHEAD, OPTIONS_BACK }; /* none, ahead of now, back */
bool options_time(const char *text, enum options_durations durations, uint64_t *to);

/* "90s", "5m", "24h", "30d" in seconds. False: it is none. */
bool options_duration(const char *text, unsigned long long *seconds);

/* Asks the running Sallyport. NULL: complained, *status says how. */
json_t *talk_ask(const struct options *o, struct slice verb, unsigned timeout_s, int *status);
void talk_print_json(const json_t *told);
const char *talk_word(const json_t *of, const char *name); /* "-" where it is missing */
long long talk_number(const json_t *of, const char *name);
/* One line each; only: a name, NULL for all. False: there is none of that name. */
bool talk_print_issuers(const json_t *issuers, const char *only);

/* The absence guard in what status tells: what is wrong, and a line for each route. */
void guard_judge(const json_t *told, void (*add)(void *with, const char *line), void *with);
void guard_print(const json_t *guard);

/* A colour for people: empty where the output is no terminal or NO_COLOR is set. */
const char *colour(const char *code);
