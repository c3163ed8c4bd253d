#include "loaded.h"

#define WORLD LEAST ISSUER UPSTREAM
#define ROUTE(inside) WORLD "routes:\n  - {" inside "}\n"
#define OPEN "path: /a, upstream: app, anonymous: true"

/* ---- listeners ---- */

static void a_plain_listener_stays_on_the_machine_or_in_a_private_network(void **state)
{
	static const char *const good[] = { "127.0.0.1:80",   "[::1]:80",     "10.1.2.3:80",  "172.31.0.1:80",
		                                "192.168.1.1:80", "[fd00::1]:80", "100.64.0.1:80" };
	static const char *const bad[] = { "0.0.0.0:80",    "[::]:80",          "192.0.2.1:80",
		                               "172.32.0.1:80", "[2001:db8::1]:80", "11.0.0.1:80" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		snprintf(text, sizeof text, "environment: dev\nlisteners: [{address: \"%s\"}]\n", good[i]);
		welcome(text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "environment: dev\nlisteners: [{address: \"%s\"}]\n", bad[i]);
		refuse(text, "2:23: error: a listener without tls speaks plain HTTP and may stand only on a loopback "
		             "or private");
		snprintf(text, sizeof text, "environment: dev\nlisteners: [{address: \"%s\", plain: true}]\n",
		         bad[i]);
		welcome(text);
	}
}

static void a_plain_listener_speaks_no_h2(void **state)
{
	(void)state;
	refuse("environment: dev\nlisteners: [{address: \"127.0.0.1:80\", protocols: [h2, http/1.1]}]\n",
	       "2:51: error: h2 is spoken over TLS only");
	welcome("environment: dev\nlisteners: [{address: \"127.0.0.1:80\", protocols: [http/1.1]}]\n");
	refuse("environment: dev\nlisteners: [{address: \"127.0.0.1:80\", protocols: [http/2]}]\n",
	       "neither h2 nor http/1.1");
	refuse("environment: dev\nlisteners: [{address: \"127.0.0.1:80\", protocols: []}]\n",
	       "protocols needs h2");
}

static void an_address_is_listened_on_once(void **state)
{
	(void)state;
	refuse("environment: dev\nlisteners:\n  - address: 127.0.0.1:80\n  - address: 127.0.0.1:80\n",
	       "c.yaml:4:14: error: \"127.0.0.1:80\" is listened on twice; the first is at /etc/s/c.yaml:3:14");
	refuse("environment: dev\nstatus: {address: \"[::1]:80\"}\nlisteners:\n  - address: \"[0::1]:80\"\n",
	       "c.yaml:4:14: error: \"[0::1]:80\" is listened on twice; the first is at /etc/s/c.yaml:2:19");
	welcome("environment: dev\nlisteners:\n  - address: 127.0.0.1:80\n  - address: 127.0.0.1:81\n  - "
	        "address: 127.0.0.2:80\n");
}

static void expect_tls(const char *inside, const char *piece)
{
	char text[512];

	snprintf(text, sizeof text, "environment: dev\nlisteners:\n  - address: 0.0.0.0:443\n    tls: {%s}\n",
	         inside);
	struct loaded l = with_files(text);
	if (piece)
		expect_said(&l, piece);
	else
		expect_good(&l);
	assert_int_equal(l.errors.count, piece != NULL);
	unload(&l);
}

#define PAIR "certificates: [{chain: cert.pem, key: key.pem}]"

static void tls_needs_certificates_whose_files_can_be_read(void **state)
{
	(void)state;
	expect_tls(PAIR, NULL);
	expect_tls("", "tls needs at least one certificate");
	expect_tls("certificates: []", "tls needs at least one certificate");
	expect_tls("certificates: [{chain: none.pem, key: key.pem}]",
	           "c.yaml:4:34: error: the file \"/etc/s/none.pem\" cannot be read: no such file");
	expect_tls("certificates: [{chain: cert.pem}]", "\"key\" must be written here");
}

static void client_certificates_are_all_said_or_not_at_all(void **state)
{
	(void)state;
	expect_tls(PAIR ", client_ca: ca.pem, client_certificate: required", NULL);
	expect_tls(PAIR ", client_ca: ca.pem, client_certificate: none", NULL);
	expect_tls(PAIR ", client_ca: ca.pem", "client_ca does nothing without client_certificate");
	expect_tls(PAIR ", client_certificate: optional", "client_certificate needs client_ca");
	expect_tls(PAIR ", client_hosts: [a.b]", "client_hosts does nothing without client_certificate");
	expect_tls(PAIR ", client_ca: ca.pem, client_certificate: required, client_hosts: [\"a b\"]",
	           "not a valid host name");
}

