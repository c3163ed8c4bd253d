#include "loaded.h"
#include "config/table.h"
#include <jansson.h>
#include <unistd.h>

static char *written(void (*write)(FILE *to))
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	write(to);
	fclose(to);
	return text;
}

static char *printed(const struct config *c, bool json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	config_print(to, c, json);
	fclose(to);
	return text;
}

/* What is explained; NULL and *said where there is no such option. */
static char *explained(const char *key, bool json, char said[static 512])
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len), *err = tmpfile();
	int old = dup(STDERR_FILENO);

	dup2(fileno(err), STDERR_FILENO);
	bool known = config_explain(to, key, json);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	rewind(err);
	said[fread(said, 1, 511, err)] = '\0';
	fclose(err);
	fclose(to);
	if (known)
		return text;
	assert_string_equal(text, "");
	free(text);
	return NULL;
}

static void expect_key(const char *key, const char *canonical)
{
	char said[512];
	char *text = explained(key, false, said);

	if (!text)
		fail_msg("%s is not explained: %s", key, said);
	else
		assert_memory_equal(text, canonical, strlen(canonical));
	assert_string_equal(said, "");
	free(text);
}

static void expect_suggestion(const char *key, const char *suggestion)
{
	char said[512];

	assert_null(explained(key, false, said));
	if (!strstr(said, suggestion))
		fprintf(stderr, "looked for: %s\nin: %s", suggestion, said);
	assert_non_null(strstr(said, suggestion));
}

static void keys_are_found_with_and_without_brackets_and_names(void **state)
{
	(void)state;
	expect_key("environment", "environment\n");
	expect_key("routes.verify.issuer", "routes[].verify.issuer\n");
	expect_key("routes[].verify.issuer", "routes[].verify.issuer\n");
	expect_key("routes[3].verify", "routes[].verify\n");
	expect_key("listeners[].tls", "listeners[].tls\n");
	expect_key("listeners.tls.certificates.key", "listeners[].tls.certificates[].key\n");
	expect_key("issuers.issuer", "issuers.NAME.issuer\n");
	expect_key("issuers.NAME.issuer", "issuers.NAME.issuer\n");
	expect_key("issuers.auth0.issuer", "issuers.NAME.issuer\n");
	expect_key("issuers.issuer.issuer", "issuers.NAME.issuer\n");
	expect_key("upstreams.health.path", "upstreams.NAME.health.path\n");
	expect_key("upstreams.app.health.path", "upstreams.NAME.health.path\n");
	expect_key("limits.login", "limits.NAME\n");
	expect_key("limits.NAME", "limits.NAME\n");
	expect_key("routes.request_headers.set", "routes[].request_headers.set\n");
	expect_key("", "(the whole file)\n");
}

static void unknown_keys_are_answered_with_a_suggestion(void **state)
{
	(void)state;
	expect_suggestion("routes.verfy", "there is no option \"routes.verfy\"; did you mean \"routes.verify\"?");
	expect_suggestion("listener", "did you mean \"listeners\"?");
	expect_suggestion("head_max", "did you mean \"http.head_max\"?");
	expect_suggestion("environment.x", "there is no option \"environment.x\"");
	expect_suggestion("zzzzzzzzzz", "there is no option \"zzzzzzzzzz\"\n");
	expect_suggestion(".", "there is no option \".\"\n");
	expect_suggestion("limits.rat", "there is no option \"limits.rat\"; did you mean \"limits.rate\"?");
	expect_suggestion("issuers.budgett", "did you mean \"issuers.budget\"?");
	expect_suggestion("limits..rate", "there is no option \"limits..rate\"; did you mean \"limits.rate\"?");
}

static void an_explanation_says_type_default_range_and_when_it_changes(void **state)
{
	char said[512];
	char *text = explained("timeouts.idle", false, said);

	(void)state;
	assert_string_equal(
	    text, "timeouts.idle\n    a connection without a request is closed after this\n\n"
	          "    type     duration\n    default  60s\n    range    1s to 1h\n    changes  at reload\n");
	free(text);
	text = explained("timeouts.idle", true, said);
	json_t *json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "key")), "timeouts.idle");
	assert_string_equal(json_string_value(json_object_get(json, "max")), "1h");
	json_decref(json);
	free(text);
}

