/* metrics.h -- counters that all processes of this machine share, and their exposition in Prometheus text.
 *
 * A family is a row of counters.def; a series is a family with label values, registered by name in a table in
 * shared memory (at configuration load, not per request). Every process adds to its own seat's cells, so that
 * no cache line is fought over; a scrape sums the seats. A seat's cells outlive its process: counters never
 * fall. What can go wrong: the table is full. Then the series is METRICS_LOST, adding to it is harmless, and
 * series_lost_total counts it. Label values over METRICS_LABEL bytes are cut and end in a hash of the whole.
 */
#pragma once
#include "base/slice.h"
#include "metrics/memory.h"

enum metrics_family {
#define METRIC(name, kind, labels, help) METRIC_##name,
#include "metrics/counters.def"
#undef METRIC
	METRIC_FAMILIES
};

#define METRICS_LOST UINT32_MAX
#define METRICS_BUCKETS 16 /* of a histogram: up to 100 us, 200 us, doubling, to 3.2768 s; over it: +Inf */
#define METRICS_LABEL 64   /* bytes of a label's value */

/* Finds or registers the series with these label values, in the order of the family's row (at most 4, unused
 * ones empty). */
uint32_t metrics_series(enum metrics_family family, struct slice a, struct slice b, struct slice c,
                        struct slice d);

void metrics_add(uint32_t series, uint64_t n);

/* A gauge's seat value; the scrape shows the sum over seats. */
void metrics_set(uint32_t series, int64_t value);

/* One sample of a histogram in ns. */
void metrics_observe(uint32_t series, uint64_t ns);

/* The one series of a family without labels; it is registered, and shown as 0, from the attach on. */
uint32_t metrics_lone(enum metrics_family family);
void metrics_count(enum metrics_family family);
void metrics_count_n(enum metrics_family family, uint64_t n);

/* The sum over all seats; of a histogram, the number of its samples. 0 for METRICS_LOST. */
uint64_t metrics_value(uint32_t series);

/* Writes the whole exposition (text/plain; version=0.0.4) piece by piece. */
void metrics_expose(void (*write)(void *with, struct slice piece), void *with);

/* Writes conf/METRICS.md. */
void metrics_document(void (*write)(void *with, struct slice piece), void *with);
