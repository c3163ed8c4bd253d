/* flags.h -- the options of a command, read by getopt_long(3)'s rules, with sentences of our own where they
 * are misspelt. argv[0] is the command's own name: "check", "token". */
#pragma once
#include <getopt.h>

enum { FLAGS_END = -1, FLAGS_BAD = '?' };

/* The next option: its `val`, with its argument in optarg. A val that is a small letter is its short form,
 * too. FLAGS_END: only words are left, from argv[optind] on. FLAGS_BAD: it has told on stderr what is wrong.
 * Set optind to 0 before the first call. */
int flags_next(int argc, char **argv, const struct option *names);
/* Tells on stderr that the command takes no such word. */
void flags_stray(const char *command, const char *word);
/* The nearest of the words, where one is near enough to be meant; NULL otherwise. */
const char *flags_meant(const char *word, const char *const *words, unsigned len);
