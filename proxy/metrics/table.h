/* table.h -- the series in shared memory. Private to metrics/.
 *
 * A series is claimed by one compare-and-swap of its identity. What follows (values, cell, ready) is written
 * by everyone who registers that series while it is not ready, with the same bytes each, so that a process
 * killed in the middle leaves nothing that the next one would wait for. */
#pragma once
#include "metrics/metrics.h"
#include <stdatomic.h>

#define SERIES_MAX 4096 /* a power of two */
#define CELLS_MAX 16384 /* per seat; a histogram takes HISTOGRAM_CELLS of them */
#define LABELS_MAX 4
#define VALUES_SIZE (LABELS_MAX * (METRICS_LABEL + 1)) /* each: a length byte, then the bytes */

enum metrics_kind { COUNTER, GAUGE, HISTOGRAM };

struct family {
	const char *name, *labels, *help;
	enum metrics_kind kind;
};
extern const struct family families[METRIC_FAMILIES];

/* A histogram's cells. The count is added before the bucket and read after it, so that a scrape never shows
 * more samples in the buckets than in all. */
enum { CELL_COUNT, CELL_SUM_NS, CELL_BUCKETS, HISTOGRAM_CELLS = CELL_BUCKETS + METRICS_BUCKETS };

struct series {
	_Atomic uint64_t identity; /* of family and values; 0: free */
	_Atomic uint64_t family;   /* hash of the family's row: another version's rows have other hashes */
	_Atomic uint32_t cell;     /* 0: none yet; METRICS_LOST: none left */
	_Atomic uint32_t ready;
	_Atomic uint8_t values[VALUES_SIZE];
};

struct table {
	_Atomic uint64_t layout; /* LAYOUT once laid out */
	_Atomic uint64_t seats;
	char rest_of_head[METRICS_HEAD - 2 * sizeof(uint64_t)];
	_Atomic uint32_t cells_used; /* the first one is never used */
	struct series series[SERIES_MAX];
	_Atomic uint64_t cells[]; /* CELLS_MAX for each seat */
};

extern struct table *metrics_table; /* NULL: not attached */
extern uint64_t metrics_seats;

/* The series' first cell; METRICS_LOST where it has none yet, has none left, or names one that does not
 * exist: whoever shares the memory may have written there. */
uint32_t cell_of(const struct series *s, enum metrics_kind kind);
/* Copies the label values. False: they are not those that the series was registered for. */
bool series_values(const struct series *s, enum metrics_family family, char to[static VALUES_SIZE]);

/* The hash of a family's row: name, kind and labels. */
uint64_t family_hash(const struct family *f);
/* The sum of one cell over all seats. */
uint64_t cell_sum(uint32_t cell);
