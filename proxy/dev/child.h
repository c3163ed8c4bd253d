/* child.h -- the process that is the issuer and the echo upstream. Private to dev/. */
#pragma once
#include "dev/place.h"
#include <sys/types.h>

/* Starts it. It makes what is missing (the CA, the certificate, the issuer's key), serves, and ends with its
 * parent; an interrupt from the terminal is left to the parent. Returns when it serves; -1: it has said why
 * not. No key is ever in the caller's memory. */
pid_t child_start(const struct dev_place *p);
/* Ends it and waits for it; harmless where somebody has waited for it already. */
void child_stop(pid_t child);
