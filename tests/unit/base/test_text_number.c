#include "base/random.h"
#include "base/text.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void assert_number(uint64_t n)
{
	char mine[21], want[32];
	struct text t = TEXT(mine);

	text_u64(&t, n);
	assert_true(text_end(&t));
	snprintf(want, sizeof want, "%" PRIu64, n);
	assert_string_equal(mine, want);
	uint64_t read = ~n;
	assert_true(slice_u64(text_slice(&t), &read) && read == n);
}

static void numbers_are_written_as_the_library_writes_them(void **state)
{
	(void)state;
	assert_number(UINT64_MAX);
	for (uint64_t power = 1;; power *= 10) {
		assert_number(power - 1);
		assert_number(power);
		assert_number(power + 1);
		if (power > UINT64_MAX / 10)
			break;
	}
	for (int shift = 0; shift < 64; shift++)
		for (int i = 0; i < 50; i++)
			assert_number(random_u64() >> shift);
}

static void what_is_over_64_bits_is_no_number(void **state)
{
	static const char *const over[] = { "18446744073709551616",
		                                "18446744073709551620",
		                                "99999999999999999999",
		                                "100000000000000000000",
		                                "0018446744073709551616",
		                                "",
		                                "1a",
		                                "-1",
		                                " 1" };
	uint64_t n = 7;

	(void)state;
	for (size_t i = 0; i < sizeof over / sizeof *over; i++)
		assert_false(slice_u64(slice_of(over[i]), &n));
	assert_true(n == 7);
	assert_true(slice_u64(S("0000000000000000000000018446744073709551615"), &n) && n == UINT64_MAX);
}

static void a_number_that_does_not_fit_is_left_out_whole(void **state)
{
	char room[4];
	struct text t = TEXT(room);

	(void)state;
	text_u64(&t, 123);
	assert_false(t.cut);
	text_u64(&t, 12);
	assert_true(t.cut);
	assert_int_equal(t.len, 3);
	text_u64(&t, 1);
	assert_int_equal(t.len, 3);
}

static void every_byte_has_its_two_digits_at_every_place(void **state)
{
	unsigned char bytes[11];
	char mine[sizeof bytes * 2 + 1], want[sizeof mine];

	(void)state;
	for (unsigned value = 0; value < 256; value++)
		for (size_t len = 0; len <= sizeof bytes; len++) {
			struct text t = TEXT(mine);
			for (size_t i = 0; i < len; i++) {
				bytes[i] = (unsigned char)(value + i * 37);
				snprintf(want + i * 2, 3, "%02x", bytes[i]);
			}
			want[len * 2] = '\0';
			text_hex(&t, bytes, len);
			assert_true(text_end(&t));
			assert_string_equal(mine, want);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_written_as_the_library_writes_them),
		cmocka_unit_test(what_is_over_64_bits_is_no_number),
		cmocka_unit_test(a_number_that_does_not_fit_is_left_out_whole),
		cmocka_unit_test(every_byte_has_its_two_digits_at_every_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
