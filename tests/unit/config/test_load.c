#include "loaded.h"

#define KEY32 "0123456789abcdef0123456789abcdef"

static void what_is_written_and_what_is_not_both_have_values(void **state)
{
	struct loaded l =
	    load_text(LEAST ISSUER UPSTREAM "trusted_proxies: 10.0.0.0/8\n"
	                                    "http: {body_max: 2MiB}\n"
	                                    "limits: {slow: {key: [address, \"header:X-Key\"], rate: 5/m}}\n"
	                                    "routes:\n"
	                                    "  - {path: /a/*, upstream: app, verify: {issuer: auth0, scopes: "
	                                    "read}, limits: [slow], idle_timeout: 7s}\n");
	const struct config_root *c;

	(void)state;
	expect_good(&l);
	c = &l.config->root;
	assert_true(slice_same(c->environment, S("dev")));
	assert_int_equal(c->environment.at[c->environment.len], 0);
	assert_int_equal(c->timeouts.idle, 60 * NS_PER_S);
	assert_int_equal(c->timeouts.body_rate, 500);
	assert_int_equal(c->http.resets_max.count, 100);
	assert_int_equal(c->trusted_proxies.len, 1);
	assert_int_equal(c->trusted_proxies.at[0].bits, 104);
	assert_null(c->status.address.at);
	assert_true(slice_same(c->admin.socket, S("/run/sallyport/admin.sock")));
	assert_int_equal(c->log.level, 1);
	assert_int_equal(c->listeners_len, 1);
	assert_null(c->listeners[0].tls);
	assert_int_equal(c->listeners[0].protocols.len, 1);
	assert_true(slice_same(c->listeners[0].protocols.at[0], S("http/1.1")));
	assert_int_equal(c->listeners[0].place.line, 3);
	assert_true(slice_same(c->issuers[0].id, S("auth0")));
	assert_true(slice_same(c->issuers[0].client_claim, S("azp")));
	assert_null(c->upstreams[0].health);
	assert_int_equal(c->limits[0].key.len, 2);
	assert_int_equal(c->limits[0].rate.per_ns, 60 * NS_PER_S);
	unload(&l);
}

static void a_route_is_filled_from_its_upstream_and_from_http(void **state)
{
	struct loaded l =
	    load_text(LEAST UPSTREAM
	              "http: {body_max: 2MiB}\n"
	              "routes:\n"
	              "  - {path: /a/*, upstream: app, anonymous: true, idle_timeout: 7s, total_timeout: 0s}\n"
	              "  - {path: /b, deny: 403, body_max: 0B}\n");
	const struct config_route *r;

	(void)state;
	expect_good(&l);
	r = l.config->root.routes;
	assert_true(slice_same(r[0].name, S("a")));
	assert_int_equal(r[0].body_max, 2 << 20);
	assert_int_equal(r[0].header_timeout, 30 * NS_PER_S);
	assert_int_equal(r[0].idle_timeout, 7 * NS_PER_S);
	assert_int_equal(r[0].total_timeout, 0);
	assert_true(r[0].deny == CONFIG_ABSENT);
	assert_int_equal(r[1].deny, 403);
	assert_int_equal(r[1].body_max, 0);
	assert_true(r[1].header_timeout == CONFIG_ABSENT);
	unload(&l);
}

static void unknown_options_are_refused_with_what_was_probably_meant(void **state)
{
	(void)state;
	refuse(LEAST "listner: 1\n",
	       "/etc/s/c.yaml:4:1: error: there is no option \"listner\" here; did you mean "
	       "\"listeners\"?\n    listner: 1\n    ^\n");
	refuse(LEAST "timeouts: {handshaek: 1s}\n", "/etc/s/c.yaml:4:12: error: there is no option \"handshaek\" "
	                                            "in timeouts; did you mean \"handshake\"?\n"
	                                            "    timeouts: {handshaek: 1s}\n"
	                                            "               ^\n");
	struct loaded l = load_text(LEAST "zzzzzz: 1\n");
	expect_said(&l, "there is no option \"zzzzzz\" here\n");
	unload(&l);
}

