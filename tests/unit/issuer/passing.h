/* passing.h -- time goes by in the world of keeping.h, and what workers see then. */
#pragma once
#include "keeping.h"

/* Lets time pass as the keeper's owner does: it calls when the keeper wanted to be called. */
void keeping_pass(uint64_t s);

struct published_slot *keeping_slot(void);

/* What workers see now. */
struct published_keys *keeping_seen(void);

bool keeping_publishes(const char *kid);