/* ---- issuers and upstreams ---- */

static void an_issuer_is_reached_by_https_or_on_this_machine(void **state)
{
	static const char *const good[] = { "https://a/", "http://127.0.0.1:9000/", "http://[::1]/",
		                                "http://localhost:1/" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		snprintf(text, sizeof text, LEAST "issuers: {a: {issuer: \"%s\", audiences: x}}\n", good[i]);
		welcome(text);
	}
	refuse(LEAST "issuers: {a: {issuer: \"http://a.example/\", audiences: x}}\n", "must begin with https://");
	refuse(LEAST "issuers: {a: {issuer: \"http://127.0.0.1.example/\", audiences: x}}\n",
	       "must begin with https://");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/?x\", audiences: x}}\n", "has no query");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, egress: [{address: eth0}]}}\n",
	       "is no IP address");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, "
	             "egress: [{proxy: \"http://u:p@a/\"}]}}\n",
	       "user name or password");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, "
	             "egress: [{}, {}, {}, {}, {}, {}, {}, {}, {}]}}\n",
	       "at most 8 ways out");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: [x, x]}}\n", "given twice");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, jwks: \"http://a/k\"}}\n",
	       "must begin with https://");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, jwks: keys.json}}\n",
	       "the file \"/etc/s/keys.json\" cannot be read");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, ca: ca.pem}}\n", "/etc/s/ca.pem");
}

static void what_belongs_to_another_environment_is_refused(void **state)
{
	(void)state;
	refuse(LEAST "upstreams: {a: {endpoints: \"http://127.0.0.1:1\", environment: staging}}\n",
	       "this is of environment \"staging\", and the configuration is for \"dev\"");
	refuse(LEAST "issuers: {a: {issuer: \"https://a/\", audiences: x, environment: staging}}\n",
	       "this is of environment");
	welcome(LEAST "upstreams: {a: {endpoints: \"http://127.0.0.1:1\", environment: dev}}\n");
}

static void endpoints_are_urls_with_a_port_or_unix_sockets(void **state)
{
	static const char *const bad[] = {
		"http://a", "http://a:1/",    "http://a:1/x", "ftp://a:1",      "a:1", "unix:x", "unix:/",
		"unix:",    "http://a:99999", "http://u@a:1", "http://a_b..c:1"
	};
	static const char *const good[] = { "http://a:1", "https://[::1]:2", "unix:/a", "http://10.0.0.1:8080" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, LEAST "upstreams: {a: {endpoints: \"%s\"}}\n", bad[i]);
		refuse(text, "4:28: error: endpoints: ");
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		snprintf(text, sizeof text, LEAST "upstreams: {a: {endpoints: \"%s\"}}\n", good[i]);
		welcome(text);
	}
	refuse(LEAST "upstreams: {a: {endpoints: [\"http://a:1\", \"http://a:1\"]}}\n", "given twice");
	refuse(LEAST "upstreams: {a: {endpoints: \"http://a:1\", tls: {server_name: b}}}\n",
	       "no endpoint of this upstream is https");
	refuse(LEAST "upstreams: {a: {endpoints: \"https://a:1\", tls: {server_name: \"b c\"}}}\n",
	       "neither a host name");
}

static void health_paths_begin_with_a_slash(void **state)
{
	(void)state;
	refuse(LEAST "upstreams: {a: {endpoints: \"http://a:1\", health: {path: x}}}\n",
	       "must begin with a slash");
	refuse(LEAST "upstreams: {a: {endpoints: \"http://a:1\", health: {path: /x, host: \"a/b\"}}}\n",
	       "health.host");
	welcome(LEAST
	        "upstreams: {a: {endpoints: \"http://a:1\", health: {path: \"/x?y=1\", host: \"a:80\"}}}\n");
}

/* ---- limits ---- */

