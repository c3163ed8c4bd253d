/* The exposition (Prometheus text format 0.0.4) and the documentation, both from counters.def. */
#include "metrics/table.h"
#include "base/text.h"

typedef void writer(void *with, struct slice piece);

static const char *const kind_words[] = { "counter", "gauge", "histogram" };

/* A label's value or a help text: backslash, newline and (in values) quote are escaped, what no configuration
 * can hold is replaced. */
static void add_escaped(struct text *t, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		if (c == '\n') {
			text_add(t, S("\\n"));
			continue;
		}
		if (c == '\\' || c == '"')
			text_char(t, '\\');
		text_char(t, (unsigned char)c < 0x20 || c == 0x7f ? '?' : c);
	}
}

/* What is shown: a private copy of what lies in shared memory, looked over once. */
struct shown {
	uint32_t cell;
	char values[VALUES_SIZE];
};

/* `name="value",` for each label of the family. */
static void add_labels(struct text *t, const struct family *f, const struct shown *s)
{
	struct slice names = slice_of(f->labels);
	const char *values = s->values;
	size_t at = 0;

	while (names.len) {
		struct slice name = slice_cut(&names, ',');
		struct slice value = { values + at + 1, (unsigned char)values[at] };
		at += 1 + value.len;
		text_add(t, name);
		text_add(t, S("=\""));
		add_escaped(t, value);
		text_add(t, S("\","));
	}
}

/* `sallyport_<name><suffix>{labels,extra} ` */
static void add_name(struct text *t, const struct family *f, const struct shown *s, const char *suffix,
                     struct slice extra)
{
	text_add(t, S("sallyport_"));
	text_add(t, slice_of(f->name));
	text_add(t, slice_of(suffix));
	if (*f->labels || extra.len) {
		text_char(t, '{');
		add_labels(t, f, s);
		text_add(t, extra);
		if (!extra.len)
			t->len--; /* the last comma */
		text_char(t, '}');
	}
	text_char(t, ' ');
}

/* ns as seconds, without trailing zeros and without floating point. */
static void add_seconds(struct text *t, uint64_t ns)
{
	char digits[10];
	uint64_t part = ns % 1000000000;

	text_u64(t, ns / 1000000000);
	if (!part)
		return;
	digits[0] = '.';
	for (int i = 9; i > 0; i--, part /= 10)
		digits[i] = (char)('0' + part % 10);
	size_t len = sizeof digits;
	while (digits[len - 1] == '0')
		len--;
	text_add(t, (struct slice){ digits, len });
}

static void expose_bucket(const struct family *f, const struct shown *s, struct slice bound, uint64_t n,
                          writer *write, void *with)
{
	char line[1024], label[48];
	struct text t = TEXT(line), le = TEXT(label);

	text_printf(&le, "le=\"%.*s\"", SLICE(bound));
	add_name(&t, f, s, "_bucket", text_slice(&le));
	text_u64(&t, n);
	text_char(&t, '\n');
	write(with, text_slice(&t));
}

static void expose_histogram(const struct family *f, const struct shown *s, writer *write, void *with)
{
	uint64_t within = 0, bound_ns = 100000;
	char line[2048];
	struct text t = TEXT(line);

	for (uint32_t b = 0; b < METRICS_BUCKETS; b++, bound_ns *= 2) {
		char digits[32];
		struct text bound = TEXT(digits);
		add_seconds(&bound, bound_ns);
		within += cell_sum(s->cell + CELL_BUCKETS + b);
		expose_bucket(f, s, text_slice(&bound), within, write, with);
	}
	uint64_t count = cell_sum(s->cell + CELL_COUNT);
	expose_bucket(f, s, S("+Inf"), count, write, with);
	add_name(&t, f, s, "_sum", (struct slice){ 0 });
	add_seconds(&t, cell_sum(s->cell + CELL_SUM_NS));
	text_char(&t, '\n');
	add_name(&t, f, s, "_count", (struct slice){ 0 });
	text_u64(&t, count);
	text_char(&t, '\n');
	write(with, text_slice(&t));
}

