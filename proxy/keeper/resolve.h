/* resolve.h -- host names to addresses, in a helper process: getaddrinfo blocks, and whatever it loads
 * (NSS modules) stays out of the keeper.
 *
 * * The helper forks one process per look-up, which ends after 5 s at the latest; the helper itself is
 * started again when it dies. At most 8 look-ups are under way, 1024 wait. */
#pragma once
#include "connection/connection.h"

enum { RESOLVED_MAX = 8 };

typedef void resolved_f(void *for_whom, const struct sockaddr_storage *found, size_t len);

struct resolver;
struct shared;
/* Forks: call it before anything large, threaded or secret exists. The helper unmaps `shared` (NULL: there is
 * none) and closes all descriptors but its own. NULL: errno says why. */
struct resolver *resolver_open(struct loop *l, struct shared *shared);
/* It has ended, and nothing is found any more. */
bool resolver_is_dead(const struct resolver *r);
/* Unfinished look-ups are forgotten without a call. */
void resolver_close(struct resolver *r);
/* done is called later, exactly once, within 6 s of its turn; len 0: nothing was found. */
void resolve(struct resolver *r, const char *host, uint16_t port, resolved_f *done, void *for_whom);
size_t resolver_pending(const struct resolver *r);
