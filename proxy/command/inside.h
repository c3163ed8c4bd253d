/* inside.h -- what the commands share. Private to command/. */
#pragma once
#include <stdbool.h>

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_NO_DAEMON, EXIT_CONFIG = 78 };

#define DEFAULT_CONFIG "/etc/sallyport/sallyport.yaml"

struct options {
	const char *config;  /* -c */
	const char *socket;  /* -s */
	bool json;           /* -o json */
	char **rest;         /* other words */
	int rest_len;
};

/* Reads the options named in `takes` ("cso"), and --help. -1: go on; else an exit status. argv[0] is the
 * command. */
int options_read(int argc, char **argv, const char *takes, const char *usage, struct options *to);
/* The words left must be between these many. */
int options_words(const struct options *o, int least, int most, const char *usage);

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_status(int argc, char **argv);
int command_version(int argc, char **argv);
int command_config(int argc, char **argv);

/* The nearest of the words, where one is near enough to be meant; NULL otherwise. */
const char *nearest(const char *to, const char *const *words, unsigned len);

/* A colour for people: empty where the output is no terminal or NO_COLOR is set. */
const char *colour(const char *code);
