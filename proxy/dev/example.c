/* Writes the example configuration of `sallyport dev`. */
#include "dev/example.h"
#include <stdlib.h>
#include <unistd.h>

/* A path as a double-quoted YAML text: JSON's escapes are a part of YAML's. */
static void add_file(struct text *t, const struct dev_place *p, const char *name)
{
	text_char(t, '"');
	text_json(t, slice_of(p->dir));
	text_char(t, '/');
	text_add(t, slice_of(name));
	text_char(t, '"');
}

static void add_env(const struct dev_place *p, struct text *t)
{
	text_add(t, S("# The example of `sallyport dev`; a real one has its own certificates and upstreams.\n"
	              "environment: dev\n"
	              "workers: 2\n"
	              "state: "));
	add_file(t, p, "state");
	if (geteuid() == 0) /* the directory is root's alone, and so is what listens: loopback */
		text_add(t, S("\nuser: root"));
	text_printf(t, "\nstatus: {address: 127.0.0.1:%u}\nadmin: {socket: ", p->port[PLACE_STATUS]);
	add_file(t, p, "admin.sock");
	text_add(t, S("}\nlog: {access: "));
	add_file(t, p, "access.jsonl");
	text_printf(t,
	            "}\ndrain: {delay: 0s, timeout: 2s}\nlisteners:\n  - address: 127.0.0.1:%u\n"
	            "    tls: {certificates: [{chain: ",
	            p->port[PLACE_PROXY]);
	add_file(t, p, "server.pem");
	text_add(t, S(", key: "));
	add_file(t, p, "server.key");
	text_printf(t,
	            "}]}\n"
	            "issuers:\n"
	            "  dev: {issuer: \"%s\", audiences: [\"" DEV_AUDIENCE "\"]}\n"
	            "upstreams:\n"
	            "  echo: {endpoints: [\"http://127.0.0.1:%u\"]}\n",
	            p->issuer, p->port[PLACE_ECHO]);
}

bool example_config(const struct dev_place *p, struct text *to)
{
	add_env(p, to);
	text_add(
	    to,
	    S("limits:\n"
	      "  login-per-address: {key: [address], rate: 12/m, burst: 10, headers: always}\n"
	      "  api-per-subject: {key: [subject], rate: 5/s, burst: 10}\n"
	      "routes:\n"
	      "  # a page for people: no token, few tries\n"
	      "  - {name: login, path: /login/*, upstream: echo, anonymous: true, limits: [login-per-address]}\n"
	      "  # an API: a token of the issuer with the scope read, and so many calls per subject\n"
	      "  - {name: api, path: /api/v1/*, upstream: echo, verify: {issuer: dev, scopes: [read]}, "
	      "limits: [api-per-subject]}\n"
	      "  # machines act on its answers\n"
	      "  - {name: clusters, path: /clusters/*, upstream: echo, verify: {issuer: dev}, reconcile: true}\n"
	      "  - {name: admin, path: /admin/*, deny: 403}\n"
	      "  - {name: home, path: /, redirect: {to: /login/, status: 302}}\n"));
	return text_end(to);
}

/* ---- lines to paste ---- */

static void add_word(struct text *t, const struct dev_place *p, const char *name)
{
	char path[PATH_MAX];

	if (place_file(p, name, path))
		place_word(t, slice_of(path));
}

/* A proxy for the way out, as many offices have one, would not find loopback addresses. */
static const char *past_proxies(void)
{
	static const char *const names[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (getenv(names[i]))
			return "--noproxy '*' ";
	return "";
}

static void add_curl(struct text *t, const struct dev_place *p, const char *more, const char *path)
{
	text_add(t, S("curl -sS "));
	text_add(t, slice_of(past_proxies()));
	text_add(t, S("--cacert "));
	add_word(t, p, "ca.pem");
	text_char(t, ' ');
	text_add(t, slice_of(more));
	text_printf(t, "'https://127.0.0.1:%u%s'", p->port[PLACE_PROXY], path);
}

static void add_token(struct text *t, const struct dev_place *p, const char *options)
{
	text_add(t, S("-H \"Authorization: Bearer $("));
	if (p->home_told) { /* the other terminal need not know */
		text_add(t, S("XDG_STATE_HOME="));
		place_word(t, slice_of(p->home));
		text_char(t, ' ');
	}
	text_add(t, slice_of(p->binary));
	text_add(t, S(" token mint"));
	if (p->port[PLACE_PROXY] != DEV_PORT)
		text_printf(t, " --port %u", p->port[PLACE_PROXY]);
	text_add(t, slice_of(options));
	text_add(t, S(")\" "));
}

static void add_call(struct text *t, const struct dev_place *p, const char *token_options, const char *path)
{
	char store[PATH_MAX + 256] = "-i ";
	struct text more = { .at = store, .len = 3, .cap = sizeof store };

	if (token_options)
		add_token(&more, p, token_options);
	text_add(t, S("  "));
	add_curl(t, p, text_end(&more) ? store : "", path);
	t->cut = t->cut || more.cut;
	text_add(t, S("\n"));
}

static void add_tries(struct text *t, const struct dev_place *p)
{
	text_add(t, S("\nLines to paste into another terminal, each with the answer it gets:\n"
	              "\n# a call with a token: 200\n"));
	add_call(t, p, "", "/api/v1/hello");
	text_add(t, S("\n# the same without one: 401\n"));
	add_call(t, p, NULL, "/api/v1/hello");
	text_add(t, S("\n# with a token that lacks the scope: 403\n"));
	add_call(t, p, " --scope write", "/api/v1/hello");
	text_add(t, S("\n# a flood: ten pass, then 429 with retry-after, ratelimit and ratelimit-policy\n  "));
	add_curl(t, p, "-o /dev/null -w '%{http_code} ' ", "/login/?[1-12]");
	text_add(t, S("; "));
	add_curl(t, p, "-i ", "/login/");
	text_add(t, S("\n\n# a path that no route names: 503, never 404, since a machine would act on that\n"));
	add_call(t, p, NULL, "/nowhere");
	text_add(t, S("\n# a token as an application gets it: 200\n  "));
	text_printf(t, "curl -sS %s-i %soauth/token -d grant_type=client_credentials -d client_id=robot\n",
	            past_proxies(), p->issuer);
}

bool example_lines(const struct dev_place *p, struct text *to)
{
	char port[32];
	struct text option = TEXT(port);

	if (p->port[PLACE_PROXY] != DEV_PORT)
		text_printf(&option, " --port %u", p->port[PLACE_PROXY]);
	text_printf(to, "Sallyport is ready: https://127.0.0.1:%u/login/\n\n", p->port[PLACE_PROXY]);
	text_printf(to, "  issuer         %s\n", p->issuer);
	text_printf(to, "  echo upstream  http://127.0.0.1:%u/\n", p->port[PLACE_ECHO]);
	text_printf(to, "  probes         http://127.0.0.1:%u/readyz, and /metrics\n", p->port[PLACE_STATUS]);
	text_add(to, S("  local CA       "));
	add_word(to, p, "ca.pem");
	text_add(to, S(", in no trust store\n  access log     "));
	add_word(to, p, "access.jsonl");
	text_add(to, S("\n  configuration  "));
	text_add(to, slice_of(p->binary));
	text_add(to, S(" dev --print-config"));
	text_add(to, text_slice(&option));
	text_char(to, '\n');
	add_tries(to, p);
	text_add(to, S("\nCtrl-C ends it.\n"));
	return text_end(to);
}
