#include "loaded.h"

#define PROXY(inside) \
	"environment: dev\nlisteners:\n  - {address: \"127.0.0.1:8080\", proxy_protocol: {" inside "}}\n"

/* The configuration is taken, and this stands among the warnings; NULL: nothing about trust or the status. */
static void warned(const char *text, const char *piece)
{
	struct loaded l = load_text(text);
	const char *said = l.errors.warnings ? l.errors.warnings : "";

	assert_non_null(l.config);
	assert_int_equal(l.errors.count, 0);
	if (piece ? !strstr(said, piece) : strstr(said, "address") != NULL)
		fail_msg("looked for %s in: %s", piece ? piece : "nothing", said);
	unload(&l);
}

static void trust_in_everyone_needs_a_word(void **state)
{
	static const char *const all[] = {
		"0.0.0.0/0",
		"\"::/0\"",
		"0.0.0.0/1, 128.0.0.0/1",
		"\"2000::/4\", \"3000::/4\"",
		"\"::ffff:0:0/96\"",
		"\"::/1\", \"8000::/1\"",
		"\"2000::/3\"",
		"10.0.0.0/8, 0.0.0.0/2, 64.0.0.0/2, 192.0.0.0/2, 128.0.0.0/2",
		"1.0.0.0/8, 0.0.0.0/0",
		("1.0.0.0/8, 2.0.0.0/7, 4.0.0.0/6, 8.0.0.0/7, 11.0.0.0/8, 12.0.0.0/6, 16.0.0.0/4, 32.0.0.0/3, "
		 "64.0.0.0/2, 128.0.0.0/2, 192.0.0.0/3")
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		snprintf(text, sizeof text, LEAST "trusted_proxies: [%s]\n", all[i]);
		refuse(text, "say so: trust_everyone: true");
		snprintf(text, sizeof text, LEAST "trusted_proxies: [%s]\ntrust_everyone: true\n", all[i]);
		warned(text, "trust_everyone: true: whoever can connect");
		snprintf(text, sizeof text, PROXY("from: [%s]"), all[i]);
		refuse(text, "say so: proxy_protocol.everyone: true");
		snprintf(text, sizeof text, PROXY("from: [%s], everyone: true"), all[i]);
		warned(text, "proxy_protocol.everyone: true: whoever can connect");
	}
}

static void wide_networks_and_idle_words_are_warned_of(void **state)
{
	(void)state;
	warned(LEAST "trusted_proxies: [0.0.0.0/1]\n", "wider than any operator's own");
	warned(LEAST "trusted_proxies: [\"2000::/5\"]\n", "wider than any operator's own");
	warned(PROXY("from: [64.0.0.0/2]"), "proxy_protocol.from has a network");
	warned(LEAST "trusted_proxies: [10.0.0.0/8]\ntrust_everyone: true\n",
	       "trust_everyone: true does nothing");
	warned(LEAST "trust_everyone: true\n", "trust_everyone: true does nothing");
	warned(LEAST "trusted_proxies: [10.0.0.0/8, 172.16.0.0/12, \"fc00::/7\", \"fe80::/10\", 8.0.0.0/8]\n",
	       NULL);
	warned(PROXY("from: [192.0.2.1, \"2001:db8::/32\"]"), NULL);
}

static void a_public_status_address_is_warned_of(void **state)
{
	(void)state;
	warned(LEAST "status: {address: \"0.0.0.0:9180\"}\n", "status.address: \"0.0.0.0:9180\" is neither");
	warned(LEAST "status: {address: \"[::]:9180\"}\n", "c.yaml:4:19: warning: status.address");
	warned(LEAST "status: {address: \"198.51.100.7:9180\"}\n", "is neither a loopback nor a private");
	warned(LEAST "status: {address: \"[2001:db8::1]:9180\"}\n", "is neither a loopback nor a private");
	warned(LEAST "status: {address: \"127.0.0.1:9180\"}\n", NULL);
	warned(LEAST "status: {address: \"[::1]:9180\"}\n", NULL);
	warned(LEAST "status: {address: \"10.1.2.3:9180\"}\n", NULL);
	warned(LEAST "status: {address: \"[fd00::1]:9180\"}\n", NULL);
}

static void pass_names_what_is_removed_otherwise(void **state)
{
#define PASS(of, names) \
	LEAST UPSTREAM "routes: [{path: /a, upstream: app, anonymous: true, " of ": {" names "}}]\n"
	(void)state;
	welcome(
	    PASS("request_headers", "pass: [X-Original-URL, x-http-method-override, True-Client-IP, Client-IP]"));
	refuse(PASS("request_headers", "pass: [X_Original_URL]"), "is none of the fields that are removed");
	refuse(PASS("request_headers", "pass: [Sallyport-Subject]"), "is none of the fields that are removed");
	refuse(PASS("request_headers", "pass: [X-Client-IP, x-client-ip]"), "passed already");
	refuse(PASS("request_headers", "set: {X-Client-IP: a}, pass: [x-client-ip]"),
	       "set, removed or passed already");
	refuse(PASS("response_headers", "pass: [X-Client-IP]"), "pass is for request_headers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trust_in_everyone_needs_a_word),
		cmocka_unit_test(wide_networks_and_idle_words_are_warned_of),
		cmocka_unit_test(a_public_status_address_is_warned_of),
		cmocka_unit_test(pass_names_what_is_removed_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
