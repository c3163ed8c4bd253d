#include "forward/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct forward_published *published;
static atomic_bool over;

/* The keeper says another thing of each endpoint again and again, with pauses in which it can be heard. */
static void *keep(void *with)
{
	(void)with;
	for (uint32_t round = 0; !atomic_load(&over); round++) {
		struct endpoint_published *e = &published->endpoint[round % 2];
		uint32_t other = 1u - atomic_load(&e->copy);
		e->state[other] = e->state[1u - other];
		e->state[other].health = round / 2 % 2 ? HEALTH_DOWN : HEALTH_UP;
		atomic_store(&e->copy, other);
		atomic_fetch_add(&published->generation, 1);
		for (volatile int pause = 0; pause < 300; pause++)
			;
	}
	return NULL;
}

static void an_endpoint_is_chosen_whatever_the_keeper_says_meanwhile(void **state)
{
	struct config_health health = { .interval = NS_PER_S, .timeout = NS_PER_S };
	struct config_upstream config = { .health = &health, .connections_max = 1 };
	struct loop loop = { .now_ns = NS_PER_S };
	struct endpoint endpoints[2] = { 0 };
	struct forward forward = { .loop = &loop };
	struct upstream u = { .config = &config, .forward = &forward, .endpoints = endpoints };
	pthread_t keeper;

	(void)state;
	published = calloc(1, sizeof *published);
	assert_non_null(published);
	published->len = 2;
	u.endpoints_len = 2;
	forward.published = published;
	for (size_t i = 0; i < 2; i++) {
		published->endpoint[i].state[0].checked_ns = NS_PER_S;
		endpoints[i].upstream = &u;
		endpoints[i].published = i;
	}
	assert_int_equal(pthread_create(&keeper, NULL, keep, NULL), 0);
	for (int i = 0; i < 300000; i++) {
		const uint64_t second = 1 << 1;
		const struct endpoint *e = balance_choose(&u, i % 2 ? &second : NULL);
		assert_true(e == &endpoints[0] || (e == &endpoints[1] && i % 2 == 0));
	}
	atomic_store(&over, true);
	pthread_join(keeper, NULL);
	free(published);
}

/* ---- who is out, and when it is back ---- */

enum { REPLICAS = 3 };

static struct fleet {
	struct config_health health;
	struct config_upstream config;
	struct loop loop;
	struct endpoint endpoints[REPLICAS];
	struct forward forward;
	struct upstream u;
	struct forward_published published;
	unsigned told;
} f;

static void on_refused(void *with, struct slice upstream, struct slice endpoint)
{
	(void)with;
	assert_true(slice_same(upstream, S("api")) && slice_same(endpoint, S("http://two")));
	f.told++;
}

static int make_fleet(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	f.health = (struct config_health){ .interval = NS_PER_S, .timeout = NS_PER_S };
	f.config = (struct config_upstream){ .id = S("api"),
		                                 .connections_max = 10,
		                                 .eject_failures = 2,
		                                 .eject_for = 10 * NS_PER_S,
		                                 .slow_start = 4 * NS_PER_S };
	f.loop.now_ns = 1000 * NS_PER_S;
	f.forward = (struct forward){ .loop = &f.loop, .published = &f.published, .news = { on_refused, NULL } };
	f.u = (struct upstream){
		.config = &f.config, .forward = &f.forward, .endpoints = f.endpoints, .endpoints_len = REPLICAS
	};
	f.published.len = REPLICAS;
	for (size_t i = 0; i < REPLICAS; i++)
		f.endpoints[i] = (struct endpoint){ .upstream = &f.u, .published = i, .text = S("http://two") };
	return 0;
}

/* How often each is chosen of 300 times. */
static void chosen(unsigned count[REPLICAS])
{
	memset(count, 0, REPLICAS * sizeof *count);
	for (int i = 0; i < 300; i++)
		count[balance_choose(&f.u, NULL) - f.endpoints]++;
}

static void eject(size_t i, bool refused)
{
	for (int n = 0; n < 2; n++)
		balance_failed(&f.endpoints[i], refused);
}