static void values_of_the_wrong_form_are_refused(void **state)
{
	(void)state;
	refuse(LEAST "timeouts: {idle: 60}\n",
	       "c.yaml:4:18: error: idle: \"60\" is not a valid duration; write a number with");
	refuse(LEAST "timeouts: {idle: 2h}\n", "idle: \"2h\" is out of range; it goes from 1s to 1h");
	refuse(LEAST "timeouts: {idle: 1ms}\n", "out of range");
	refuse(LEAST "workers: 129\n", "workers: \"129\" is out of range; it goes from 0 to 128");
	refuse(LEAST "log: {level: warn}\n", "level: \"warn\" is none of debug|info|warning|error");
	refuse(LEAST "log: {level: inof}\n", "did you mean \"info\"?");
	refuse(LEAST "limiting: {headers: yes}\n",
	       "headers: \"yes\" is not a valid boolean; write true or false");
	refuse(LEAST "workers: [1]\n", "\"workers\" takes a single value, and this is a list");
	refuse(LEAST "workers: {a: 1}\n", "\"workers\" takes a single value, and this is a mapping");
	refuse(LEAST "workers:\n", "\"workers\" has no value here");
	refuse(LEAST "workers: ~\n", "\"workers\" has no value here");
	refuse(LEAST "timeouts:\n", "\"timeouts\" has no value here");
	refuse(LEAST "timeouts: [1]\n", "\"timeouts\" takes a mapping, and this is a list");
	refuse(LEAST "trusted_proxies: {a: b}\n",
	       "\"trusted_proxies\" takes a list of values, and this is a mapping");
	refuse(LEAST "trusted_proxies: [[a]]\n", "\"trusted_proxies\" takes a single value, and this is a list");
	refuse(LEAST "routes: {a: b}\n", "\"routes\" takes a list of mappings, and this is a mapping");
	refuse(LEAST "routes: [a]\n", "\"routes[]\" takes a mapping, and this is a single value");
	refuse(LEAST "limits: [a]\n", "\"limits\" takes a mapping of names, and this is a list");
	refuse(LEAST "state: \"\"\n", "leave the option out instead of giving it no text");
	refuse(LEAST "state: \"/a\\nb\"\n", "state: \"/a?b\" is not a valid file name");
	refuse(LEAST "limits: {A b: {key: address, rate: 1/s}}\n",
	       "c.yaml:4:10: error: \"A b\" is no name; write lower-case");
	refuse(LEAST "workers: \"1\\0\"\n", "is not a valid number");
}

static void what_must_be_written_is_missed(void **state)
{
	(void)state;
	refuse("listeners: [{address: \"127.0.0.1:80\"}]\n",
	       "c.yaml:1:1: error: \"environment\" must be written here");
	refuse("environment: dev\n", "there is no listener");
	refuse("environment: dev\nlisteners: []\n", "c.yaml:2:12: error: there is no listener");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\"}}\n", "\"audiences\" must be written here");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: []}}\n",
	       "\"audiences\" needs at least one value");
	struct loaded l = load_text("");
	expect_said(&l, "\"environment\" must be written here");
	unload(&l);
	l = load_text("- a\n");
	expect_said(&l, "a configuration is a mapping of options");
	unload(&l);
}

static void all_mistakes_are_told_up_to_twenty(void **state)
{
	char text[4096] = LEAST "http:\n";
	unsigned lines = 0;

	(void)state;
	for (int i = 0; i < 23; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "  wrong%c%c%c: 1\n", 'a' + i, 'a' + i,
		         'a' + i);
	struct loaded l = load_text(text);
	expect_said(&l, "3 more errors are not shown.\n");
	assert_int_equal(l.errors.count, 23);
	for (const char *at = l.errors.text; (at = strstr(at, "error:")); at++)
		lines++;
	assert_int_equal(lines, 20);
	unload(&l);
}

