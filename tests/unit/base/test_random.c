#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void a_forked_child_does_not_repeat_its_parents_bytes(void **state)
{
	unsigned char mine[64], theirs[64];
	int ends[2], status;

	(void)state;
	random_u64(); /* the parent holds bytes in store */
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		random_bytes(theirs, sizeof theirs);
		_exit(write(ends[1], theirs, sizeof theirs) == sizeof theirs ? 0 : 1);
	}
	random_bytes(mine, sizeof mine);
	assert_int_equal(read(ends[0], theirs, sizeof theirs), sizeof theirs);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_memory_not_equal(mine, theirs, sizeof mine);
	close(ends[0]);
	close(ends[1]);
}

static void more_than_is_in_store_is_given_without_a_gap(void **state)
{
	static unsigned char bytes[20000];
	unsigned zeros = 0;

	(void)state;
	random_bytes(bytes, 1); /* so that the large call begins in the middle */
	memset(bytes, 0, sizeof bytes);
	random_bytes(bytes, sizeof bytes);
	for (size_t i = 0; i + 16 <= sizeof bytes; i += 16) {
		static const unsigned char none[16];
		zeros += memcmp(bytes + i, none, 16) == 0;
	}
	assert_int_equal(zeros, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forked_child_does_not_repeat_its_parents_bytes),
		cmocka_unit_test(more_than_is_in_store_is_given_without_a_gap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