static void one_that_refused_is_back_as_soon_as_it_accepts(void **state)
{
	struct endpoint_state *s = f.published.endpoint[1].state;
	unsigned count[REPLICAS];

	(void)state;
	eject(1, true);
	assert_int_equal(f.told, 1);
	chosen(count);
	assert_int_equal(count[1], 0);
	f.loop.now_ns += NS_PER_S;
	s->refused_ns = f.loop.now_ns;
	chosen(count);
	assert_int_equal(count[1], 0);
	f.loop.now_ns += 11 * NS_PER_S; /* its time is over, but it is known to refuse */
	s->refused_ns = f.loop.now_ns - NS_PER_S;
	chosen(count);
	assert_int_equal(count[1], 0);
	s->accepted_ns = f.loop.now_ns;
	chosen(count);
	assert_true(count[1] > 0 && count[1] < 60); /* a slow start */
	f.loop.now_ns += 5 * NS_PER_S;
	chosen(count);
	assert_true(count[1] > 60);
}

static void one_that_failed_otherwise_serves_its_time(void **state)
{
	unsigned count[REPLICAS];

	(void)state;
	eject(1, false);
	assert_int_equal(f.told, 0);
	f.loop.now_ns += NS_PER_S;
	f.published.endpoint[1].state->accepted_ns = f.loop.now_ns;
	chosen(count);
	assert_int_equal(count[1], 0);
	f.loop.now_ns += 10 * NS_PER_S;
	chosen(count);
	assert_true(count[1] > 0);
}

static void a_health_check_that_passes_ends_either(void **state)
{
	unsigned count[REPLICAS];

	(void)state;
	f.config.health = &f.health;
	for (int refused = 0; refused < 2; refused++) {
		eject(1, refused);
		assert_int_equal(f.told, 0);
		f.published.endpoint[1].state->accepted_ns = f.loop.now_ns + 1;
		f.loop.now_ns += NS_PER_S;
		chosen(count);
		assert_int_equal(count[1], 0);
		f.published.endpoint[1].state->health = HEALTH_UP;
		f.published.endpoint[1].state->checked_ns = f.loop.now_ns;
		chosen(count);
		assert_true(count[1] > 0);
	}
}

static void in_panic_those_that_refuse_come_last(void **state)
{
	const uint64_t third = 1 << 2, all = 7;
	unsigned count[REPLICAS];

	(void)state;
	eject(0, true);
	eject(1, false);
	chosen(count);
	assert_true(count[0] == 0 && count[1] > 0 && count[2] > 0);
	eject(2, true);
	chosen(count);
	assert_int_equal(count[1], 300);
	eject(1, true);
	chosen(count);
	assert_true(count[0] > 0 && count[1] > 0 && count[2] > 0);
	assert_true(balance_choose(&f.u, &third) != &f.endpoints[2]);
	assert_null(balance_choose(&f.u, &all));
	balance_answered(&f.endpoints[0], NS_PER_MS); /* it does accept */
	chosen(count);
	assert_int_equal(count[0], 300);
}

static void a_record_that_is_made_later_is_found_at_its_first_use(void **state)
{
	struct sockaddr_storage to;
	socklen_t len;

	(void)state;
	assert_true(endpoint_parse(S("http://two"), &f.endpoints[0].url));
	f.endpoints[0].published = RECORDS;
	f.published.len = 0;
	assert_false(endpoint_next_address(&f.endpoints[0], &to, &len));
	f.published.len = 2; /* the first is another's */
	memcpy(f.published.endpoint[1].name, "api http://two", sizeof "api http://two");
	f.published.endpoint[1].state[0].addresses_len = 1;
	f.published.endpoint[1].state[0].addresses[0].ss_family = AF_INET;
	f.published.generation++;
	assert_true(endpoint_next_address(&f.endpoints[0], &to, &len));
	assert_int_equal(f.endpoints[0].published, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_is_chosen_whatever_the_keeper_says_meanwhile),
		cmocka_unit_test_setup(one_that_refused_is_back_as_soon_as_it_accepts, make_fleet),
		cmocka_unit_test_setup(one_that_failed_otherwise_serves_its_time, make_fleet),
		cmocka_unit_test_setup(a_health_check_that_passes_ends_either, make_fleet),
		cmocka_unit_test_setup(a_record_that_is_made_later_is_found_at_its_first_use, make_fleet),
		cmocka_unit_test_setup(in_panic_those_that_refuse_come_last, make_fleet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
