#include "base/check.h"
#include "http/h2_memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define MANY 200

static struct h2_memory *m;

static int begin(void **state)
{
	(void)state;
	m = h2_memory_open();
	return m ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	h2_memory_close(m);
	return 0;
}

static nghttp2_session *session_in(nghttp2_mem *place)
{
	nghttp2_session_callbacks *none;
	nghttp2_session *s;

	check(nghttp2_session_callbacks_new(&none) == 0);
	check(nghttp2_session_server_new3(&s, none, NULL, NULL, place) == 0);
	nghttp2_session_callbacks_del(none);
	return s;
}

/* Pages of the place that anything has touched. */
static size_t touched(const nghttp2_mem *place)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	unsigned char is_there[H2_PLACE_SIZE / 4096];

	check(page == 4096 && mincore((void *)(uintptr_t)place, H2_PLACE_SIZE, is_there) == 0);
	for (size_t i = 0; i < sizeof is_there; i++)
		n += is_there[i] & 1;
	return n;
}

static void a_session_that_has_spoken_touches_one_page_of_its_place(void **state)
{
	nghttp2_mem *place = h2_place_take(m);
	nghttp2_session *s = session_in(place);
	const uint8_t *bytes;

	(void)state;
	if (sysconf(_SC_PAGESIZE) == 4096)
		assert_int_equal(touched(place), 1);
	assert_int_equal(nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, NULL, 0), 0);
	assert_int_equal(nghttp2_session_mem_send(s, &bytes), 9);
	assert_in_range((uintptr_t)bytes - (uintptr_t)place, 0, 4096); /* from its own buffer, near its front */
	if (sysconf(_SC_PAGESIZE) == 4096)
		assert_int_equal(touched(place), 1);
	nghttp2_session_del(s);
	h2_place_give(place);
}

static void places_are_their_sessions_own_and_empty_slabs_go_back(void **state)
{
	nghttp2_mem *place[MANY];
	nghttp2_session *s[MANY];

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		place[i] = h2_place_take(m);
		s[i] = session_in(place[i]);
	}
	assert_int_equal(h2_memory_use(m).places, MANY);
	assert_int_equal(h2_memory_use(m).slabs, 4);
	for (size_t i = 0; i < MANY; i++)
		for (size_t j = 0; j < i; j++)
			assert_true((uintptr_t)place[i] - (uintptr_t)place[j] >= H2_PLACE_SIZE &&
			            (uintptr_t)place[j] - (uintptr_t)place[i] >= H2_PLACE_SIZE);
	for (size_t i = 0; i < MANY; i++) {
		nghttp2_session_del(s[i]);
		h2_place_give(place[i]);
	}
	assert_int_equal(h2_memory_use(m).places, 0);
	assert_int_equal(h2_memory_use(m).slabs, 1);
}

static void a_place_given_back_is_taken_first_and_is_empty(void **state)
{
	nghttp2_mem *a = h2_place_take(m), *b = h2_place_take(m);
	char *piece = a->malloc(2048, a->mem_user_data);

	(void)state;
	memset(piece, 'x', 2048);
	h2_place_give(a);
	nghttp2_mem *again = h2_place_take(m);
	assert_ptr_equal(again, a);
	assert_ptr_equal(again->calloc(1, 2048, again->mem_user_data), piece);
	for (size_t i = 0; i < 2048; i++)
		assert_int_equal(piece[i], 0);
	h2_place_give(again);
	h2_place_give(b);
}

static void a_piece_that_grows_leaves_the_place_with_what_it_holds(void **state)
{
	nghttp2_mem *a = h2_place_take(m);
	char *piece = a->malloc(1000, a->mem_user_data);
	char *large = a->realloc(NULL, 16394, a->mem_user_data);

	(void)state;
	assert_true(piece - (char *)a < 4096 && large - (char *)a < 4096);
	memset(piece, 'p', 1000);
	memset(large, 'l', 16394);
	piece = a->realloc(piece, 5000, a->mem_user_data);
	large = a->realloc(large, 100000, a->mem_user_data);
	assert_true(piece && large);
	piece = a->realloc(piece, 6000, a->mem_user_data);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(piece[i], 'p');
	for (size_t i = 0; i < 16394; i++)
		assert_int_equal(large[i], 'l');
	a->free(piece, a->mem_user_data);
	a->free(large, a->mem_user_data);
	a->free(NULL, a->mem_user_data);
	assert_null(a->calloc(SIZE_MAX, 2, a->mem_user_data));
	h2_place_give(a);
}

/* Of every size: pieces do not overlap when they are used again, and no more than the bound is kept. */
static void small_pieces_are_used_again_and_kept_within_a_bound(void **state)
{
	static unsigned char *piece[40][H2_SMALL_MOST + 1];
	nghttp2_mem *a = h2_place_take(m);

	(void)state;
	a->malloc(16384, a->mem_user_data); /* from here on nothing lies in the place */
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 40; i++)
			for (size_t len = 0; len <= H2_SMALL_MOST; len++) {
				piece[i][len] = a->malloc(len, a->mem_user_data);
				memset(piece[i][len], (int)(i + len), len);
			}
		for (size_t i = 0; i < 40; i++)
			for (size_t len = 0; len <= H2_SMALL_MOST; len++) {
				for (size_t at = 0; at < len; at++)
					assert_int_equal(piece[i][len][at], (unsigned char)(i + len));
				a->free(piece[i][len], a->mem_user_data);
			}
		assert_true(h2_memory_use(m).spare < H2_SPARE_MOST + H2_SMALL_MOST);
	}
	unsigned char *zeroed = a->calloc(10, 20, a->mem_user_data);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(zeroed[i], 0);
	a->free(zeroed, a->mem_user_data);
	h2_place_give(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_that_has_spoken_touches_one_page_of_its_place),
		TEST(places_are_their_sessions_own_and_empty_slabs_go_back),
		TEST(a_place_given_back_is_taken_first_and_is_empty),
		TEST(a_piece_that_grows_leaves_the_place_with_what_it_holds),
		TEST(small_pieces_are_used_again_and_kept_within_a_bound),
	};

	return cmocka_run_group_tests_name("h2 memory", tests, NULL, NULL);
}
