/* diagnostics.h -- how an operator's mistakes are written down:
 *
 *     FILE:LINE:COLUMN: error: a full sentence
 *         the line
 *             ^
 */
#pragma once
#include "config/config.h"

#define COMPLAIN_MAX 20

/* Source lines come from b, which must outlive the errors; only from files of the owner of the configuration
 * at `path`. */
void complain_open(struct config_errors *e, struct bundle *b, const char *path);
/* Says how many more there were. */
void complain_close(struct config_errors *e);
/* These lines of the place's file hold a secret: they are never shown. */
void complain_hide(struct config_errors *e, struct config_place first, unsigned last_line);
/* As config_complain, for a file that could not be read as YAML: nothing that may be a secret is shown. */
void complain_blind(struct config_errors *e, struct config_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What came by a reference: sentences show the reference instead, whichever room speaks, until the errors are
 * freed. Values under REDACT_MIN bytes hide nothing and stand in too many words. */
#define REDACT_MIN 4
void complain_redact(struct config_errors *e, struct slice value, struct slice reference);

/* A value fit to be shown in a sentence: cut where it is long. */
struct slice complain_shown(struct slice value);

/* The candidate that was probably meant; empty where none is near. Called with each candidate in turn. */
struct guess {
	struct slice wrong, best;
	unsigned distance;
};
struct guess guess_of(struct slice wrong);
void guess_try(struct guess *g, struct slice candidate);
/* `; did you mean "x"?`, or nothing, in a buffer for one sentence. */
#define GUESS_MAX 128
const char *guess_say(const struct guess *g, char to[static GUESS_MAX]);
