/* machine.h -- the machine's own secret: 32 random bytes, from which keys are derived where the configuration
 * has no fleet secret. Part of statedir's door. Made at the first start, mode 0600, and outside `state:`, so
 * that whoever can write a snapshot cannot also sign it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { MACHINE_SECRET = 32 };

/* In $XDG_STATE_HOME/sallyport where that is set; else root's in /var/lib/sallyport-machine, a user's in
 * ~/.local/state/sallyport. False: `to` is random all the same, but not kept; *why is a sentence. */
bool machine_secret(unsigned char to[static MACHINE_SECRET], char *why, size_t why_cap);

/* A sealed memory file of it, for the keeper; -1: errno says why. And what the keeper reads in it. */
int machine_secret_seal(const unsigned char secret[static MACHINE_SECRET]);
bool machine_secret_read(int fd, unsigned char to[static MACHINE_SECRET]);

/* The descriptor of machine.floor beside the secret, made where it is missing: what the keeper wrote last,
 * out of reach of whoever can change the state directory alone. -1: there is none; errno says why. */
int machine_floor(void);
