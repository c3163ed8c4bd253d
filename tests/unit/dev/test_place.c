#include "dev/example.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static struct dev_place place;

static void a_shell_reads_a_word_back_as_it_was(void **state)
{
	const char *const words[] = {
		"/usr/bin/sallyport", "", "/a b/c", "it's", "$HOME `x` \"y\" \\", "*?[1-9]"
	};
	char store[256], command[512], read_back[256];

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct text t = TEXT(store);
		int ends[2];
		place_word(&t, slice_of(words[i]));
		assert_true(text_end(&t));
		assert_int_equal(pipe(ends), 0);
		snprintf(command, sizeof command, "printf %%s %s >&%d", store, ends[1]);
		pid_t child = fork();
		if (child == 0) {
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
			_exit(127);
		}
		close(ends[1]);
		size_t len = 0;
		for (ssize_t n; (n = read(ends[0], read_back + len, sizeof read_back - 1 - len)) > 0;)
			len += (size_t)n;
		close(ends[0]);
		read_back[len] = '\0';
		assert_string_equal(read_back, words[i]);
	}
}

static void other_ports_have_their_own_directory(void **state)
{
	(void)state;
	setenv("XDG_STATE_HOME", "/tmp/state", 1);
	assert_true(place_find(&place, DEV_PORT));
	assert_string_equal(place.dir, "/tmp/state/sallyport/dev");
	assert_string_equal(place.issuer, "http://127.0.0.1:8444/");
	assert_true(place_find(&place, 9000));
	assert_string_equal(place.dir, "/tmp/state/sallyport/dev-9000");
	assert_int_equal(place.port[PLACE_STATUS], 9003);
	assert_false(place_find(&place, 0));
	assert_false(place_find(&place, 65535));
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", "/home/me", 1);
	assert_true(place_find(&place, DEV_PORT));
	assert_string_equal(place.dir, "/home/me/.local/state/sallyport/dev");
	unsetenv("HOME");
	assert_false(place_find(&place, DEV_PORT));
}

static void a_taken_port_is_found_out(void **state)
{
	(void)state;
	setenv("XDG_STATE_HOME", "/tmp/state", 1);
	int fd = -1;
	for (unsigned port = 40000; fd < 0 && port < 40100; port += PLACE_PORTS) {
		assert_true(place_find(&place, port));
		fd = place_listen(&place, PLACE_ECHO);
	}
	assert_true(fd >= 0);
	assert_false(place_is_free(&place, PLACE_ECHO));
	assert_int_equal(place_listen(&place, PLACE_ECHO), -1);
	close(fd);
	assert_true(place_is_free(&place, PLACE_ECHO));
}

static void odd_directories_do_not_break_the_configuration(void **state)
{
	static char store[65536];
	struct text t = TEXT(store);

	(void)state;
	setenv("XDG_STATE_HOME", "/tmp/a \"b\"\\: {c}", 1);
	assert_true(place_find(&place, DEV_PORT));
	assert_true(example_config(&place, &t));
	assert_non_null(strstr(store, "\nstate: \"/tmp/a \\\"b\\\"\\\\: {c}/sallyport/dev/state\"\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shell_reads_a_word_back_as_it_was),
		cmocka_unit_test(other_ports_have_their_own_directory),
		cmocka_unit_test(a_taken_port_is_found_out),
		cmocka_unit_test(odd_directories_do_not_break_the_configuration),
	};

	return cmocka_run_group_tests_name("where a local Sallyport lives", tests, NULL, NULL);
}