static void explain_scope(void *with, const struct scope *s)
{
	char said[512], key[128];

	(void)with;
	for (size_t i = 0; i < s->rows_len; i++) {
		snprintf(key, sizeof key, "%s%s%s", strcmp(s->name, "headers") ? s->where : "routes.request_headers",
		         s->where[0] ? "." : "", s->rows[i].name);
		char *text = explained(key, true, said);
		if (!text) {
			fail_msg("%s", said);
			return;
		}
		json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(json);
		json_decref(json);
		free(text);
	}
}

static void every_option_is_explained_by_the_key_that_the_reference_gives(void **state)
{
	(void)state;
	table_walk(explain_scope, NULL);
}

/* ---- the effective configuration ---- */

#define WORLD \
	LEAST ISSUER UPSTREAM \
	    "trusted_proxies: [\"10.0.0.0/8\", \"::1\"]\n" \
	    "limits: {l: {key: [address, \"header:X-A\"], rate: 100/10s, burst: 9}}\n" \
	    "routes:\n" \
	    "  - {path: /a/*, upstream: app, verify: {issuer: auth0, claims: {org_id: [a, b], ok: true}}, " \
	    "limits: l, total_timeout: 1500ms}\n" \
	    "  - {host: \"*.a.b\", deny: 403, request_headers: {set: {X-A: \"a: #b\", X-B: \"null\"}, remove: " \
	    "[Cookie]}}\n" \
	    "  - {path: /c, redirect: {to: \"/d{query}\"}, cors: {origins: \"*\", headers: []}}\n"

static void what_is_printed_loads_again_as_the_same(void **state)
{
	struct loaded l = load_text(WORLD);

	(void)state;
	expect_good(&l);
	char *text = printed(l.config, false);
	struct loaded again = load_text(text);
	expect_good(&again);
	char *text_again = printed(again.config, false);
	assert_string_equal(text, text_again);
	assert_true(slice_same(again.config->root.routes[1].request_headers->set.at[0].value, S("a: #b")));
	assert_int_equal(again.config->root.routes[2].cors->headers.len, 0);
	assert_non_null(strstr(text, "  - name: a\n"));
	free(text);
	free(text_again);
	unload(&again);
	unload(&l);
}

static void the_json_says_the_same(void **state)
{
	struct loaded l = load_text(WORLD);

	(void)state;
	expect_good(&l);
	char *text = printed(l.config, true);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	json_t *routes = json_object_get(json, "routes");
	assert_int_equal(json_array_size(routes), 3);
	json_t *set = json_object_get(json_object_get(json_array_get(routes, 1), "request_headers"), "set");
	assert_string_equal(json_string_value(json_object_get(set, "X-B")), "null");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(routes, 1), "deny")), 403);
	assert_true(json_is_true(json_object_get(json_object_get(json, "limiting"), "headers")));
	assert_string_equal(json_string_value(json_array_get(json_object_get(json, "trusted_proxies"), 1)),
	                    "::1/128");
	json_decref(json);
	free(text);
	unload(&l);
}

static void secrets_are_printed_as_stars(void **state)
{
	struct bundle *b = bundle_record();

	(void)state;
	setenv("CONFIG_TEST_SECRET", "hunter2", 1);
	setenv("CONFIG_TEST_URL", "http://hunter2:80", 1);
	setenv("CONFIG_TEST_COUNT", "7", 1);
	setenv("CONFIG_TEST_LEVEL", "error", 1);
	struct loaded l =
	    load_from(b, LEAST "workers: ${env:CONFIG_TEST_COUNT}\n"
	                       "log: {level: \"${env:CONFIG_TEST_LEVEL}\"}\n"
	                       "upstreams: {app: {endpoints: [\"http://a:1\", \"${env:CONFIG_TEST_URL}\"]}}\n"
	                       "secrets: {fleet: [\"hunter2 hunter2 hunter2 hunter2 hunter2\"]}\n"
	                       "routes: [{upstream: app, anonymous: true, request_headers: {set: {X-Key: "
	                       "\"${env:CONFIG_TEST_SECRET}\"}}}]\n");
	expect_good(&l);
	for (int json = 0; json < 2; json++) {
		char *text = printed(l.config, json);
		assert_null(strstr(text, "hunter2"));
		assert_null(strstr(text, "error"));
		assert_non_null(strstr(text, json ? "\"fleet\": [\"***\"]" : "fleet: [\"***\"]"));
		assert_non_null(strstr(text, json ? "\"workers\": \"***\"" : "workers: \"***\""));
		assert_non_null(strstr(text, json ? "[\"http://a:1\", \"***\"]" : "[http://a:1, \"***\"]"));
		assert_non_null(strstr(text, json ? "\"X-Key\": \"***\"" : "X-Key: \"***\""));
		free(text);
	}
	unload(&l);
}