static void one_mistake_does_not_bring_others_about(void **state)
{
	(void)state;
	/* the route's upstream is misspelt, and so is an option of the upstream: neither lacks anything else */
	refuse(LEAST UPSTREAM "routes: [{path: /a, upstraem: app, anonymous: true}]\n",
	       "did you mean \"upstream\"?");
	refuse(LEAST "upstreams: {app: {endpoint: x}}\nroutes: [{path: /a, upstream: app, anonymous: true}, "
	             "{path: /b, deny: 403}]\n"
	             "include: []\nlimits: {}\nrules: []\nworkers: 1\nhttp: {}\n",
	       "did you mean \"endpoints\"?");
}

static void long_lines_are_cut_around_the_caret(void **state)
{
	char text[1024] = LEAST "trusted_proxies: [";

	(void)state;
	for (int i = 0; i < 20; i++)
		strncat(text, "10.11.12.13/32, ", sizeof text - strlen(text) - 1);
	strncat(text, "nonsense, 10.11.12.13]\n", sizeof text - strlen(text) - 1);
	struct loaded l = load_text(text);
	expect_said(&l, ":4:339: error: trusted_proxies: \"nonsense\" is not a valid network");
	const char *line = strchr(l.errors.text, '\n') + 1, *caret = strchr(line, '\n') + 1;
	assert_true(caret - line < 120);
	assert_int_equal(strstr(line, "nonsense") - line, strchr(caret, '^') - caret);
	unload(&l);
}

static void nothing_that_a_terminal_obeys_is_written(void **state)
{
	struct loaded l = load_text("a\xff\xfe\x1b[2J: 1\n");

	(void)state;
	expect_said(&l, "c.yaml:1:2: error: the file is not UTF-8 from here on\n    a???[2J: 1\n     ^\n");
	unload(&l);
	refuse(LEAST "\"a\xe2\x80\xae\\e[2Jb\": 1\n",
	       "there is no option \"a??[2Jb\" here\n    \"a?\\e[2Jb\": 1\n");
}

static void carets_count_characters_and_keep_tabs(void **state)
{
	(void)state;
	refuse(LEAST "log: {query_allow: [\"\xc3\xa9\xc3\xa9\"], \tleval: info}\n",
	       "4:29: error: there is no option \"leval\"");
	refuse(LEAST "log: {query_allow: [\"\xc3\xa9\xc3\xa9\"], \tleval: info}\n",
	       "\n                               \t^\n");
}

/* ---- references ---- */

static void references_stand_for_whole_values_and_lose_their_line_end(void **state)
{
	struct bundle *b = bundle_record();

	(void)state;
	setenv("CONFIG_TEST_WORKERS", "3", 1);
	bundle_put(b, "/etc/s/keys/fleet", S(KEY32 "new\n"));
	bundle_put(b, "/else/fleet", S(KEY32 "old\r\n"));
	struct loaded l =
	    load_from(b, LEAST "workers: ${env:CONFIG_TEST_WORKERS}\n"
	                       "secrets: {fleet: [\"${file:keys/fleet}\", \"${file:/else/fleet}\"]}\n");
	expect_good(&l);
	assert_int_equal(l.config->root.workers, 3);
	const CONFIG_SECRETS *fleet = &l.config->root.secrets.fleet;
	assert_int_equal(fleet->len, 2);
	assert_int_equal(fleet->at[0].len, 35);
	assert_memory_equal(fleet->at[0].bytes, KEY32 "new", 35);
	assert_memory_equal(fleet->at[1].bytes, KEY32 "old", 35);
	unload(&l);
}

