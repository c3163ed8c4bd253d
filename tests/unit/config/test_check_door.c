#include "loaded.h"

#define WORLD LEAST ISSUER UPSTREAM
#define ROUTE(inside) WORLD "routes:\n  - {" inside "}\n"
#define OPEN "path: /a, upstream: app, anonymous: true"

static void doors_for_other_proxies_ask_nothing_themselves_and_trust_somebody(void **state)
{
	(void)state;
	welcome(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes: [{path: /check/envoy/*, check: envoy}]\n");
	refuse(ROUTE("path: /check/nginx, check: nginx"),
	       "answers trusted proxies alone, and trusted_proxies is empty");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes: [{path: /check/envoy, check: envoy}]\n",
	       "must end in /*");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes: [{path: /c, check: caddy, anonymous: true}]\n",
	       "a check route has no verify, anonymous or limits");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes: [{path: /c, check: caddy, host: a.example}]\n",
	       "a check route has no host");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes: [{path: /c, check: caddy, methods: [GET]}]\n",
	       "a check route has no methods");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes:\n - {path: /c/*, check: envoy}\n"
	             " - {name: d, path: /c, check: caddy}\n",
	       "lie within each other");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes:\n - {path: /c/d/*, check: nginx}\n"
	             " - {path: /c/*, check: envoy}\n",
	       "lie within each other");
	welcome(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes:\n - {path: /c/d/*, check: nginx}\n"
	              " - {path: /c/dd, check: caddy}\n - {path: /c/*, deny: 403}\n");
	refuse(WORLD "trusted_proxies: [10.0.0.0/8]\nroutes: [{path: /c, check: caddy, certificate: required}]\n",
	       "a check route has no certificate");
	refuse(ROUTE("path: /a, check: haproxy"), "\"haproxy\" is none of none|nginx|envoy|traefik|caddy");
	refuse(ROUTE("path: /a, decide: true"), "a route with decide needs verify");
	refuse(ROUTE(OPEN ", decide: true"), "and this one has several");
	welcome(ROUTE("path: /a, decide: true, anonymous: true"));
}

/* A route of that host demands a certificate; the listener's policy is for `hosts`. */
static void expect_demand(const char *hosts, const char *host, bool good)
{
	char text[1024];

	snprintf(text, sizeof text,
	         "environment: dev\nlisteners:\n  - address: 0.0.0.0:443\n"
	         "    tls: {certificates: [{chain: cert.pem, key: key.pem}]%s}\n" UPSTREAM
	         "routes: [{%s, path: /a, upstream: app, anonymous: true, certificate: required}]\n",
	         hosts, host);
	struct loaded l = with_files(text);
	if (good)
		expect_good(&l);
	else
		expect_said(&l, "no listener asks for client certificates under this route's host");
	unload(&l);
}

static void a_certificate_is_demanded_where_some_listener_asks_for_one(void **state)
{
	static const char all[] = ", client_ca: ca.pem, client_certificate: optional";
	static const char some[] = ", client_ca: ca.pem, client_certificate: required, "
	                           "client_hosts: [\"*.p.test\"]";

	(void)state;
	expect_demand("", "name: r", false);
	expect_demand(", client_ca: ca.pem, client_certificate: none", "name: r", false);
	expect_demand(all, "name: r", true);
	expect_demand(all, "host: x.test", true);
	expect_demand(some, "name: r", true);
	expect_demand(some, "host: a.b.p.test", true);
	expect_demand(some, "host: \"*.b.p.test\"", true);
	expect_demand(some, "host: \"*.test\"", true);
	expect_demand(some, "host: p.test", false);
	expect_demand(some, "host: \"*.q.test\"", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doors_for_other_proxies_ask_nothing_themselves_and_trust_somebody),
		cmocka_unit_test(a_certificate_is_demanded_where_some_listener_asks_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
