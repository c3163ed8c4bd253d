/* redis_bucket.c -- the words of the two commands, and what their answer means. */
#include "limit/redis_bucket.h"
#include "base/check.h"
#include "base/text.h"

#define FIELD_MAX (UINT64_C(0x7fffffffffffffff))
#define STAMP_MAX (UINT64_C(1) << 62)
#define TOLERANCE_MAX (UINT64_C(1) << 61)
#define SPARE_NS (2 * NS_PER_S) /* a key outlives its debt by this */

static void word(struct words *w, struct slice s)
{
	check(w->bitfield_len < sizeof w->bitfield / sizeof w->bitfield[0]);
	w->bitfield[w->bitfield_len++] = s;
}

static struct slice number(char digits[static 24], bool negative, uint64_t n)
{
	struct text t = { .at = digits, .cap = 24 };

	check(n <= FIELD_MAX);
	if (negative)
		text_char(&t, '-');
	text_u64(&t, n);
	return text_slice(&t);
}

static void begin(struct words *w, struct slice key)
{
	w->bitfield_len = 0;
	word(w, S("BITFIELD"));
	word(w, key);
}

static void overflow(struct words *w, struct slice how)
{
	word(w, S("OVERFLOW"));
	word(w, how);
}

static void increase_at(struct words *w, struct slice field, struct slice by)
{
	word(w, S("INCRBY"));
	word(w, S("u63"));
	word(w, field);
	word(w, by);
}

static void increase(struct words *w, struct slice by)
{
	increase_at(w, S("0"), by);
}

static void expire(struct words *w, struct slice key, char digits[static 24], uint64_t in_ns)
{
	w->expire[0] = S("PEXPIRE");
	w->expire[1] = key;
	w->expire[2] = number(digits, false, in_ns / NS_PER_MS + 1);
}

static uint64_t base_of(const struct redis_query *q)
{
	return q->known_ns > q->stamp_ns ? q->known_ns : q->stamp_ns;
}

uint64_t question_room(const struct redis_query *q)
{
	uint64_t full = q->stamp_ns + q->gcra.tolerance_ns, m = base_of(q);

	return full > m ? full - m : 0;
}

bool question_write(const struct redis_query *q, struct slice key, struct words *to)
{
	uint64_t room = question_room(q), m = base_of(q), want, shift = FIELD_MAX - room;

	check(q->stamp_ns < STAMP_MAX && q->gcra.tolerance_ns < TOLERANCE_MAX && q->tokens > 0);
	if (__builtin_mul_overflow(q->gcra.period_ns, q->tokens, &want) || want > room)
		return false;
	begin(to, key);
	overflow(to, S("SAT"));
	increase(to, number(to->digits[0], true, m));
	overflow(to, S("FAIL"));
	increase(to, number(to->digits[1], false, want + shift));
	increase(to, number(to->digits[2], true, shift));
	increase(to, slice_from(to->bitfield[7], 1)); /* m, without the sign */
	expire(to, key, to->digits[3], 2 * q->gcra.tolerance_ns + SPARE_NS);
	return true;
}

bool question_read(const struct limit_reply *reply, struct ruling *to)
{
	const int64_t *value = reply->value;

	if (reply->len != 4 || reply->nil[0] || reply->nil[3] || reply->nil[1] != reply->nil[2])
		return false;
	if (value[0] < 0 || value[3] < value[0])
		return false;
	*to = (struct ruling){ !reply->nil[1], (uint64_t)value[0], (uint64_t)value[3] };
	return true;
}

uint64_t question_rest(const struct redis_query *q, const struct ruling *r)
{
	uint64_t room = question_room(q);

	return room > r->debt_ns ? (room - r->debt_ns) / q->gcra.period_ns : 0;
}

void settlement_write(struct gcra gcra, uint64_t base_ns, uint64_t owed_ns, uint64_t room_ns,
                      struct slice key, struct words *to)
{
	struct slice less = number(to->digits[3], true, room_ns ? room_ns : 1); /* Redis reads no -0 */

	check(base_ns < STAMP_MAX && gcra.tolerance_ns < TOLERANCE_MAX && owed_ns <= TOLERANCE_MAX);
	begin(to, key);
	overflow(to, S("SAT"));
	increase(to, number(to->digits[0], true, base_ns));
	increase(to, number(to->digits[1], false, base_ns + owed_ns));
	increase_at(to, S("#1"), less);
	increase_at(to, S("#1"), slice_from(less, 1));
	expire(to, key, to->digits[2], 2 * gcra.tolerance_ns + owed_ns + SPARE_NS);
}

bool settlement_read(const struct limit_reply *reply, uint64_t *tat_ns, uint64_t *room_ns)
{
	if (reply->len != 4 || reply->value[1] < 0 || reply->value[3] < 1)
		return false;
	for (size_t i = 0; i < 4; i++)
		if (reply->nil[i])
			return false;
	*tat_ns = (uint64_t)reply->value[1];
	*room_ns = (uint64_t)reply->value[3];
	return true;
}
