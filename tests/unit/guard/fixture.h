/* fixture.h -- a table of keys, and answers that are judged by it. */
#pragma once
#include "guard/keeper.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW UINT64_C(200000000)

struct guard_table *guard_table_of(uint64_t places); /* the caller's to free */
struct matter guard_matter(uint64_t tag, enum meaning means, uint64_t now);
/* The answer's judgement; the keeper hears all news. */
struct finding guard_say(struct guard_table *t, struct guard_route *w, uint64_t tag, enum meaning means,
                         uint64_t now);