static void limits_are_keyed_by_what_is_known(void **state)
{
	(void)state;
	welcome(LEAST "limits: {a: {key: [address, prefix, prefix48, subject, client, tenant, ja4, route], "
	              "rate: 1/s}, b: {key: [class, \"header:X-Y\"], rate: 1/s}}\n");
	refuse(LEAST "limits: {a: {key: [address, prefix, prefix48, subject, client, tenant, ja4, route, class], "
	             "rate: 1/s}}\n",
	       "key: more than 8 things to count by");
	refuse(LEAST "limits: {a: {key: adress, rate: 1/s}}\n", "did you mean \"address\"?");
	refuse(LEAST "limits: {a: {key: \"header:\", rate: 1/s}}\n", "names no valid header field");
	refuse(LEAST "limits: {a: {key: \"header:a b\", rate: 1/s}}\n", "names no valid header field");
	welcome(LEAST "limits: {a: {key: [prefix, prefix:28, prefix:56, prefix:8/16, prefix:32/128, cookie:sid, "
	              "form:username, \"json:user.name\"], rate: 1/s}}\n");
	refuse(LEAST "limits: {a: {key: prefix:7, rate: 1/s}}\n", "\"prefix:7\" is no prefix");
	refuse(LEAST "limits: {a: {key: prefix:129, rate: 1/s}}\n", "\"prefix:129\" is no prefix");
	refuse(LEAST "limits: {a: {key: prefix:24/8, rate: 1/s}}\n", "\"prefix:24/8\" is no prefix");
	refuse(LEAST "limits: {a: {key: \"prefix:24/\", rate: 1/s}}\n", "\"prefix:24/\" is no prefix");
	refuse(LEAST "limits: {a: {key: \"cookie:\", rate: 1/s}}\n", "names no valid cookie");
	refuse(LEAST "limits: {a: {key: \"form:\", rate: 1/s}}\n", "names no field");
	refuse(LEAST "limits: {a: {key: \"form:a b\", rate: 1/s}}\n", "names no field");
	refuse(LEAST "limits: {a: {key: \"json:a..b\", rate: 1/s}}\n", "names no field");
	refuse(LEAST "limits: {a: {key: \"json:a.\", rate: 1/s}}\n", "names no field");
	welcome(LEAST "limits: {a: {key: address, rate: 1/s, methods: POST, networks: 10.0.0.0/8, "
	              "except: [10.1.0.0/16, 10.2.3.4], shadow: 50%, headers: always}}\n");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, methods: [post]}}\n", "would match no request");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, headers: true}}\n",
	       "is none of verified|always|never");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, shadow: half}}\n",
	       "write true, false, or 0% to 100%");
	welcome(LEAST "limits: {a: {key: address, rate: 1/s, burst: 9, cost: 2, outcomes: {401: 9, 403: 2}}}\n");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, burst: 9, outcomes: {40: 2}}}\n",
	       "\"40\" is no status");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, burst: 9, outcomes: {404: 10}}}\n",
	       "404 is to cost \"10\"; write a number of tokens from cost (1) to burst (9)");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, burst: 9, cost: 3, outcomes: {404: 2}}}\n",
	       "write a number of tokens from cost (3)");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, burst: 9, outcomes: {401: 2, 402: 2, 403: 2, 404: 2, "
	             "405: 2, 406: 2, 407: 2, 408: 2, 409: 2}}}\n",
	       "more than 8 statuses");
	refuse(LEAST "limits: {a: {key: certificate, rate: 1/s}}\n",
	       "no listener asks clients for a certificate");
	refuse(LEAST "limits: {a: {key: [address, address], rate: 1/s}}\n", "given twice");
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, classes: robot}}\n", "neither human nor declared");
}

static void a_bucket_holds_what_a_request_costs_and_fills_in_a_year(void **state)
{
	(void)state;
	refuse(LEAST "limits: {a: {key: address, rate: 1/s, burst: 4, cost: 5}}\n",
	       "burst 4 is less than cost 5");
	refuse(LEAST "limits: {a: {key: address, rate: 1/168h, burst: 1000000000}}\n", "more than a year");
}

static void limits_by_token_stand_on_routes_that_verify(void **state)
{
	(void)state;
	refuse(WORLD "limits: {a: {key: subject, rate: 1/s}}\nroutes:\n  - {" OPEN ", limits: [a]}\n",
	       "8:57: error: the limit \"a\" counts by what a token says, and this route has no verify");
	welcome(WORLD "limits: {a: {key: subject, rate: 1/s}}\nroutes:\n  - {path: /a, upstream: app, verify: "
	              "{issuer: auth0}, limits: a}\n");
}

/* ---- routes ---- */

