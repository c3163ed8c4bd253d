/* supervisor.h -- the processes of one Sallyport: supervisor, workers, keeper, writer.
 *
 * The supervisor binds the listeners, maps the shared memory, forks the others and restarts them; it reads
 * nothing from the network and never initialises OpenSSL or libcurl. A configuration is read and proven in a
 * child (reload/), comes back as one sealed memory file, and is all that the processes of its generation
 * load: a reload starts new ones beside the old. Signals: SIGTERM and SIGINT drain, a second one stops,
 * SIGHUP reloads, SIGUSR1 reopens the logs. */
#pragma once
#include "reload/reload.h"

struct run_options {
	const char *config;              /* path of the configuration file */
	const struct reload_file *files; /* found under their names before the disk is looked at (dev mode) */
	size_t files_len;
	bool hangup_ends;             /* SIGHUP ends it: its terminal has gone */
	void (*on_ready)(void *with); /* in the supervisor, once, when connections are accepted; may be NULL */
	void *with;
};

/* Runs until told to end. Exit status: 0 after an orderly end; 78 where the configuration is
 * refused; 1 for what may pass, as an address that is in use. */
int process_run(const struct run_options *o);

/* Proves a configuration as a start would, in this process, without binding or creating anything. What is
 * wrong goes to stderr. Exit status 0 or 78. */
int process_check(const struct run_options *o);

/* The configuration as a start would read it, for commands that need an option of it. NULL: stderr says why.
 * Both are the caller's to close. */
struct config *process_config(const struct run_options *o, struct bundle **bundle);

/* Where the admin socket of that configuration is, also where the file is wrong in other places than that
 * (it may have been broken after the start). False: stderr says why. */
bool process_socket(const char *config, char *to, size_t cap);

const char *process_version(void);
