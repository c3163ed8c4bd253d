/* reload.h -- reading a configuration in a child, so that a mistake in it, or a crash while reading it,
 * changes nothing.
 *
 * * The child reads every file through a recording bundle, checks the host's environment pin, has the
 * rooms prove their part (certificates, rules, addresses), and hands two sealed memory files to its parent
 * over a socket: one for the keeper, with all secrets, and one for everybody, in which those that only the
 * keeper needs are overwritten, and which has the keys that workers need of them (crypto/fleet_key.h). What
 * can go wrong comes back as complete lines for the operator.
 *
 * * With a bundle in force given, its text is kept and only what lies beside it is read anew: certificates,
 * keys, secrets, key sets. */
#pragma once
#include "config/config.h"
#include <sys/types.h>

#define RELOAD_PIN_FILE "/etc/sallyport/environment" /* one word; root's, and writable by nobody else */
#define RELOAD_PIN_VARIABLE "SALLYPORT_ENVIRONMENT"

struct reload_file {
	const char *path;
	struct slice bytes;
};

struct reload_plan {
	const char *path;                /* of the configuration */
	const struct reload_file *files; /* put into the bundle first; may be none */
	size_t files_len;
	const char *pin_file; /* RELOAD_PIN_FILE; tests have their own */
	uid_t pin_owner;      /* 0; tests that are not root have their own */
	/* the keeper's memory file whose text is kept; NULL: all is read again */
	const int *in_force;
	bool warn;        /* *text also holds what is allowed and hardly meant */
	bool free_of_pin; /* look at the file only: `sallyport check` on another host */
	/* All that config_load cannot know. False: complained. May be NULL. */
	bool (*prove)(void *with, const struct config *c, struct bundle *b, struct config_errors *errors);
	void *with;
	const bool *hindered; /* set by prove: the host stands in the way, not the file; may be NULL */
};

/* In this process. NULL: *text says why, complete lines. The bundle and text (free) are the caller's;
 * *text is NULL where nothing is to be said; where all is well it may hold warnings. */
struct config *reload_here(const struct reload_plan *plan, struct bundle **bundle, char **text);

/* In a child. */
struct reload;
struct reload *reload_begin(const struct reload_plan *plan); /* NULL: errno says why */
int reload_fd(const struct reload *r);                       /* readable: call reload_step */
pid_t reload_pid(const struct reload *r);
/* True when it has ended: *sealed has both memory files (the caller's to close) or none, and *text (the
 * caller's to free) says why. Takes longer than RELOAD_PATIENCE_NS: the child is killed. */
#define RELOAD_PATIENCE_NS (60 * NS_PER_S)
bool reload_step(struct reload *r, uint64_t now_ns, struct bundle_sealed *sealed, char **text);
/* After that, with a bundle in force: is every file as it was? Then nothing is sealed and nothing is wrong.
 * Else, where it is taken, *text names the files that differ. */
bool reload_was_same(const struct reload *r);
/* After that: is it refused for no fault of the file, so that the same one may be taken later? */
bool reload_was_hindered(const struct reload *r);
/* The child is gone; `status` is of waitpid. */
void reload_reaped(struct reload *r, int status);
void reload_free(struct reload *r); /* kills the child where it still runs; NULL is fine */

/* May a configuration of this environment run on this host? False: *why is a sentence that names both and
 * where each was said. */
struct text;
bool reload_pin_allows(const struct reload_plan *plan, struct slice environment, struct text *why);
