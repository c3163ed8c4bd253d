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

enum metrics_family {
#define METRIC(name, kind, labels, help) METRIC_##name,
#include "metrics/counters.def"
#undef METRIC
	METRIC_FAMILIES
};

#define METRICS_LOST UINT32_MAX
#define METRICS_BUCKETS 16 /* of a histogram: up to 100 us, 200 us, doubling, to 3.2768 s; over it: +Inf */
#define METRICS_LABEL 64   /* bytes of a label's value */

/* Bytes of zeroed shared memory needed for `seats` processes. The first METRICS_HEAD of them are written by
 * the first attach alone and may be closed to writing after it; what follows may be overwritten by whoever
 * has it, and is believed by nobody. */
#define METRICS_HEAD ((size_t)4096)
size_t metrics_memory(unsigned seats);

/* Makes `memory` (8-byte aligned) the table that this process reads and writes; lays it out where it is still
 * zero. False, and nothing is attached: it was laid out by another version or for another number of seats. */
bool metrics_attach(void *memory, unsigned seats);

/* The seat whose cells this process adds to. Before this call, and without attach, adding is harmless.
 * One process sits on a seat at a time, and no thread or forked child of it adds there (an addition is no
 * locked operation); sitting down clears the gauges that a killed predecessor left. */
void metrics_sit(unsigned seat);
/* What this process adds from here on counts nowhere: for a forked child. detach: it unmaps the memory
 * too. */
void metrics_leave(void);
void metrics_detach(void);

/* Sets the gauges of a seat to 0: for whoever learns that its process is gone. */
void metrics_clear(unsigned seat);

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
