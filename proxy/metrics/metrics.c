/* Counts in shared memory, one part per process. */
#include "metrics/table.h"
#include "base/check.h"
#include "base/siphash.h"
#include "base/text.h"

#define LAYOUT UINT64_C(0x534c595f4d455401) /* "SLY_MET", version 1 */

/* The label values are the configuration's, not a stranger's: the hash needs no secret key. */
static const struct siphash_key key = { UINT64_C(0x73616c6c79706f72), UINT64_C(0x74206d6574726963) };

const struct family families[METRIC_FAMILIES] = {
#define METRIC(name, kind, labels, help) [METRIC_##name] = { #name, labels, help, kind },
#include "metrics/counters.def"
#undef METRIC
};

struct table *metrics_table;
uint64_t metrics_seats;
static _Atomic uint64_t *mine; /* the cells of this process's seat; NULL: it sits on none */
static uint32_t lone[METRIC_FAMILIES];

size_t metrics_memory(unsigned seats)
{
	return sizeof(struct table) + (size_t)seats * CELLS_MAX * sizeof(uint64_t);
}

bool metrics_attach(void *memory, unsigned seats)
{
	struct table *t = memory;
	uint64_t free_layout = 0, no_seats = 0;

	metrics_table = NULL;
	mine = NULL;
	memset(lone, 0, sizeof lone);
	/* seats before layout: each swap is harmless where another process was first */
	if (atomic_load(&t->layout) == 0)
		atomic_compare_exchange_strong(&t->seats, &no_seats, seats);
	atomic_compare_exchange_strong(&t->layout, &free_layout, LAYOUT);
	if (atomic_load(&t->layout) != LAYOUT || atomic_load(&t->seats) != seats)
		return false;
	metrics_table = t;
	metrics_seats = seats;
	struct slice none = { 0 };
	for (unsigned f = 0; f < METRIC_FAMILIES; f++)
		if (!*families[f].labels)
			lone[f] = metrics_series(f, none, none, none, none);
	return true;
}

void metrics_sit(unsigned seat)
{
	if (!metrics_table)
		return;
	check(seat < metrics_seats);
	metrics_clear(seat);
	mine = metrics_table->cells + (size_t)seat * CELLS_MAX;
}

void metrics_leave(void)
{
	mine = NULL;
}

void metrics_detach(void)
{
	metrics_table = NULL;
	mine = NULL;
}

uint64_t family_hash(const struct family *f)
{
	char row[256];
	struct text t = TEXT(row);

	text_add(&t, slice_of(f->name));
	text_char(&t, (char)('0' + f->kind));
	text_add(&t, slice_of(f->labels));
	check(!t.cut);
	return siphash(key, text_slice(&t));
}

void metrics_clear(unsigned seat)
{
	uint64_t gauges[METRIC_FAMILIES];
	unsigned n = 0;

	if (!metrics_table || seat >= metrics_seats)
		return;
	for (unsigned f = 0; f < METRIC_FAMILIES; f++)
		if (families[f].kind == GAUGE)
			gauges[n++] = family_hash(&families[f]);
	_Atomic uint64_t *cells = metrics_table->cells + (size_t)seat * CELLS_MAX;
	for (size_t i = 0; i < SERIES_MAX; i++) {
		struct series *s = &metrics_table->series[i];
		uint32_t cell = cell_of(s, GAUGE);
		if (!atomic_load_explicit(&s->ready, memory_order_acquire) || cell == METRICS_LOST)
			continue;
		for (unsigned g = 0; g < n; g++)
			if (s->family == gauges[g])
				atomic_store_explicit(&cells[cell], 0, memory_order_relaxed);
	}
}

/* One value, preceded by its length; a long one keeps its front and ends in a hash of the whole. */
static void add_value(struct text *t, struct slice value)
{
	char hex[8];
	struct text end = TEXT(hex);
	bool fits = value.len <= METRICS_LABEL;
	size_t keep = fits ? value.len : METRICS_LABEL - 1 - sizeof hex;

	text_char(t, (char)(fits ? value.len : METRICS_LABEL));
	text_add(t, slice_head(value, keep));
	if (fits)
		return;
	uint64_t hash = siphash(key, value);
	text_hex(&end, &hash, sizeof hex / 2);
	text_char(t, '~');
	text_add(t, text_slice(&end));
}

static uint32_t cells_of(enum metrics_kind kind)
{
	return kind == HISTOGRAM ? HISTOGRAM_CELLS : 1;
}

uint32_t cell_of(const struct series *s, enum metrics_kind kind)
{
	uint32_t cell = atomic_load(&s->cell);

	return cell == 0 || cell > CELLS_MAX - cells_of(kind) ? METRICS_LOST : cell;
}

/* Room for one more series of this kind; METRICS_LOST where the cells are used up. */
static uint32_t take_cells(enum metrics_kind kind)
{
	uint32_t want = cells_of(kind);
	uint32_t used = atomic_load(&metrics_table->cells_used);

	do {
		if (used >= CELLS_MAX - want)
			return METRICS_LOST;
	} while (!atomic_compare_exchange_weak(&metrics_table->cells_used, &used, used + want));
	return used + 1;
}

