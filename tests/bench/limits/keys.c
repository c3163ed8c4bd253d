/* keys.c -- what made-up keys cost: decisions for 1,000 known keys alone, then beside 10 million keys that
 * come once each. Each decision for a known key is compared to a bucket that is kept apart; one that differs
 * ends the bench. CPU time is this process's own. */
#include "base/check.h"
#include "limit/limit.h"
#include "metrics/metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 65536 /* limiting.table_size as it comes */
#define KNOWN 1000
#define MADE_UP 10000000
#define ROUNDS 10     /* alternating; medians are told */
#define ALONE 200000  /* decisions of a quiet round */
#define BETWEEN 10    /* made-up keys for each decision of a known one */
#define STEP_NS 10000 /* 100,000 made-up keys a second */
#define PERIOD_NS (200 * NS_PER_MS)
#define BURST 20

static const char text[] = "environment: dev\n"
                           "listeners: [{address: \"127.0.0.1:1\"}]\n"
                           "upstreams: {app: {endpoints: [\"http://127.0.0.1:2\"]}}\n"
                           "limits: {each: {key: [address], rate: 5/s, burst: 20}}\n"
                           "routes: [{name: all, upstream: app, anonymous: true, limits: [each]}]\n";

static struct limits *limits;
static struct request request;
static struct client_facts client_facts;
static char store[16384];
static uint64_t now_ns = 1000 * NS_PER_S, seed = 88172645463325252;
static struct {
	uint64_t level_ns, at_ns;
} model[KNOWN];
static uint64_t decided, differed, refused;

static void *zeroed(size_t len)
{
	void *p = aligned_alloc(64, (len + 63) / 64 * 64);

	check(p);
	return memset(p, 0, (len + 63) / 64 * 64);
}

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What is this process's own: pages of the program come and go as the machine likes. */
static long resident_kib(void)
{
	char line[256];
	long kib = 0;
	FILE *in = fopen("/proc/self/status", "r");

	check(in);
	while (fgets(line, sizeof line, in))
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtol(line + 8, NULL, 10);
	fclose(in);
	return kib;
}

static bool decide(uint64_t high, uint64_t low)
{
	uint64_t half[2] = { high, low };

	arena_reset(&request.arena);
	memcpy(&request.address, half, sizeof half);
	request.fault = 0;
	request.refusal = (struct refusal){ 0 };
	return limit_early(limits, &request, now_ns) == GO_ON;
}

static void decide_known(void)
{
	uint64_t i = draw() % KNOWN, full = BURST * PERIOD_NS, gone = now_ns - model[i].at_ns;
	uint64_t level = model[i].level_ns > gone ? model[i].level_ns - gone : 0;
	bool fits = level + PERIOD_NS <= full, admitted = decide(0xb80d0120, i);

	model[i].level_ns = fits ? level + PERIOD_NS : level;
	model[i].at_ns = now_ns;
	decided++;
	differed += fits != admitted;
	refused += !admitted;
}

static void begin(void)
{
	struct bundle *b = bundle_record();
	struct config_errors errors = { 0 };

	bundle_put(b, "bench.yaml", slice_of(text));
	struct config *c = config_load(b, "bench.yaml", &errors);
	check(c);
	check(metrics_attach(zeroed(metrics_memory(1)), 1));
	metrics_sit(0);
	limits = limits_open(c, buckets_attach(zeroed(buckets_memory(SLOTS)), SLOTS), NULL);
	check(limits);
	limits_watch(limits, zeroed(limit_hot_memory()));
	arena_init(&request.arena, store, sizeof store);
	request.client_facts = &client_facts;
	request.config = c;
	request.route = &c->root.routes[0];
	request.method = S("GET");
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *of)
{
	qsort(of, ROUNDS, sizeof *of, by_size);
	return of[ROUNDS / 2];
}

/* ns of CPU per decision. */
static double alone(void)
{
	double at = cpu_s();

	for (int i = 0; i < ALONE; i++, now_ns += STEP_NS * BETWEEN)
		decide_known();
	return (cpu_s() - at) / ALONE * 1e9;
}

static double flooded(void)
{
	double at = cpu_s();

	for (uint64_t i = 0; i < MADE_UP / ROUNDS; i++, now_ns += STEP_NS) {
		decide(draw(), i);
		if (i % BETWEEN == 0)
			decide_known();
	}
	return (cpu_s() - at) / (MADE_UP / ROUNDS * (1 + 1.0 / BETWEEN)) * 1e9;
}

int main(void)
{
	double quiet[ROUNDS], busy[ROUNDS];
	long before;

	begin();
	alone();
	flooded();
	before = resident_kib();
	for (int i = 0; i < ROUNDS; i++) {
		quiet[i] = alone();
		busy[i] = flooded();
	}
	printf("| a decision for one of 1,000 known keys, alone | %.0f ns |\n", median(quiet));
	printf("| a decision while %d keys come once each beside them | %.0f ns, %.2f times |\n", MADE_UP,
	       median(busy), median(busy) / median(quiet));
	printf("| memory grown by them | %ld KiB |\n", resident_kib() - before);
	printf("| decisions for known keys that differ from buckets kept apart | %llu of %llu (%llu refused) |\n",
	       (unsigned long long)differed, (unsigned long long)decided, (unsigned long long)refused);
	return differed != 0;
}