static void a_value_behind_a_reference_is_shown_nowhere(void **state)
{
	struct bundle *b = bundle_record();

	(void)state;
	setenv("CONFIG_TEST_SECRET", "hunter2", 1);
	bundle_put(b, "/f", S("hunter2"));
	struct loaded l = load_from(b, LEAST UPSTREAM "workers: ${env:CONFIG_TEST_SECRET}\n"
	                                              "log: {level: \"${env:CONFIG_TEST_SECRET}\"}\n"
	                                              "timeouts: {idle: \"${file:/f}\"}\n"
	                                              "status: {address: \"${file:/f}\"}\n"
	                                              "secrets: {fleet: \"${file:/f}\"}\n"
	                                              "routes:\n"
	                                              "  - {path: /a, upstream: \"${file:/f}\", anonymous: true, "
	                                              "methods: \"${file:/f}\", limits: \"${file:/f}\"}\n");
	assert_null(l.config);
	assert_int_equal(l.errors.count, 8);
	assert_null(strstr(l.errors.text, "hunter2"));
	assert_non_null(
	    strstr(l.errors.text, "workers: what stands behind ${env:CONFIG_TEST_SECRET} is not a valid number"));
	assert_non_null(strstr(l.errors.text, "there is no upstream \"${file:/f}\""));
	unload(&l);
}

static void a_secret_written_out_is_not_shown_in_errors(void **state)
{
	static const char *const texts[] = {
		LEAST "secrets: {fleet: [\"hunter2\"]}\n", LEAST "secrets:\n  fleet:\n    - |\n      hunter2\n",
		LEAST "secerts: {fleet: [\"hunter2\"]}\n", LEAST "secrets: {fleeet: [\"hunter2\"]}\n",
		LEAST "secrets: {fleet: {a: hunter2}}\n",  LEAST "secrets: hunter2\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct loaded l = load_text(texts[i]);
		assert_null(l.config);
		assert_null(strstr(l.errors.text, "hunter2"));
		assert_non_null(strstr(l.errors.text, "is not shown"));
		unload(&l);
	}
}

static void references_that_lead_nowhere_are_told_with_all_else(void **state)
{
	(void)state;
	refuse(LEAST "workers: ${env:NOT_SET_AT_ALL}\n",
	       "4:10: error: the environment variable NOT_SET_AT_ALL is not set");
	refuse(LEAST "workers: ${env:a-b}\n", "\"a-b\" is no name of an environment variable");
	refuse(LEAST "state: ${file:/none}\n", "the file \"/none\" cannot be read: no such file");
	refuse(LEAST "state: a${env:X}\n", "${...} must be the whole value: ${env:NAME} or ${file:PATH}");
	refuse(LEAST "state: ${env:X}${env:Y}\n", "must be the whole value");
	refuse(LEAST "state: ${HOME}\n", "must be the whole value");
	refuse(LEAST "secrets: {fleet: [\"${file:/none}\"]}\n", "no such file");
	struct loaded l = load_text(LEAST "workers: ${env:NOT_SET_AT_ALL}\nlistner: 1\n");
	expect_said(&l, "listeners");
	assert_int_equal(l.errors.count, 2);
	unload(&l);
}

static void a_configuration_is_loaded_again_from_its_sealed_bundle(void **state)
{
	struct bundle *b = bundle_record();
	struct loaded again = { 0 };

	(void)state;
	setenv("CONFIG_TEST_WORKERS", "5", 1);
	bundle_put(b, "/etc/s/fleet", S(KEY32 "\n"));
	struct loaded l =
	    load_from(b, LEAST "workers: ${env:CONFIG_TEST_WORKERS}\nsecrets: {fleet: \"${file:fleet}\"}\n");
	expect_good(&l);
	int fd = bundle_seal(b);
	unload(&l);
	unsetenv("CONFIG_TEST_WORKERS");
	again = load_from(bundle_open(fd), NULL);
	expect_good(&again);
	assert_int_equal(again.config->root.workers, 5);
	assert_int_equal(again.config->root.secrets.fleet.at[0].len, 32);
	unload(&again);
}

static void rooms_complain_in_the_same_form(void **state)
{
	struct loaded l = load_text(LEAST "routes:\n  - {path: /a, deny: 403}\n");
	struct config_errors alone = { 0 };

	(void)state;
	expect_good(&l);
	config_complain(&l.errors, l.config->root.routes[0].place, "this is %s", "not so");
	assert_string_equal(
	    l.errors.text,
	    "/etc/s/c.yaml:5:5: error: this is not so\n      - {path: /a, deny: 403}\n        ^\n");
	config_complain(&l.errors, l.config->root.log.place, "not written");
	assert_non_null(strstr(l.errors.text, "\n/etc/s/c.yaml: error: not written\n"));
	assert_int_equal(l.errors.count, 2);
	config_complain(&alone, l.config->root.routes[0].place, "without sources");
	assert_string_equal(alone.text, "/etc/s/c.yaml:5:5: error: without sources\n");
	config_errors_free(&alone);
	unload(&l);
}

