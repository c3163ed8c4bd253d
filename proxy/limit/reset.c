/* reset.c -- a key begins again, on this machine or on all of the fleet's: see limit.h for the order. */
#include "limit/fleet.h"
#include "limit/hot.h"

/* ---- forgetting ---- */

void limits_heed(struct limits *l, const struct limit_resets *resets)
{
	l->resets = resets;
	l->resets_seen = atomic_load_explicit(&resets->count, memory_order_acquire);
}

void limit_resets_add(struct limit_resets *to, uint64_t tag)
{
	uint64_t count = atomic_load_explicit(&to->count, memory_order_relaxed);

	atomic_store_explicit(&to->tag[count % LIMIT_RESETS], tag, memory_order_relaxed);
	atomic_store_explicit(&to->count, count + 1, memory_order_release);
}

static void forget(struct limits *l, uint64_t tag, uint64_t now_ns)
{
	struct lease *e = lease_find(l->fleet->leases, tag);
	struct forgotten *f = &l->forgotten[l->resets_seen % LIMIT_RESETS];

	if (e)
		lease_forget(e);
	settle_forget(l, tag);
	buckets_forgive(l->table, tag, now_ns);
	buckets_forgive(l->table, share_tag(l, tag), now_ns);
	buckets_forgive(l->table, told_tag(l, tag), now_ns);
	*f = (struct forgotten){ tag, now_ns + 2 * LIMIT_RESET_NS };
	l->forgotten_until_ns = f->until_ns;
}

void resets_heed(struct limits *l, uint64_t now_ns)
{
	uint64_t count = l->resets ? atomic_load_explicit(&l->resets->count, memory_order_acquire) : 0;

	if (count - l->resets_seen > LIMIT_RESETS)
		l->resets_seen = count > LIMIT_RESETS ? count - LIMIT_RESETS : 0;
	for (; l->resets_seen < count; l->resets_seen++)
		forget(l, atomic_load(&l->resets->tag[l->resets_seen % LIMIT_RESETS]), now_ns);
}

bool reset_is_on(const struct limits *l, uint64_t tag, uint64_t asked_ns)
{
	if (asked_ns >= l->forgotten_until_ns)
		return false;
	for (size_t i = 0; i < LIMIT_RESETS; i++)
		if (l->forgotten[i].tag == tag && asked_ns < l->forgotten[i].until_ns)
			return true;
	return false;
}

/* ---- records ---- */

bool limits_are_named(const struct limits *l)
{
	return l->named;
}

static void write_claim(struct slice name, uint64_t ms, struct text *to)
{
	text_add(to, name);
	text_char(to, ':');
	text_u64(to, ms);
}

void limits_record(const struct limits *l, const char name[static LIMIT_NAME], uint64_t ms, struct text *to)
{
	uint64_t code;

	to->len = 0;
	write_claim((struct slice){ name, LIMIT_NAME }, ms, to);
	code = siphash(l->records, text_slice(to));
	text_char(to, ':');
	text_hex(to, &code, sizeof code);
}

static bool read_hex(struct slice digits, uint64_t *to)
{
	unsigned char bytes[sizeof *to];

	if (digits.len != 2 * sizeof bytes)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		char c = slice_lower(digits.at[i]);
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
		unsigned char nibble = (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
		bytes[i / 2] = (unsigned char)(i % 2 ? bytes[i / 2] | nibble : nibble << 4);
	}
	memcpy(to, bytes, sizeof bytes);
	return true;
}

bool limits_record_read(const struct limits *l, struct slice record, uint64_t *tag, uint64_t *ms)
{
	struct slice rest = record, name = slice_cut(&rest, ':'), time = slice_cut(&rest, ':');
	char claim[LIMIT_RECORD];
	struct text t = TEXT(claim);
	uint64_t code;

	if (!l->named || name.len != LIMIT_NAME || !slice_u64(time, ms) || !read_hex(rest, &code) ||
	    !read_hex(slice_head(name, LIMIT_NAME / 2), tag))
		return false;
	write_claim(name, *ms, &t);
	*tag = *tag ? *tag : 1;
	return siphash(l->records, text_slice(&t)) == code;
}
