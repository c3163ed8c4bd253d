/* refresh.c -- the times of one record that is refreshed. */
#include "base/refresh.h"
#include "base/clock.h"
#include "base/random.h"

#define EVERY_NS (30 * NS_PER_S)
#define DOUBLINGS_MAX 5 /* more than EVERY_NS */
#define JITTER_PERCENT 10

static void wait(struct refresh *r, uint64_t now_ns, uint64_t for_ns)
{
	r->due_ns = now_ns + random_jitter(for_ns < EVERY_NS ? for_ns : EVERY_NS, JITTER_PERCENT);
}

bool refresh_found(struct refresh *r, uint64_t now_ns)
{
	bool again = r->failed > 0;

	r->failed = 0;
	wait(r, now_ns, EVERY_NS);
	return again;
}

bool refresh_failed(struct refresh *r, uint64_t now_ns)
{
	wait(r, now_ns, NS_PER_S << (r->failed < DOUBLINGS_MAX ? r->failed : DOUBLINGS_MAX));
	return r->failed++ == 0;
}