/* ---- what is generated ---- */

static void the_schema_is_json_and_knows_every_option(void **state)
{
	char *text = written(config_write_schema);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const struct scope *s;

	(void)state;
	assert_non_null(json);
	for (size_t i = 0; (s = table_scope(i)); i++) {
		json_t *at = s == table_root() ? json : json_object_get(json_object_get(json, "$defs"), s->name);
		assert_true(json_is_false(json_object_get(at, "additionalProperties")));
		assert_int_equal(json_object_size(json_object_get(at, "properties")), s->rows_len);
	}
	json_decref(json);
	free(text);
}

static void the_reference_and_the_man_page_name_every_option(void **state)
{
	char *md = written(config_write_options_md), *man = written(config_write_man);
	const struct scope *s;
	char piece[128];

	(void)state;
	for (size_t i = 0; (s = table_scope(i)); i++)
		for (size_t j = 0; j < s->rows_len; j++) {
			snprintf(piece, sizeof piece, "\n| `%s` | ", s->rows[j].name);
			assert_non_null(strstr(md, piece));
			snprintf(piece, sizeof piece, "\n.It Ic %s\n", s->rows[j].name);
			assert_non_null(strstr(man, piece));
		}
	free(md);
	free(man);
}

/* ---- the example ---- */

static char *slurp(const char *path)
{
	char *text = calloc(1, 65536);
	FILE *in = fopen(path, "r");

	assert_non_null(text);
	if (!in)
		fail_msg("%s cannot be opened", path);
	else {
		assert_true(fread(text, 1, 65535, in) > 0);
		fclose(in);
	}
	return text;
}

static void the_example_loads(void **state)
{
	static const char *const files[] = { "cloud.pem",    "cloud.key",       "partners.pem",
		                                 "partners.key", "partners-ca.pem", "internal-ca.pem" };
	struct bundle *b = bundle_record();
	char *text = slurp("conf/sallyport.example.yaml"), path[64];

	(void)state;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "/etc/sallyport/%s", files[i]);
		bundle_put(b, path, S("pem"));
	}
	bundle_put(b, "/etc/sallyport/fleet.key", S("a fleet's secret of more than 32 bytes\n"));
	bundle_put(b, "/etc/sallyport/introspection.key", S("hush"));
	setenv("SALLYPORT_FLEET_OLD", "the secret that the fleet had before it", 1);
	struct loaded l = load_from(b, text);
	expect_good(&l);
	const struct config_root *c = &l.config->root;
	assert_int_equal(c->routes_len, 7);
	assert_string_equal(c->routes[5].name.at, "admin");
	assert_true(c->routes[4].reconcile);
	assert_int_equal(c->secrets.fleet.len, 2);
	assert_int_equal(c->listeners[1].proxy_protocol->accept, 2);
	free(text);
	unload(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_with_and_without_brackets_and_names),
		cmocka_unit_test(unknown_keys_are_answered_with_a_suggestion),
		cmocka_unit_test(an_explanation_says_type_default_range_and_when_it_changes),
		cmocka_unit_test(every_option_is_explained_by_the_key_that_the_reference_gives),
		cmocka_unit_test(what_is_printed_loads_again_as_the_same),
		cmocka_unit_test(the_json_says_the_same),
		cmocka_unit_test(secrets_are_printed_as_stars),
		cmocka_unit_test(the_schema_is_json_and_knows_every_option),
		cmocka_unit_test(the_reference_and_the_man_page_name_every_option),
		cmocka_unit_test(the_example_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
