/* share.c -- the share of absences over 30 s, and what share is usual.
 *
 * Steps of 2 s in a ring, each one word that tells its own time, so that nobody has to empty it. What leaves
 * the window is added to its hour, unless the route was latched: what a fault answered does not become
 * usual. */
#include "guard/inside.h"

#define HALF 24
#define HALF_MASK ((UINT64_C(1) << HALF) - 1)
#define EPOCH_SHIFT 48
#define EPOCH_MASK UINT64_C(0xffff)
#define BITS 48
#define USUAL_LEAST 200 /* answers in 24 h: fewer tell nothing of what is usual */

struct count {
	uint64_t answers, absences;
};

static struct count count_of(uint64_t word)
{
	return (struct count){ word >> HALF & HALF_MASK, word & HALF_MASK };
}

static bool is_of(uint64_t word, uint64_t epoch)
{
	return word >> EPOCH_SHIFT == (epoch & EPOCH_MASK);
}

/* Adds to a word of that epoch; what it held of another one is in *gone. */
static void add(_Atomic uint64_t *at, uint64_t epoch, struct count more, uint64_t *gone)
{
	uint64_t was = atomic_load_explicit(at, memory_order_relaxed), next;

	do {
		struct count c = is_of(was, epoch) ? count_of(was) : (struct count){ 0 };
		*gone = is_of(was, epoch) ? 0 : was;
		if (c.answers + more.answers > HALF_MASK || c.absences + more.absences > HALF_MASK)
			return;
		next = (epoch & EPOCH_MASK) << EPOCH_SHIFT | (c.answers + more.answers) << HALF |
		       (c.absences + more.absences);
	} while (!atomic_compare_exchange_weak(at, &was, next));
}

static void mark(_Atomic uint64_t *at, uint64_t epoch, uint64_t bit)
{
	uint64_t was = atomic_load_explicit(at, memory_order_relaxed), next;

	do {
		next = (is_of(was, epoch) ? was : (epoch & EPOCH_MASK) << EPOCH_SHIFT) | UINT64_C(1) << bit;
		if (next == was)
			return;
	} while (!atomic_compare_exchange_weak(at, &was, next));
}

void share_add(struct guard_route *w, uint64_t principal, bool absent, bool kept, uint64_t now)
{
	uint64_t step = now / STEP_S, hour = now / 3600, gone = 0, ignored;

	add(&w->step[step % STEP_SLOTS], step, (struct count){ 1, absent }, &gone);
	if (gone && kept)
		add(&w->hour[hour % HOUR_SLOTS], hour, count_of(gone), &ignored);
	mark(&w->who[0][step % STEP_SLOTS], step, principal % BITS);
	mark(&w->who[1][step % STEP_SLOTS], step, principal / BITS % BITS);
}

static uint64_t usual_of(const struct guard_route *w, uint64_t now)
{
	uint64_t hour = now / 3600, answers = 0, absences = 0;

	for (uint64_t i = 0; i < HOURS && i <= hour; i++) {
		uint64_t word = atomic_load_explicit(&w->hour[(hour - i) % HOUR_SLOTS], memory_order_relaxed);
		struct count c = is_of(word, hour - i) ? count_of(word) : (struct count){ 0 };
		answers += c.answers;
		absences += c.absences;
	}
	return answers < USUAL_LEAST || absences > answers ? 0 : absences * 1000000 / answers;
}

struct share share_now(const struct guard_route *w, uint64_t now)
{
	struct share s = { .usual = usual_of(w, now) };
	uint64_t step = now / STEP_S, who[2] = { 0, 0 };

	for (uint64_t i = 0; i < STEPS && i <= step; i++) {
		uint64_t at = (step - i) % STEP_SLOTS;
		uint64_t word = atomic_load_explicit(&w->step[at], memory_order_relaxed);
		if (!is_of(word, step - i))
			continue;
		s.answers += count_of(word).answers;
		s.absences += count_of(word).absences;
		for (int n = 0; n < 2; n++) {
			uint64_t bits = atomic_load_explicit(&w->who[n][at], memory_order_relaxed);
			who[n] |= is_of(bits, step - i) ? bits & ((UINT64_C(1) << BITS) - 1) : 0;
		}
	}
	int first = __builtin_popcountll(who[0]), second = __builtin_popcountll(who[1]);
	s.principals = (unsigned)(first > second ? first : second);
	uint64_t most = s.usual * SHARE_TIMES > SHARE_LEAST ? s.usual * SHARE_TIMES : SHARE_LEAST;
	s.over = s.answers >= REQUESTS_LEAST && s.principals >= PRINCIPALS_LEAST &&
	         s.absences * 1000000 > most * s.answers;
	return s;
}

void share_forget(struct guard_route *w)
{
	for (size_t i = 0; i < STEP_SLOTS; i++) {
		atomic_store(&w->step[i], 0);
		atomic_store(&w->who[0][i], 0);
		atomic_store(&w->who[1][i], 0);
	}
}