static void a_route_has_one_end(void **state)
{
	(void)state;
	refuse(ROUTE("path: /a"),
	       "7:5: error: a route has exactly one of upstream, deny, redirect, check and decide, "
	       "and this one has none");
	refuse(ROUTE(OPEN ", deny: 403"), "and this one has several");
	refuse(ROUTE("path: /a, deny: 403, redirect: {to: /b}"), "and this one has several");
	welcome(ROUTE("path: /a, deny: 403"));
	welcome(ROUTE("path: /a, redirect: {to: /b}"));
}

static void nothing_is_open_by_omission(void **state)
{
	(void)state;
	refuse(ROUTE("path: /a, upstream: app"), "a route with an upstream needs verify, or anonymous: true");
	refuse(ROUTE("path: /a, upstream: app, anonymous: false"), "needs verify");
	refuse(ROUTE(OPEN ", verify: {issuer: auth0}"), "not both");
	welcome(ROUTE("path: /a, upstream: app, verify: {issuer: auth0}"));
	welcome(ROUTE(OPEN));
}

static void names_refer_to_what_is_there(void **state)
{
	(void)state;
	refuse(ROUTE("path: /a, upstream: ap, anonymous: true"),
	       "there is no upstream \"ap\"; did you mean \"app\"?");
	refuse(ROUTE("path: /a, upstream: app, verify: {issuer: auth1}"),
	       "there is no issuer \"auth1\"; did you mean \"auth0\"?");
	refuse(ROUTE(OPEN ", limits: [none]"), "there is no limit \"none\"");
	refuse(WORLD "limits:\n"
	             "  a: {key: address, rate: 1/s, outcomes: {401: 1}}\n"
	             "  b: {key: address, rate: 1/s, outcomes: {401: 1}}\n"
	             "  c: {key: address, rate: 1/s, outcomes: {401: 1}}\n"
	             "  d: {key: address, rate: 1/s, outcomes: {401: 1}}\n"
	             "  e: {key: address, rate: 1/s, outcomes: {401: 1}}\n"
	             "routes:\n  - {" OPEN ", limits: [a, b, c, d, e]}\n",
	       "more than 4 of this route's limits have outcomes");
	refuse(ROUTE("path: /a, upstream: app, verify: {issuer: auth0, audiences: [other]}"),
	       "\"other\" is not among the audiences of issuer \"auth0\"");
	welcome(ROUTE("path: /a, upstream: app, verify: {issuer: auth0, audiences: [api]}"));
}

static void a_denial_never_says_that_something_is_gone(void **state)
{
	(void)state;
	refuse(ROUTE("path: /a, deny: 404"), "403 says that it is not theirs");
	refuse(ROUTE("path: /a, deny: 410"), "403 says that it is not theirs");
	refuse(ROUTE("path: /a, deny: 402"), "none of 400, 401, 403, 405, 429 and 503");
	refuse(ROUTE("path: /a, deny: 200"), "deny: \"200\" is out of range; it goes from 400 to 503");
	welcome(ROUTE("path: /a, deny: 429"));
}

static void redirects_lead_somewhere(void **state)
{
	(void)state;
	welcome(ROUTE("path: /a, redirect: {to: \"https://{host}{path}?{query}\", status: 301}"));
	refuse(ROUTE("path: /a, redirect: {to: \"//evil\"}"), "it must be a URL or an absolute path");
	refuse(ROUTE("path: /a, redirect: {to: b}"), "it must be a URL or an absolute path");
	refuse(ROUTE("path: /a, redirect: {to: \"/{user}\"}"), "only {path}, {query} and {host} are replaced");
	refuse(ROUTE("path: /a, redirect: {to: \"/{path\"}"), "only {path}, {query} and {host} are replaced");
	refuse(ROUTE("path: /a, redirect: {to: \"/path}\"}"), "a } stands without its {");
	refuse(ROUTE("path: /a, redirect: {to: /b, status: 304}"), "none of 301, 302, 303, 307 and 308");
	refuse(ROUTE("path: /a, redirect: {to: /b, status: 200}"), "out of range");
}

