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
		const struct endpoint *e = balance_choose(&u, i % 2 ? &endpoints[1] : NULL);
		assert_true(e == &endpoints[0] || (e == &endpoints[1] && i % 2 == 0));
	}
	atomic_store(&over, true);
	pthread_join(keeper, NULL);
	free(published);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_is_chosen_whatever_the_keeper_says_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
