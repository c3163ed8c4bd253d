#include "base/text.h"
#include "reload/reload.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/reload-XXXXXX", config[64], pin[64];

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static struct reload_plan plan(void)
{
	return (struct reload_plan){ .path = config, .pin_file = pin, .pin_owner = geteuid() };
}

static bool allows(const char *environment, char why[static 1024])
{
	struct reload_plan p = plan();
	struct text t = { .at = why, .cap = 1024 };
	bool ok = reload_pin_allows(&p, slice_of(environment), &t);

	assert_true(text_end(&t));
	return ok;
}

static int bare(void **state)
{
	(void)state;
	unlink(pin);
	unsetenv(RELOAD_PIN_VARIABLE);
	return 0;
}

static void without_a_pin_only_dev_runs(void **state)
{
	char why[1024];

	(void)state;
	assert_true(allows("dev", why));
	assert_false(allows("production", why));
	assert_non_null(strstr(why, "only dev runs"));
}

static void a_pin_file_wins_over_the_variable_and_both_are_named(void **state)
{
	char why[1024];

	(void)state;
	setenv(RELOAD_PIN_VARIABLE, "staging", 1);
	assert_true(allows("staging", why));
	assert_false(allows("dev", why));
	assert_non_null(strstr(why, "environment: dev, but this host is pinned to staging by the variable"));
	write_file(pin, "production\n", 0644);
	assert_true(allows("production", why));
	assert_false(allows("staging", why));
	assert_non_null(strstr(why, config));
	assert_non_null(strstr(why, "pinned to production by /tmp/"));
}

static void a_pin_that_others_may_write_pins_nothing_and_is_refused(void **state)
{
	struct reload_plan p = plan();
	char why[1024];
	struct text t = { .at = why, .cap = sizeof why };

	(void)state;
	write_file(pin, "dev\n", 0664);
	assert_false(allows("dev", why));
	assert_non_null(strstr(why, "nobody else may write"));
	write_file(pin, "\n", 0600);
	assert_false(allows("dev", why));
	write_file(pin, "dev\n", 0644);
	p.pin_owner = geteuid() + 1;
	assert_false(reload_pin_allows(&p, S("dev"), &t));
}

/* Runs a reload to its end. */
static int run(const struct reload_plan *p, char **text)
{
	int sealed;
	struct reload *r = reload_begin(p);

	assert_non_null(r);
	while (!reload_step(r, clock_ns(), &sealed, text))
		usleep(1000);
	reload_free(r);
	return sealed;
}

#define GOOD "environment: dev\nlisteners: [{address: \"127.0.0.1:8081\"}]\nroutes: [{path: /*, deny: 403}]\n"

static void a_good_configuration_comes_back_as_a_sealed_file(void **state)
{
	struct reload_plan p = plan();
	struct config_errors errors = { 0 };
	char *text;

	(void)state;
	write_file(config, GOOD, 0644);
	int sealed = run(&p, &text);
	assert_true(sealed >= 0);
	assert_null(text);
	assert_int_equal(fcntl(sealed, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
	write_file(config, "nonsense", 0644); /* the file is looked at no more */
	struct bundle *b = bundle_open(sealed);
	struct config *c = config_load(b, config, &errors);
	assert_non_null(c);
	assert_true(slice_same(c->root.environment, S("dev")));
	config_errors_free(&errors);
	config_free(c);
	bundle_close(b);
	close(sealed);
}

static void a_bad_one_comes_back_as_lines_with_places(void **state)
{
	struct reload_plan p = plan();
	char *text;

	(void)state;
	write_file(config, GOOD "roots: 1\n", 0644);
	assert_int_equal(run(&p, &text), -1);
	assert_non_null(strstr(text, "c.yaml:4:1"));
	free(text);
	write_file(config, "environment: staging\nlisteners: []\nroutes: []\n", 0644);
	assert_int_equal(run(&p, &text), -1);
	assert_non_null(text);
	free(text);
}

static void a_file_in_memory_stands_for_one_on_disk(void **state)
{
	struct reload_plan p = plan();
	const struct reload_file file = { "/nowhere/dev.yaml", S(GOOD) };
	char *text;

	(void)state;
	p.path = file.path;
	p.files = &file;
	p.files_len = 1;
	int sealed = run(&p, &text);
	assert_true(sealed >= 0);
	close(sealed);
}

static bool die(void *with, const struct config *c, struct bundle *b, struct config_errors *errors)
{
	(void)with, (void)c, (void)b, (void)errors;
	raise(SIGKILL);
	return true;
}

static bool find_fault(void *with, const struct config *c, struct bundle *b, struct config_errors *errors)
{
	(void)with, (void)b;
	config_complain(errors, c->root.listeners[0].place, "the %s is wrong", "certificate");
	return true;
}

static void a_crash_of_the_reader_is_no_crash_of_ours(void **state)
{
	struct reload_plan p = plan();
	char *text;

	(void)state;
	write_file(config, GOOD, 0644);
	p.prove = die;
	assert_int_equal(run(&p, &text), -1);
	assert_non_null(strstr(text, "ended without a verdict"));
	free(text);
}

static void what_the_rooms_complain_of_is_told(void **state)
{
	struct reload_plan p = plan();
	char *text;

	(void)state;
	write_file(config, GOOD, 0644);
	p.prove = find_fault;
	assert_int_equal(run(&p, &text), -1);
	assert_non_null(strstr(text, "the certificate is wrong"));
	assert_non_null(strstr(text, "c.yaml:2:"));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup(name, bare)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_pin_only_dev_runs),
		TEST(a_pin_file_wins_over_the_variable_and_both_are_named),
		TEST(a_pin_that_others_may_write_pins_nothing_and_is_refused),
		TEST(a_good_configuration_comes_back_as_a_sealed_file),
		TEST(a_bad_one_comes_back_as_lines_with_places),
		TEST(a_file_in_memory_stands_for_one_on_disk),
		TEST(a_crash_of_the_reader_is_no_crash_of_ours),
		TEST(what_the_rooms_complain_of_is_told),
	};

	if (!mkdtemp(dir))
		return 1;
	snprintf(config, sizeof config, "%s/c.yaml", dir);
	snprintf(pin, sizeof pin, "%s/pin", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(config);
	unlink(pin);
	rmdir(dir);
	return failed;
}