static void expose_series(const struct family *f, const struct shown *s, writer *write, void *with)
{
	char line[1024];
	struct text t = TEXT(line);

	if (f->kind == HISTOGRAM) {
		expose_histogram(f, s, write, with);
		return;
	}
	add_name(&t, f, s, "", (struct slice){ 0 });
	uint64_t value = cell_sum(s->cell);
	if (f->kind == GAUGE && (int64_t)value < 0) {
		text_char(&t, '-');
		value = 0 - value;
	}
	text_u64(&t, value);
	text_char(&t, '\n');
	write(with, text_slice(&t));
}

static void expose_head(const struct family *f, writer *write, void *with)
{
	char line[1024];
	struct text t = TEXT(line);

	text_printf(&t, "# HELP sallyport_%s ", f->name);
	text_add(&t, slice_of(f->help)); /* rows hold neither backslash nor newline */
	text_printf(&t, "\n# TYPE sallyport_%s %s\n", f->name, kind_words[f->kind]);
	write(with, text_slice(&t));
}

static bool take_series(const struct series *s, enum metrics_family family, struct shown *to)
{
	to->cell = cell_of(s, families[family].kind);
	return to->cell != METRICS_LOST && series_values(s, family, to->values);
}

void metrics_expose(void (*write)(void *with, struct slice piece), void *with)
{
	uint64_t hashes[METRIC_FAMILIES];
	uint8_t family_of[SERIES_MAX];

	if (!metrics_table)
		return;
	_Static_assert(METRIC_FAMILIES < UINT8_MAX, "a family's number fits a byte");
	for (unsigned f = 0; f < METRIC_FAMILIES; f++)
		hashes[f] = family_hash(&families[f]);
	for (size_t i = 0; i < SERIES_MAX; i++) {
		struct series *s = &metrics_table->series[i];
		bool ready = atomic_load_explicit(&s->ready, memory_order_acquire);
		family_of[i] = UINT8_MAX;
		for (unsigned f = 0; ready && f < METRIC_FAMILIES; f++)
			if (s->family == hashes[f])
				family_of[i] = (uint8_t)f;
	}
	for (unsigned f = 0; f < METRIC_FAMILIES; f++) {
		bool told = false;
		for (size_t i = 0; i < SERIES_MAX; i++) {
			struct shown shown;
			if (family_of[i] != f || !take_series(&metrics_table->series[i], (enum metrics_family)f, &shown))
				continue;
			if (!told)
				expose_head(&families[f], write, with);
			told = true;
			expose_series(&families[f], &shown, write, with);
		}
	}
}

void metrics_document(void (*write)(void *with, struct slice piece), void *with)
{
	write(with, S("# Metrics\n\n"
	              "Generated from proxy/metrics/counters.def by `make generate`. The status listener serves "
	              "them at `/metrics` in\nPrometheus text format. Counters are summed over all processes of "
	              "a machine and survive the restart of a worker.\nHistograms have buckets from 100 us, "
	              "doubling, to 3.2768 s.\n\n"
	              "| Name | Type | Labels | Meaning |\n|---|---|---|---|\n"));
	for (unsigned f = 0; f < METRIC_FAMILIES; f++) {
		char line[1024];
		struct text t = TEXT(line);
		struct slice labels = slice_of(families[f].labels);
		text_printf(&t, "| `sallyport_%s` | %s | ", families[f].name, kind_words[families[f].kind]);
		while (labels.len) {
			struct slice label = slice_cut(&labels, ',');
			text_printf(&t, "`%.*s`%s", SLICE(label), labels.len ? ", " : "");
		}
		text_printf(&t, " | %s |\n", families[f].help);
		write(with, text_slice(&t));
	}
}