static void names_are_made_from_host_and_path(void **state)
{
	struct loaded l = load_text(LEAST "routes:\n"
	                                  "  - {host: cloud.example.com, path: /login/*, deny: 403}\n"
	                                  "  - {host: \"*.Example.com\", deny: 403}\n"
	                                  "  - {path: \"/A_b//../c\", deny: 403}\n");
	const struct config_route *r;

	(void)state;
	assert_int_equal(l.errors.count, 1); /* the path of the third */
	unload(&l);
	l = load_text(
	    LEAST "routes:\n"
	          "  - {host: cloud.example.com, path: /login/*, deny: 403}\n"
	          "  - {host: \"*.Example.com\", deny: 403}\n"
	          "  - {path: /A_b/%C3%A9/x, deny: 403}\n"
	          "  - {deny: 403}\n"
	          "  - {path: /0123456789/0123456789/0123456789/0123456789/0123456789/01234567/9, deny: 403}\n");
	expect_good(&l);
	r = l.config->root.routes;
	assert_string_equal(r[0].name.at, "cloud.example.com-login");
	assert_string_equal(r[1].name.at, "any.example.com");
	assert_string_equal(r[2].name.at, "a_b-c3-a9-x");
	assert_string_equal(r[3].name.at, "any");
	assert_string_equal(r[4].name.at, "0123456789-0123456789-0123456789-0123456789-0123456789-01234567");
	assert_int_equal(r[4].name.len, 63);
	unload(&l);
}

static void names_of_routes_are_unique(void **state)
{
	(void)state;
	refuse(WORLD "routes:\n  - {name: x, path: /a, deny: 403}\n  - {name: x, path: /b, deny: 403}\n",
	       "8:12: error: the route at /etc/s/c.yaml:7:5 is called \"x\" already");
	refuse(WORLD "routes:\n  - {path: /a/*, deny: 403}\n  - {path: /a, deny: 403}\n",
	       "8:5: error: this route needs a name: the one made from its host and path, \"a\", is that of the "
	       "route at "
	       "/etc/s/c.yaml:7:5");
	refuse(WORLD "routes:\n  - {path: /a, deny: 403}\n  - {name: a, path: /b, deny: 403}\n",
	       "7:5: error: this route needs a name");
}

static void two_routes_are_not_for_the_same_requests(void **state)
{
	(void)state;
	refuse(WORLD "routes:\n  - {name: x, path: /a, deny: 403}\n  - {name: y, path: /a, deny: 401}\n",
	       "8:5: error: this route is for the same host, path and method as the one at /etc/s/c.yaml:7:5");
	refuse(WORLD "routes:\n  - {name: x, path: /a, methods: [GET, PUT], deny: 403}\n  - {name: y, path: /a, "
	             "methods: [PUT], deny: 401}\n",
	       "this route is for the same");
	refuse(
	    WORLD
	    "routes:\n  - {name: x, path: /a, methods: GET, deny: 403}\n  - {name: y, path: /%61, deny: 401}\n",
	    "this route is for the same");
	welcome(WORLD "routes:\n  - {name: x, path: /a, methods: GET, deny: 403}\n  - {name: y, path: /a, "
	              "methods: PUT, deny: 401}\n");
	welcome(WORLD "routes:\n  - {name: x, path: /a, deny: 403}\n  - {name: y, path: /a/*, deny: 401}\n  - "
	              "{name: z, host: b, path: /a, deny: 401}\n");
}

static void methods_are_tokens_in_capitals(void **state)
{
	(void)state;
	refuse(ROUTE(OPEN ", methods: [get]"), "methods are written in capitals");
	refuse(ROUTE(OPEN ", methods: [\"G T\"]"), "is not a valid method");
	refuse(ROUTE(OPEN ", methods: [GET, GET]"), "given twice");
}

static void header_changes_name_fields_that_are_not_the_proxys_own(void **state)
{
	static const char *const own[] = {
		"Content-Length",    "transfer-encoding", "Connection",       "Host",
		"Sallyport-Subject", "sallyport_class",   "SALLYPORT.Client", "Upgrade"
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		snprintf(text, sizeof text, ROUTE(OPEN ", request_headers: {set: {%s: x}}"), own[i]);
		refuse(text, "is the proxy's own and cannot be changed");
		snprintf(text, sizeof text, ROUTE(OPEN ", response_headers: {remove: [%s]}"), own[i]);
		refuse(text, "is the proxy's own and cannot be changed");
	}
	refuse(ROUTE(OPEN ", response_headers: {set: {Proxy-Authenticate: Basic}}"), "is the proxy's own");
	refuse(ROUTE(OPEN ", response_headers: {remove: [Proxy_Authorization]}"), "is the proxy's own");
	refuse(ROUTE(OPEN ", request_headers: {set: {Proxy-Authenticate: Basic}}"), "is the proxy's own");
	welcome(ROUTE(OPEN ", request_headers: {set: {Proxy-Authorization: \"Basic eDp5\"}}"));
	refuse(ROUTE(OPEN ", request_headers: {set: {\"a b\": x}}"),
	       "7:72: error: \"a b\" is not a valid field name");
	refuse(ROUTE(OPEN ", request_headers: {set: {X-A: \"a\\r\\nb\"}}"), "is not a valid text");
	refuse(ROUTE(OPEN ", request_headers: {set: {X-A: x, x-a: y}}"), "is set twice");
	refuse(ROUTE(OPEN ", request_headers: {set: {X-A: x}, remove: x-a}"), "is set or removed already");
	welcome(ROUTE(OPEN ", request_headers: {set: {X-A: x}, remove: [Cookie, Authorization]}, "
	                   "response_headers: {set: {X-A: x}}"));
}

