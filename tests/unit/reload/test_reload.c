#include "base/text.h"
#include "reload/reload.h"
#include "crypto/crypto.h"
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

/* Runs a reload to its end: the memory file of all, and the keeper's. */
static int run_both(const struct reload_plan *p, int *keepers, char **text)
{
	struct bundle_sealed sealed;
	struct reload *r = reload_begin(p);

	assert_non_null(r);
	while (!reload_step(r, clock_ns(), &sealed, text))
		usleep(1000);
	reload_free(r);
	assert_int_equal(sealed.keeper >= 0, sealed.all >= 0);
	if (keepers)
		*keepers = sealed.keeper;
	else if (sealed.keeper >= 0)
		close(sealed.keeper);
	return sealed.all;
}

static int run(const struct reload_plan *p, char **text)
{
	return run_both(p, NULL, text);
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

#define ENV "secret-by-the-environment-0123456789"
#define FILED "secret-in-a-file-of-its-own-01234567"
#define TEXTED "secret-in-the-text-itself-0123456789"
#define CLIENT "secret-at-the-issuer"
#define KEEPER "short-one"
#define WORKER "of-the-workers"

static bool file_has(int fd, const char *what)
{
	static char bytes[65536];
	ssize_t len = pread(fd, bytes, sizeof bytes, 0);

	assert_in_range(len, 1, sizeof bytes - 1);
	return memmem(bytes, (size_t)len, what, strlen(what)) != NULL;
}

static struct config *load(int fd, struct bundle **b)
{
	struct config_errors errors = { 0 };

	*b = bundle_open(fd);
	assert_non_null(*b);
	struct config *c = config_load(*b, config, &errors);
	if (!c)
		fail_msg("%s", errors.text);
	config_errors_free(&errors);
	return c;
}

static void what_only_the_keeper_may_know_is_in_its_own_file_and_keys_for_workers_in_the_other(void **state)
{
	static const char *const secrets[] = { ENV, FILED, TEXTED, CLIENT, KEEPER };
	unsigned char key[2][64];
	static const size_t lens[FLEET_KEYS] = { 64, 32, 16, 16 };
	struct reload_plan p = plan();
	struct bundle *b[2];
	struct slice name;
	char *text;
	size_t at = 0, twins = 0;
	int fd[2];

	(void)state;
	setenv("RELOAD_SECRET", ENV, 1);
	setenv("RELOAD_TWIN", ENV, 1); /* the text does not mention it */
	setenv("RELOAD_REDIS", WORKER, 1);
	setenv("RELOAD_KEEPER", KEEPER, 1);
	setenv("RELOAD_CLIENT", CLIENT, 1);
	write_file(pin, FILED "\n", 0600);
	char whole[4096];
	snprintf(whole, sizeof whole,
	         GOOD "secrets: {fleet: [\"${env:RELOAD_SECRET}\", \"${file:%s}\", \"" TEXTED "\"]}\n"
	              "redis: {servers: \"redis://127.0.0.1:1\", user: w, password: \"${env:RELOAD_REDIS}\", "
	              "keeper: {user: k, password: \"${env:RELOAD_KEEPER}\"}}\n"
	              "issuers: {i: {issuer: \"https://issuer.test/\", audiences: [a], audience_missing: refuse, "
	              "opaque: {endpoint: \"http://127.0.0.1:1/i\", client_id: me, "
	              "client_secret: \"${env:RELOAD_CLIENT}\"}}}\n",
	         pin);
	write_file(config, whole, 0600);
	p.pin_file = "/nowhere";
	fd[0] = run_both(&p, &fd[1], &text);
	if (fd[0] < 0)
		fail_msg("%s", text);
	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		assert_true(file_has(fd[1], secrets[i]));
		if (file_has(fd[0], secrets[i]))
			fail_msg("the file of all processes has \"%s\"", secrets[i]);
	}
	assert_true(file_has(fd[0], WORKER));
	struct config *c[2] = { load(fd[0], &b[0]), load(fd[1], &b[1]) };
	for (int which = 0; which < FLEET_KEYS; which++) {
		for (int i = 0; i < 2; i++)
			assert_true(fleet_key(c[i], (enum fleet_key)which, key[i], lens[which]));
		assert_memory_equal(key[0], key[1], lens[which]);
	}
	assert_int_equal(c[0]->root.secrets.fleet.len, 3);
	while (bundle_next_variable(b[0], &at, &name))
		twins += slice_same(name, S("RELOAD_TWIN"));
	assert_int_equal(twins, 1);
	for (int i = 0; i < 2; i++) {
		config_free(c[i]);
		bundle_close(b[i]);
		close(fd[i]);
	}
}

static void a_password_of_workers_that_holds_a_keepers_secret_is_refused(void **state)
{
	struct reload_plan p = plan();
	char *text;

	(void)state;
	setenv("RELOAD_SECRET", ENV, 1);
	write_file(config,
	           GOOD
	           "secrets: {fleet: [\"${env:RELOAD_SECRET}\"]}\n"
	           "redis: {servers: \"redis://127.0.0.1:1\", user: w, password: \"${env:RELOAD_SECRET}\"}\n",
	           0600);
	assert_int_equal(run(&p, &text), -1);
	assert_non_null(strstr(text, "password is a secret of the fleet too, which workers must not know"));
	free(text);
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
		TEST(what_only_the_keeper_may_know_is_in_its_own_file_and_keys_for_workers_in_the_other),
		TEST(a_password_of_workers_that_holds_a_keepers_secret_is_refused),
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
