#include "base/way.h"
#include "journey/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static struct config_route routes[8];
static struct config config;
static struct routes *table;

static struct config_route *route(const char *name, const char *host, const char *path)
{
	struct config_route *r = &routes[config.root.routes_len++];

	*r = (struct config_route){ .name = slice_of(name), .host = slice_of(host), .path = slice_of(path) };
	return r;
}

static void for_methods(struct config_route *r, struct slice *methods, size_t len)
{
	r->methods = (struct config_texts){ methods, len };
}

static const char *answers(const char *method, const char *host, const char *path, enum fault *why)
{
	struct request r = { .method = slice_of(method), .host = slice_of(host), .path = slice_of(path) };
	struct route_facts *denied;

	if (!table)
		table = routes_open(&config);
	struct route_facts *found = routes_find(table, &r, why, &denied);
	if (found)
		return found->route->name.at;
	return *why == FAULT_METHOD_DENIED ? denied->route->name.at : "none";
}

static const char *get(const char *host, const char *path)
{
	enum fault why;

	return answers("GET", host, path, &why);
}

static int empty(void **state)
{
	(void)state;
	routes_close(table);
	table = NULL;
	config.root.routes = routes;
	config.root.routes_len = 0;
	return 0;
}

static void an_exact_host_goes_before_a_wildcard_before_none(void **state)
{
	(void)state;
	route("any", "", "/a/b/c/*");
	route("wild", "*.example.com", "/a/b/*");
	route("narrow", "*.eu.example.com", "/*");
	route("exact", "www.example.com", "/*");
	assert_string_equal(get("www.example.com", "/a/b/c/d"), "exact");
	assert_string_equal(get("api.example.com", "/a/b/c/d"), "wild");
	assert_string_equal(get("api.eu.example.com", "/a/b/c/d"), "narrow");
	assert_string_equal(get("example.com", "/a/b/c/d"), "any");
	assert_string_equal(get("wwwexample.com", "/a/b/c/d"), "any");
	assert_string_equal(get("other.test", "/a/b"), "none");
}

static void the_longest_path_speaks_whatever_the_order(void **state)
{
	(void)state;
	route("all", "", "/*");
	route("short", "", "/a/*");
	route("long", "", "/a/b/*");
	route("page", "", "/a/b/page");
	assert_string_equal(get("x", "/a/b/page"), "page");
	assert_string_equal(get("x", "/a/b/page/2"), "long");
	assert_string_equal(get("x", "/a/bc"), "short");
	assert_string_equal(get("x", "/ab"), "all");
	assert_string_equal(get("x", "/"), "all");
}

static void a_prefix_matches_without_its_slash_but_an_exact_path_goes_first(void **state)
{
	(void)state;
	route("below", "", "/x/*");
	assert_string_equal(get("h", "/x"), "below");
	assert_string_equal(get("h", "/x/"), "below");
	assert_string_equal(get("h", "/xy"), "none");
	empty(NULL);
	route("below", "", "/x/*");
	route("itself", "", "/x");
	assert_string_equal(get("h", "/x"), "itself");
	assert_string_equal(get("h", "/x/"), "below");
	empty(NULL);
	route("below", "", "/*");
	route("itself", "", "/");
	assert_string_equal(get("h", "/"), "itself");
}

static void a_method_that_the_route_denies_is_not_let_in_by_a_wider_one(void **state)
{
	struct slice read[] = { S("GET"), S("HEAD") }, write[] = { S("POST") };
	enum fault why;

	(void)state;
	route("open", "", "/*");
	for_methods(route("reads", "", "/api/*"), read, 2);
	for_methods(route("writes", "", "/api/*"), write, 1);
	assert_string_equal(answers("GET", "h", "/api/x", &why), "reads");
	assert_string_equal(answers("POST", "h", "/api/x", &why), "writes");
	assert_string_equal(answers("DELETE", "h", "/other", &why), "open");
	assert_string_equal(answers("DELETE", "h", "/api/x", &why), "reads");
	assert_int_equal(why, FAULT_METHOD_DENIED);
}

static struct config_route *door(const char *name, const char *path, enum ext_auth_kind asker)
{
	struct config_route *r = route(name, "", path);

	r->check = (int)asker;
	return r;
}

/* "door rest" of a target. */
static void leads(const char *target, const char *wanted, const char *followed)
{
	static char scratch[4096];
	struct slice rest = S("");

	if (!table)
		table = routes_open(&config);
	struct route_facts *found = routes_door(table, slice_of(target), scratch, &rest);
	if (strcmp(found ? found->route->name.at : "none", wanted) != 0)
		fail_msg("%s leads to %s", target, found ? found->route->name.at : "none");
	if (!slice_same(rest, slice_of(followed)))
		fail_msg("%s is followed by %.*s", target, SLICE(rest));
}

static void a_check_route_speaks_for_no_request_and_is_found_by_its_path_alone(void **state)
{
	(void)state;
	door("nginx", "/check/nginx", EXT_AUTH_NGINX);
	door("envoy", "/check/envoy/*", EXT_AUTH_ENVOY);
	assert_string_equal(get("app.example.com", "/check/nginx"), "none");
	leads("/check/nginx", "nginx", "");
	leads("/check/nginx?x=/check/envoy/", "nginx", "");
	leads("/check//./%6eginx", "nginx", "");
	leads("http://app.example.com/check/nginx", "nginx", "");
	leads("/check/nginx/", "none", "");
	leads("/check/envoy", "envoy", "");
	leads("/check/envoy*", "envoy", "");
	leads("/check/envoy?x", "envoy", "");
	leads("/check/envoy/", "envoy", "/");
	leads("/check/envoyage", "none", "");
	leads("*", "none", "");
	leads("/?/check/envoy/x", "none", "");
}

