/* bitfield.c -- what bitfield.h promises. */
#include "bitfield.h"

static int64_t field_number(struct slice s)
{
	bool negative = s.len && s.at[0] == '-';
	uint64_t n = 0;

	for (size_t i = negative; i < s.len; i++) {
		check(s.at[i] >= '0' && s.at[i] <= '9' && n <= (UINT64_MAX - 9) / 10);
		n = n * 10 + (uint64_t)(s.at[i] - '0');
	}
	check(s.len && n <= INT64_MAX);
	return negative ? -(int64_t)n : (int64_t)n;
}

/* False: it overflowed and OVERFLOW FAIL was in force. */
static bool field_increase(uint64_t *value, int64_t by, bool saturate)
{
	int64_t sum;
	bool over = __builtin_add_overflow((int64_t)*value, by, &sum);

	if ((over || sum < 0) && !saturate)
		return false;
	*value = over ? INT64_MAX : sum < 0 ? 0 : (uint64_t)sum;
	return true;
}

void field_execute(struct field *f, const struct slice *word, size_t len, struct limit_reply *to)
{
	bool saturate = false;

	check(len > 2 && slice_same(word[0], S("BITFIELD")));
	*to = (struct limit_reply){ .answered = true };
	for (size_t i = 2; i < len;) {
		if (slice_same(word[i], S("OVERFLOW"))) {
			saturate = slice_same(word[i + 1], S("SAT"));
			check(saturate || slice_same(word[i + 1], S("FAIL")));
			i += 2;
			continue;
		}
		check(slice_same(word[i], S("INCRBY")) && slice_same(word[i + 1], S("u63")) &&
		      (slice_same(word[i + 2], S("0")) || slice_same(word[i + 2], S("#1"))) && to->len < 4);
		uint64_t *value = word[i + 2].len == 1 ? &f->value : &f->second;
		to->nil[to->len] = !field_increase(value, field_number(word[i + 3]), saturate);
		to->value[to->len] = to->nil[to->len] ? 0 : (int64_t)*value;
		to->len++;
		i += 4;
	}
	f->exists = true;
}

void field_expire(struct field *f, const struct slice *word, uint64_t now_ms)
{
	check(slice_same(word[0], S("PEXPIRE")));
	if (f->exists)
		f->expires_ms = now_ms + (uint64_t)field_number(word[2]);
}