static void cors_names_origins(void **state)
{
	(void)state;
	welcome(ROUTE(OPEN ", cors: {origins: [\"https://a.b:8443\"], credentials: true}"));
	welcome(ROUTE(OPEN ", cors: {origins: \"*\"}"));
	refuse(ROUTE(OPEN ", cors: {origins: \"*\", credentials: true}"), "cannot be combined");
	refuse(ROUTE(OPEN ", cors: {origins: \"https://a/\"}"), "is no origin");
	refuse(ROUTE(OPEN ", cors: {origins: a.b}"), "is no origin");
	refuse(ROUTE(OPEN ", cors: {origins: \"https://a\", methods: [\"a b\"]}"), "is not a valid method");
	refuse(ROUTE(OPEN ", cors: {origins: \"https://a\", headers: [\"a:b\"]}"), "is not a valid field name");
}

static void bounds_agree_with_each_other(void **state)
{
	(void)state;
	refuse(LEAST "verification: {keys_soft: 1h, keys_hard: 1m}\n", "keys_hard is shorter");
	refuse(LEAST "http: {head_max: 4KiB}\n", "target_max is larger than http.head_max");
	refuse(LEAST "rules: none.rules\n", "/etc/s/none.rules");
}

static void empty_lists_are_watched_where_absences_are(void **state)
{
	const char *needs = "needs an upstream and reconcile: true";

	(void)state;
	welcome(LEAST UPSTREAM
	        "routes: [{upstream: app, anonymous: true, reconcile: true, watch_empty: true}]\n");
	refuse(LEAST UPSTREAM "routes: [{upstream: app, anonymous: true, watch_empty: true}]\n", needs);
	refuse(LEAST "routes: [{deny: 403, reconcile: true, watch_empty: true}]\n", needs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_listener_stays_on_the_machine_or_in_a_private_network),
		cmocka_unit_test(a_plain_listener_speaks_no_h2),
		cmocka_unit_test(an_address_is_listened_on_once),
		cmocka_unit_test(tls_needs_certificates_whose_files_can_be_read),
		cmocka_unit_test(client_certificates_are_all_said_or_not_at_all),
		cmocka_unit_test(an_issuer_is_reached_by_https_or_on_this_machine),
		cmocka_unit_test(what_belongs_to_another_environment_is_refused),
		cmocka_unit_test(endpoints_are_urls_with_a_port_or_unix_sockets),
		cmocka_unit_test(health_paths_begin_with_a_slash),
		cmocka_unit_test(limits_are_keyed_by_what_is_known),
		cmocka_unit_test(a_bucket_holds_what_a_request_costs_and_fills_in_a_year),
		cmocka_unit_test(limits_by_token_stand_on_routes_that_verify),
		cmocka_unit_test(empty_lists_are_watched_where_absences_are),
		cmocka_unit_test(a_route_has_one_end),
		cmocka_unit_test(nothing_is_open_by_omission),
		cmocka_unit_test(names_refer_to_what_is_there),
		cmocka_unit_test(a_denial_never_says_that_something_is_gone),
		cmocka_unit_test(redirects_lead_somewhere),
		cmocka_unit_test(names_are_made_from_host_and_path),
		cmocka_unit_test(names_of_routes_are_unique),
		cmocka_unit_test(two_routes_are_not_for_the_same_requests),
		cmocka_unit_test(methods_are_tokens_in_capitals),
		cmocka_unit_test(header_changes_name_fields_that_are_not_the_proxys_own),
		cmocka_unit_test(cors_names_origins),
		cmocka_unit_test(bounds_agree_with_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
