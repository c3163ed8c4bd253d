/* token.c -- `sallyport token mint`. */
#include "base/clock.h"
#include "base/flags.h"
#include "dev/claims.h"
#include "dev/dev.h"
#include "dev/place.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "usage: sallyport token mint [options]\n"
    "Prints an access token (RS256) of the issuer that `sallyport dev` runs. Of no other: this signs with a\n"
    "key that only the local example configuration trusts.\n"
    "  --sub TEXT      subject (default dev-user)\n"
    "  --scope TEXT    scopes, separated by spaces (default read)\n"
    "  --aud TEXT      audience (default " DEV_AUDIENCE ")\n"
    "  --client TEXT   client id (default dev-client)\n"
    "  --tenant TEXT   tenant, the org_id claim (default none)\n"
    "  --expires TIME  lifetime: 90, 90s, 15m or 1h (default 1h); -60s makes one that has expired\n"
    "  -o text|json    json: as the issuer itself answers\n"
    "  --port N        of the `sallyport dev --port N` that it is for (default 8443)\n"
    "Exit status: 0 printed, 1 failure, 2 usage.\n";

struct wish {
	struct token_claims claims;
	int64_t expires_s;
	unsigned port;
	bool json;
};

static bool read_time(const char *text, int64_t *to_s)
{
	struct slice s = slice_of(text);
	bool past = slice_starts(s, S("-"));
	uint64_t unit = 1, n;

	s = slice_from(s, past);
	if (slice_ends(s, S("m")))
		unit = 60;
	else if (slice_ends(s, S("h")))
		unit = 3600;
	if (unit > 1 || slice_ends(s, S("s")))
		s.len--;
	if (!slice_u64(s, &n) || n > 10 * 365 * UINT64_C(86400) / unit)
		return false;
	*to_s = past ? -(int64_t)(n * unit) : (int64_t)(n * unit);
	return true;
}

static bool read_output(const char *text, bool *json)
{
	*json = strcmp(text, "json") == 0;
	return *json || strcmp(text, "text") == 0;
}

static bool read_port(const char *text, unsigned *to)
{
	uint64_t n;

	if (!slice_u64(slice_of(text), &n) || n > 65535)
		return false;
	*to = (unsigned)n;
	return true;
}

enum { SUB = 256, SCOPE, AUD, CLIENT, TENANT, EXPIRES, PORT };

/* False: what stands behind the option cannot be read. */
static bool take_option(struct wish *w, int option, const char *value)
{
	struct token_claims *c = &w->claims;

	switch (option) {
	case SUB:
		c->subject = slice_of(value);
		return true;
	case SCOPE:
		c->scope = slice_of(value);
		return true;
	case AUD:
		c->audience = slice_of(value);
		return true;
	case CLIENT:
		c->client = slice_of(value);
		return true;
	case TENANT:
		c->tenant = slice_of(value);
		return true;
	case EXPIRES:
		return read_time(value, &w->expires_s);
	case PORT:
		return read_port(value, &w->port);
	default:
		return read_output(value, &w->json);
	}
}

/* 0: go on; otherwise the exit status plus one. */
static int read_options(int argc, char **argv, struct wish *w)
{
	static const struct option options[] = {
		{ "sub", required_argument, NULL, SUB },
		{ "scope", required_argument, NULL, SCOPE },
		{ "aud", required_argument, NULL, AUD },
		{ "client", required_argument, NULL, CLIENT },
		{ "tenant", required_argument, NULL, TENANT },
		{ "expires", required_argument, NULL, EXPIRES },
		{ "port", required_argument, NULL, PORT },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int o;

	optind = 0;
	while ((o = flags_next(argc, argv, options)) != FLAGS_END) {
		if (o == FLAGS_BAD)
			return 3;
		if (o == 'h') {
			fputs(usage, stdout);
			return 1;
		}
		if (!take_option(w, o, optarg)) {
			fprintf(stderr, "sallyport: '%s' cannot be read; see `sallyport token mint --help`\n", optarg);
			return 3;
		}
	}
	if (optind < argc && strcmp(argv[optind], "mint") != 0)
		flags_stray(argv[0], argv[optind]);
	else if (optind + 1 < argc)
		flags_stray(argv[0], argv[optind + 1]);
	else if (optind + 1 == argc)
		return 0;
	else
		fputs(usage, stderr);
	return 3;
}

static struct signer *find_key(const struct dev_place *p)
{
	char path[PATH_MAX];

	if (!place_file(p, "issuer.key", path))
		return NULL;
	if (access(path, R_OK) != 0) {
		fprintf(stderr, "sallyport: cannot read the dev issuer's key %s: %s; `%s dev` makes one\n", path,
		        strerror(errno), p->binary);
		return NULL;
	}
	struct signer *key = signer_read(path);
	if (!key)
		fprintf(stderr, "sallyport: %s is not a key of the dev issuer; remove it and run `%s dev` again\n",
		        path, p->binary);
	return key;
}

int dev_token(int argc, char **argv)
{
	static struct dev_place place;
	uint64_t now_s = clock_wall_ns() / NS_PER_S;
	struct wish w = { .claims = { .subject = S("dev-user"),
		                          .client = S("dev-client"),
		                          .scope = S("read"),
		                          .audience = S(DEV_AUDIENCE) },
		              .expires_s = 3600,
		              .port = DEV_PORT };
	int done = read_options(argc, argv, &w);

	if (done)
		return done - 1;
	if (!place_find(&place, w.port))
		return 1;
	w.claims.issuer = slice_of(place.issuer);
	/* one that has expired was also issued earlier */
	w.claims.issued_s = w.expires_s > 0 ? now_s : now_s + (uint64_t)w.expires_s - 3600;
	w.claims.lasts_s = w.expires_s > 0 ? (uint64_t)w.expires_s : 3600;
	struct signer *key = find_key(&place);
	char *token = key ? claims_sign(&w.claims, key) : NULL;
	if (token && w.json) /* RFC 6749 section 5.1; neither a token nor a number needs escapes */
		printf("{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%lld}\n", token,
		       (long long)(w.expires_s > 0 ? w.expires_s : 0));
	else if (token)
		puts(token);
	else if (key)
		fprintf(stderr, "sallyport: no token can be made of these values; are they UTF-8?\n");
	free(token);
	if (key)
		signer_free(key);
	return token ? 0 : 1;
}