/* Completes a claimed series, whoever claimed it. */
static uint32_t complete(struct series *s, enum metrics_family family, struct slice values)
{
	uint32_t none = 0;

	if (!atomic_load_explicit(&s->ready, memory_order_acquire)) {
		atomic_store(&s->family, family_hash(&families[family]));
		for (size_t i = 0; i < values.len; i++)
			atomic_store_explicit(&s->values[i], (uint8_t)values.at[i], memory_order_relaxed);
		if (atomic_load(&s->cell) == 0)
			atomic_compare_exchange_strong(&s->cell, &none, take_cells(families[family].kind));
		atomic_store_explicit(&s->ready, 1, memory_order_release);
	}
	return cell_of(s, families[family].kind);
}

static uint32_t find(uint64_t identity, enum metrics_family family, struct slice values)
{
	for (size_t i = 0; i < SERIES_MAX; i++) {
		struct series *s = &metrics_table->series[(identity + i) % SERIES_MAX];
		uint64_t there = 0;
		if (atomic_compare_exchange_strong(&s->identity, &there, identity) || there == identity)
			return complete(s, family, values);
	}
	return METRICS_LOST;
}

/* `known`: the family's hash, then the values. Never 0. */
static uint64_t identity_of(struct slice known)
{
	uint64_t identity = siphash(key, known);

	return identity ? identity : 1;
}

bool series_values(const struct series *s, enum metrics_family family, char to[static VALUES_SIZE])
{
	char known[8 + VALUES_SIZE];
	uint64_t hash = family_hash(&families[family]);
	size_t len = 0;

	for (size_t i = 0; i < VALUES_SIZE; i++)
		to[i] = (char)atomic_load_explicit(&s->values[i], memory_order_relaxed);
	for (unsigned i = 0; i < LABELS_MAX; i++) {
		unsigned char value_len = (unsigned char)to[len];
		if (value_len > METRICS_LABEL)
			return false;
		len += 1u + value_len; /* LABELS_MAX of them fit */
	}
	memcpy(known, &hash, sizeof hash);
	memcpy(known + sizeof hash, to, len);
	return atomic_load(&s->identity) == identity_of((struct slice){ known, sizeof hash + len });
}

uint32_t metrics_series(enum metrics_family family, struct slice a, struct slice b, struct slice c,
                        struct slice d)
{
	char known[8 + VALUES_SIZE];
	struct text t = TEXT(known);
	uint64_t hash;

	if (!metrics_table)
		return METRICS_LOST;
	hash = family_hash(&families[family]);
	text_add(&t, (struct slice){ (const char *)&hash, sizeof hash });
	add_value(&t, a);
	add_value(&t, b);
	add_value(&t, c);
	add_value(&t, d);
	uint32_t series = find(identity_of(text_slice(&t)), family, slice_from(text_slice(&t), sizeof hash));
	if (series == METRICS_LOST)
		metrics_count(METRIC_series_lost_total);
	return series;
}

/* One process writes a seat's cells, others read them: no bus need be locked for a sum. */
static inline void add(uint32_t cell, uint64_t n)
{
	uint64_t sum = atomic_load_explicit(&mine[cell], memory_order_relaxed) + n;

	atomic_store_explicit(&mine[cell], sum, memory_order_release);
}

void metrics_add(uint32_t series, uint64_t n)
{
	if (mine && series != METRICS_LOST)
		add(series, n);
}

void metrics_set(uint32_t series, int64_t value)
{
	if (mine && series != METRICS_LOST)
		atomic_store_explicit(&mine[series], (uint64_t)value, memory_order_relaxed);
}

/* Which bucket: 0 up to 100 us, then one for each doubling; METRICS_BUCKETS: over the last. */
static unsigned bucket_of(uint64_t ns)
{
	uint64_t steps = ns ? (ns - 1) / 100000 : 0;
	unsigned bucket = steps ? 64 - (unsigned)__builtin_clzll(steps) : 0;

	return bucket < METRICS_BUCKETS ? bucket : METRICS_BUCKETS;
}

void metrics_observe(uint32_t series, uint64_t ns)
{
	unsigned bucket = bucket_of(ns);

	if (!mine || series == METRICS_LOST)
		return;
	add(series + CELL_COUNT, 1);
	add(series + CELL_SUM_NS, ns);
	if (bucket < METRICS_BUCKETS)
		add(series + CELL_BUCKETS + bucket, 1);
}

uint32_t metrics_lone(enum metrics_family family)
{
	return metrics_table ? lone[family] : METRICS_LOST;
}

void metrics_count(enum metrics_family family)
{
	metrics_count_n(family, 1);
}

void metrics_count_n(enum metrics_family family, uint64_t n)
{
	check(!*families[family].labels);
	if (mine)
		metrics_add(lone[family], n);
}

uint64_t cell_sum(uint32_t cell)
{
	uint64_t sum = 0;

	for (uint64_t seat = 0; seat < metrics_seats; seat++)
		sum += atomic_load_explicit(&metrics_table->cells[seat * CELLS_MAX + cell], memory_order_acquire);
	return sum;
}

uint64_t metrics_value(uint32_t series)
{
	uint64_t sum = metrics_table && series != METRICS_LOST ? cell_sum(series) : 0;

	return sum <= INT64_MAX ? sum : 0; /* a worker may write anything: what no count can be is none */
}
