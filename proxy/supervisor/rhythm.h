/* rhythm.h -- when files that have changed are tried. Private to supervisor/. Sees times, never a file.
 *
 * * After 2 s of quiet; each minute without a sign too, where no sign may come. What cannot be taken is tried
 * again silently for a minute, then said once, and tried each minute. At most one generation a minute comes
 * of it. */
#pragma once
#include "base/clock.h"
#include <stdbool.h>

#define RHYTHM_QUIET_NS (2 * NS_PER_S)
#define RHYTHM_LOOK_NS (60 * NS_PER_S)
#define RHYTHM_AGAIN_NS (5 * NS_PER_S)
#define RHYTHM_SILENT_NS (60 * NS_PER_S)
#define RHYTHM_APART_NS (60 * NS_PER_S)

struct rhythm {          /* zeroed: due at once */
	uint64_t stirred_ns; /* the last sign of a change; 0: none since the last look */
	uint64_t look_ns;    /* when to look without a sign */
	uint64_t failed_ns;  /* the first failure of those that go on; 0: none */
	uint64_t made_ns;    /* the last generation that came of this; 0: none */
	bool said;           /* why it cannot be taken */
};

enum rhythm_result { RHYTHM_SAME, RHYTHM_TAKEN, RHYTHM_FAILED };

void rhythm_stir(struct rhythm *r, uint64_t now_ns);
uint64_t rhythm_next_ns(const struct rhythm *r); /* when it is time to look */
/* May what differs be tried now? False: it is put off. */
bool rhythm_may_try(struct rhythm *r, uint64_t now_ns);
/* Not now: it is asked again soon. */
void rhythm_put_off(struct rhythm *r, uint64_t now_ns);
/* What came of a look or a try. True: the failure is to be said now. */
bool rhythm_done(struct rhythm *r, enum rhythm_result result, uint64_t now_ns);