static void rooms_that_speak_of_a_value_show_its_reference(void **state)
{
	struct bundle *b = bundle_record();

	(void)state;
	setenv("CONFIG_TEST_ADDRESS", "127.0.0.9:8443", 1);
	struct loaded l = load_from(b, "environment: dev\n"
	                               "listeners: [{address: \"${env:CONFIG_TEST_ADDRESS}\"}]\n"
	                               "routes: [{path: /a, deny: 403}]\n");
	expect_good(&l);
	const struct config_listener *one = &l.config->root.listeners[0];
	config_complain(&l.errors, one->place, "%s cannot be bound, nor can 127.0.0.8:8443", one->address.at);
	assert_non_null(strstr(l.errors.text, "${env:CONFIG_TEST_ADDRESS} cannot be bound, nor can 127.0.0.8:"));
	assert_null(strstr(l.errors.text, "127.0.0.9"));
	unload(&l);
}

static void the_environment_is_written_out(void **state)
{
	struct bundle *b = bundle_record();

	(void)state;
	setenv("CONFIG_TEST_WHERE", "dev", 1);
	struct loaded l = load_from(b, "environment: ${env:CONFIG_TEST_WHERE}\n"
	                               "listeners: [{address: 127.0.0.1:1}]\n"
	                               "routes: [{path: /a, deny: 403}]\n");
	assert_null(l.config);
	assert_int_equal(l.errors.count, 1);
	assert_non_null(strstr(l.errors.text, "environment must be written out"));
	unload(&l);
}

static void a_missing_file_is_a_sentence(void **state)
{
	struct loaded l = load_from(bundle_empty(), NULL);

	(void)state;
	expect_said(&l, "/etc/s/c.yaml: the configuration cannot be read: no such file\n");
	unload(&l);
}

static void relative_files_begin_at_the_configuration(void **state)
{
	struct loaded l = load_text(LEAST "state: state\nadmin: {socket: ./run/../a.sock}\n");

	(void)state;
	expect_good(&l);
	assert_string_equal(l.config->root.state.at, "/etc/s/state");
	assert_string_equal(l.config->root.admin.socket.at, "/etc/s/run/../a.sock");
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_and_what_is_not_both_have_values),
		cmocka_unit_test(a_route_is_filled_from_its_upstream_and_from_http),
		cmocka_unit_test(unknown_options_are_refused_with_what_was_probably_meant),
		cmocka_unit_test(values_of_the_wrong_form_are_refused),
		cmocka_unit_test(what_must_be_written_is_missed),
		cmocka_unit_test(all_mistakes_are_told_up_to_twenty),
		cmocka_unit_test(one_mistake_does_not_bring_others_about),
		cmocka_unit_test(long_lines_are_cut_around_the_caret),
		cmocka_unit_test(nothing_that_a_terminal_obeys_is_written),
		cmocka_unit_test(carets_count_characters_and_keep_tabs),
		cmocka_unit_test(references_stand_for_whole_values_and_lose_their_line_end),
		cmocka_unit_test(a_value_behind_a_reference_is_shown_nowhere),
		cmocka_unit_test(a_secret_written_out_is_not_shown_in_errors),
		cmocka_unit_test(references_that_lead_nowhere_are_told_with_all_else),
		cmocka_unit_test(a_configuration_is_loaded_again_from_its_sealed_bundle),
		cmocka_unit_test(rooms_complain_in_the_same_form),
		cmocka_unit_test(rooms_that_speak_of_a_value_show_its_reference),
		cmocka_unit_test(the_environment_is_written_out),
		cmocka_unit_test(a_missing_file_is_a_sentence),
		cmocka_unit_test(relative_files_begin_at_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
