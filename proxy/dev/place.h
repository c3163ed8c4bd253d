/* place.h -- where a local Sallyport lives: its ports and its files. Private to dev/. */
#pragma once
#include "base/text.h"
#include <limits.h>
#include <netinet/in.h>

#define DEV_PORT 8443
#define DEV_AUDIENCE "https://api.example.com"

enum { PLACE_PROXY, PLACE_ISSUER, PLACE_ECHO, PLACE_STATUS, PLACE_PORTS };

struct dev_place {
	uint16_t port[PLACE_PORTS]; /* four in a row */
	char home[PATH_MAX];        /* XDG_STATE_HOME, or what it is by default */
	bool home_told;             /* by the variable */
	char dir[PATH_MAX];         /* in it */
	char issuer[64];            /* the iss claim: http://127.0.0.1:8444/ */
	char binary[PATH_MAX];      /* of this program, as a shell word */
};

/* False: says why on stderr. Opens nothing. */
bool place_find(struct dev_place *p, unsigned port);
/* Makes the directory, 0700, and its parents. False: says why. */
bool place_make(const struct dev_place *p);
/* A file in it; false where the path is too long (says so). */
bool place_file(const struct dev_place *p, const char *name, char to[static PATH_MAX]);
/* s as a word for a shell, quoted where it must be. */
void place_word(struct text *t, struct slice s);
/* A listening loopback socket, not shared with anyone; -1: says why. */
int place_listen(const struct dev_place *p, unsigned which);
/* Whether nobody listens there yet; says so where somebody does. */
bool place_is_free(const struct dev_place *p, unsigned which);
