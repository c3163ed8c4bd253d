/* times.h -- the time of a key's own bucket, as it is read and moved by who learnt it elsewhere. Part of
 * buckets' door. */
#pragma once
#include "base/slice.h"
#include <netinet/in.h>

struct buckets;

/* The time of the key's own bucket; 0 where it has none. */
uint64_t buckets_tat(struct buckets *t, uint64_t tag);
/* The key's time. False: it is not there. */
bool buckets_find(struct buckets *t, uint64_t tag, uint64_t *tat);
/* Moves the key's time, floor_ns at least, towards end_ns by most_ns at most. By how much; 0 where it is not
 * there. */
uint64_t buckets_advance(struct buckets *t, uint64_t tag, uint64_t floor_ns, uint64_t end_ns,
                         uint64_t most_ns);
/* Takes that back. */
void buckets_retreat(struct buckets *t, uint64_t tag, uint64_t ns);
/* Lifts the key's time to tat, and never lowers it. False: there is no room for the key. */
bool buckets_raise(struct buckets *t, uint64_t tag, uint64_t tat, uint64_t now_ns, uint32_t owner);

/* Whose a slot will be; 0 for NULL. */
uint32_t crowd_of(const struct buckets *t, const struct in6_addr *from);
