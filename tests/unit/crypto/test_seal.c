/* What is sealed for Redis: nobody else reads it, changes it or puts it elsewhere; nothing shows twice. */
#include "crypto/seal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define VALUE "alice"
#define SEALED (sizeof VALUE - 1 + SEAL_OVERHEAD)

static struct seal seal;
static char sealed[2][SEALED];

static int open_seal(void **state)
{
	(void)state;
	seal_open(&seal, S("a secret of the fleet"), "test");
	for (int i = 0; i < 2; i++)
		if (!seal_value(&seal, S("name"), S(VALUE), sealed[i]))
			return 1;
	return 0;
}

static bool opens(const struct seal *with, struct slice name, struct slice value)
{
	char to[SEALED];
	size_t len;
	bool opened = unseal_value(with, name, value, to, &len);

	if (opened)
		assert_true(slice_same((struct slice){ to, len }, S(VALUE)));
	else
		assert_int_equal(len, 0);
	return opened;
}

static void what_was_sealed_opens_under_its_name_and_secret_alone(void **state)
{
	struct slice value = { sealed[0], SEALED };
	struct seal other;

	(void)state;
	assert_true(opens(&seal, S("name"), value));
	assert_false(opens(&seal, S("nam"), value));
	assert_false(opens(&seal, S("another"), value));
	seal_open(&other, S("another secret of the fleet"), "test");
	assert_false(opens(&other, S("name"), value));
	seal_open(&other, S("a secret of the fleet"), "another use");
	assert_false(opens(&other, S("name"), value));
	seal_open(&other, S(""), "test");
	assert_false(opens(&other, S("name"), value));
	assert_false(seal_value(&other, S("name"), S(VALUE), sealed[1]));
}

static void any_change_is_noticed_and_any_length_survived(void **state)
{
	(void)state;
	for (size_t i = 0; i < SEALED; i++) {
		sealed[0][i] ^= 1;
		assert_false(opens(&seal, S("name"), (struct slice){ sealed[0], SEALED }));
		sealed[0][i] ^= 1;
		assert_false(opens(&seal, S("name"), (struct slice){ sealed[0], i }));
	}
	assert_true(opens(&seal, S("name"), (struct slice){ sealed[0], SEALED }));
}

/* With one nonce for two values the difference of these would show, and seals could be forged. */
static void nothing_looks_the_same_twice(void **state)
{
	(void)state;
	assert_memory_not_equal(sealed[0], sealed[1], 12);
	assert_memory_not_equal(sealed[0] + 12, sealed[1] + 12, SEALED - 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_sealed_opens_under_its_name_and_secret_alone, open_seal),
		cmocka_unit_test_setup(any_change_is_noticed_and_any_length_survived, open_seal),
		cmocka_unit_test_setup(nothing_looks_the_same_twice, open_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