static void what_follows_a_prefix_is_taken_as_it_came_wherever_it_leads(void **state)
{
	(void)state;
	door("envoy", "/check/envoy/*", EXT_AUTH_ENVOY);
	leads("/check/envoy/a%2fb//c?d=/e", "envoy", "/a%2fb//c?d=/e");
	leads("/check/envoy/../api/secret", "envoy", "/../api/secret");
	leads("/check/envoy/%2e%2e/%2E./api", "envoy", "/%2e%2e/%2E./api");
	leads("/check/envoy/../../check/envoy/x", "envoy", "/../../check/envoy/x");
	leads("/check/%65nvoy/../api", "envoy", "/../api");
	leads("/x/../check/./envoy//../api", "envoy", "//../api");
	leads("/check/envoy/%zz\\", "envoy", "/%zz\\");
	leads("https://h:1/check/envoy/..;/x?y", "envoy", "/..;/x?y");
	leads("/check/envoy%2f../api", "none", "");
	leads("/check/x/../envoy", "envoy", "");
}

static void a_check_route_is_found_under_every_spelling(void **state)
{
	(void)state;
	door("nginx", "/check:nginx", EXT_AUTH_NGINX);
	door("envoy", "/check/envoy/*", EXT_AUTH_ENVOY);
	leads("/check%3anginx", "nginx", "");
	leads("/check%3Anginx;x=1", "nginx", "");
	leads("/;x/check:nginx", "nginx", "");
	leads("/check/envoy;x", "envoy", "");
	leads("/check;y/envoy;x/../api", "envoy", "/../api");
	leads("/check%2Fenvoy", "envoy", "");
	leads("/check/a%2Fb/../envoy/x", "envoy", "/x");
	leads("/check/envoys;x", "none", "");
}

/* As request_check makes it. */
static const char *asks(const char *path, enum fault *why)
{
	static char normal[80], way[240], open_way[240];
	struct request r = { .method = S("GET"), .host = S("h") };
	struct route_facts *denied;
	bool slashes;

	assert_true(path_normalise_open(slice_of(path), normal, &r.path.len, &slashes));
	r.path.at = normal;
	r.way = (struct slice){ way, way_write(r.path, false, way) };
	if (slashes)
		r.open_way = (struct slice){ open_way, way_write(r.path, true, open_way) };
	if (!table)
		table = routes_open(&config);
	struct route_facts *found = routes_find(table, &r, why, &denied);
	return found ? found->route->name.at : "none";
}

static void an_escaped_slash_passes_where_both_readings_lead_to_one_route(void **state)
{
	enum fault why;

	(void)state;
	route("api", "", "/projects/*")->encoded_slash = 1;
	route("hooks", "", "/projects/group/hooks/*");
	route("files", "", "/files/*");
	route("all", "", "/*")->encoded_slash = 1;
	assert_string_equal(asks("/projects/group%2Fproject", &why), "api");
	assert_string_equal(asks("/projects/%2F/x", &why), "api");
	assert_string_equal(asks("/projects/group%2Fhooks", &why), "none");
	assert_int_equal(why, FAULT_BAD_TARGET);
	assert_string_equal(asks("/projects/group%2Fhooks%2Fx", &why), "none");
	assert_string_equal(asks("/projects%2Fx", &why), "none");
	assert_string_equal(asks("/files/a%2Fb", &why), "none");
	assert_int_equal(why, FAULT_BAD_TARGET);
	assert_string_equal(asks("/files%2Fb", &why), "none");
	assert_string_equal(asks("/x%2Fb", &why), "all");
	assert_string_equal(asks("/projects/a%252Fb", &why), "api");
}

static void a_route_is_chosen_by_the_canonical_form(void **state)
{
	enum fault why;

	(void)state;
	route("purge", "", "/v1/users:purge");
	route("batch", "", "/odata/$batch");
	route("braces", "", "/t/%7Bx%7D");
	route("admin", "", "/admin/*");
	route("all", "", "/*");
	assert_string_equal(asks("/v1/users%3Apurge", &why), "purge");
	assert_string_equal(asks("/v1/users:purge;x", &why), "purge");
	assert_string_equal(asks("/odata/%24batch", &why), "batch");
	assert_string_equal(asks("/t/{x}", &why), "braces");
	assert_string_equal(asks("/t/%7bx%7D", &why), "braces");
	assert_string_equal(asks("/admin;x/y", &why), "admin");
	assert_string_equal(asks("/admin%3Bx", &why), "admin");
	assert_string_equal(asks("/;x/admin/y", &why), "admin");
	assert_string_equal(asks("/admins;x", &why), "all");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_check_route_speaks_for_no_request_and_is_found_by_its_path_alone, empty),
		cmocka_unit_test_setup(what_follows_a_prefix_is_taken_as_it_came_wherever_it_leads, empty),
		cmocka_unit_test_setup(a_check_route_is_found_under_every_spelling, empty),
		cmocka_unit_test_setup(an_escaped_slash_passes_where_both_readings_lead_to_one_route, empty),
		cmocka_unit_test_setup(a_route_is_chosen_by_the_canonical_form, empty),
		cmocka_unit_test_setup(an_exact_host_goes_before_a_wildcard_before_none, empty),
		cmocka_unit_test_setup(the_longest_path_speaks_whatever_the_order, empty),
		cmocka_unit_test_setup(a_prefix_matches_without_its_slash_but_an_exact_path_goes_first, empty),
		cmocka_unit_test_setup_teardown(a_method_that_the_route_denies_is_not_let_in_by_a_wider_one, empty,
		                                empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
