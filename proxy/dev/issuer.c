/* issuer.c -- the built-in issuer (RFC 6749, RFC 8414, RFC 7517). */
#include "dev/claims.h"
#include "dev/form.h"
#include "dev/place.h"
#include "dev/servers.h"
#include "base/ip.h"
#include "base/text.h"
#include "connection/connection.h"
#include <stdlib.h>

#define LIFETIME_S 3600

struct dev_issuer {
	struct miniserver *server;
	struct loop *loop;
	const struct signer *key;
	struct slice name;      /* the iss claim */
	struct slice authority; /* host and port of it */
	char *jwks;
	struct form form; /* one request at a time */
};

/* ---- refusing to be more than a toy ---- */

static bool is_loopback(int fd)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof at;
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		return false;
	struct in6_addr ip = address_of(&at, &port);
	return ip_is_loopback(&ip);
}

/* A page of a stranger must not reach us under a name that it makes resolve to 127.0.0.1. */
static bool is_our_name(const struct dev_issuer *i, const struct headers *h)
{
	const struct header *host = headers_find(h, HEADER_HOST);
	struct slice port = i->authority, theirs = host ? host->value : S("");

	slice_cut(&port, ':');
	if (slice_same_nocase(slice_head(theirs, 10), S("localhost:")))
		return slice_same(slice_from(theirs, 10), port);
	return slice_same(theirs, i->authority);
}

/* ---- answers ---- */

static void tell(struct miniserver_ask *ask, unsigned status, struct slice extra, struct slice json)
{
	miniserver_answer(ask, status, S("application/json"), extra, json);
}

static void discover(const struct dev_issuer *i, struct miniserver_ask *ask)
{
	char store[1024];
	struct text t = TEXT(store);
	int len = (int)i->name.len;

	text_printf(
	    &t,
	    "{\"issuer\":\"%.*s\",\"jwks_uri\":\"%.*s.well-known/jwks.json\","
	    "\"token_endpoint\":\"%.*soauth/token\",\"grant_types_supported\":[\"client_credentials\"],"
	    "\"response_types_supported\":[],\"subject_types_supported\":[\"public\"],"
	    "\"token_endpoint_auth_methods_supported\":[\"client_secret_post\",\"client_secret_basic\",\"none\"],"
	    "\"id_token_signing_alg_values_supported\":[\"RS256\"]}\n",
	    len, i->name.at, len, i->name.at, len, i->name.at);
	tell(ask, 200, S("Cache-Control: max-age=600\r\n"), text_slice(&t));
}

/* RFC 6749 section 5.2. */
static void refuse(struct miniserver_ask *ask, const char *error, const char *description)
{
	char store[512];
	struct text t = TEXT(store);

	text_printf(&t, "{\"error\":\"%s\",\"error_description\":\"%s\"}\n", error, description);
	tell(ask, 400, S("Cache-Control: no-store\r\n"), text_slice(&t));
}

static void grant(struct dev_issuer *i, struct miniserver_ask *ask, const struct token_claims *c)
{
	char *token = claims_sign(c, i->key);
	size_t room = (token ? strlen(token) : 0) + 6 * c->scope.len + 256;
	struct text t = { .at = malloc(room), .cap = room };

	if (token && t.at) {
		text_add(&t, S("{\"access_token\":\""));
		text_add(&t, slice_of(token));
		text_add(&t, S("\",\"token_type\":\"Bearer\",\"expires_in\":"));
		text_u64(&t, c->lasts_s);
		text_add(&t, S(",\"scope\":\""));
		text_json(&t, c->scope);
		text_add(&t, S("\"}\n"));
		tell(ask, 200, S("Cache-Control: no-store\r\nPragma: no-cache\r\n"), text_slice(&t));
	} else {
		refuse(ask, "invalid_request", "no token can be made of these values; are they UTF-8?");
	}
	free(t.at);
	free(token);
}

/* client_secret_basic: the id is form-encoded before it is base64-encoded (section 2.3.1). The secret is not
 * looked at: this issuer knows no clients. */
static struct slice basic_client(struct dev_issuer *i, const struct headers *h)
{
	const struct header *a = headers_find(h, HEADER_AUTHORIZATION);
	char text[768], url[1024];
	struct slice from = a ? a->value : S(""), id;
	size_t len = 0;

	if (!slice_same_nocase(slice_cut(&from, ' '), S("basic")) || from.len > sizeof url)
		return S("");
	for (size_t n = 0; n < from.len; n++)
		url[n] = from.at[n] == '+' ? '-' : from.at[n] == '/' ? '_' : from.at[n];
	while (from.len && from.at[from.len - 1] == '=')
		from.len--;
	if (!text_base64url_decode((struct slice){ url, from.len }, text, sizeof text, &len))
		return S("");
	from = (struct slice){ text, len };
	return form_decode(&i->form, slice_cut(&from, ':'), &id) ? id : S("");
}

static void give_token(struct dev_issuer *i, struct miniserver_ask *ask)
{
	const struct header *type = headers_find(ask->headers, HEADER_CONTENT_TYPE);
	struct form *f = &i->form;
	char store[256];
	struct text subject = TEXT(store);

	if (!form_read(f, type ? type->value : S(""), ask->body)) {
		refuse(ask, "invalid_request", "the body must be a form or a JSON object of strings, each name once");
		return;
	}
	struct slice client = form_get(f, "client_id");
	if (!client.len)
		client = basic_client(i, ask->headers);
	if (!form_get(f, "grant_type").len)
		refuse(ask, "invalid_request", "grant_type is missing");
	else if (!slice_same(form_get(f, "grant_type"), S("client_credentials")))
		refuse(ask, "unsupported_grant_type", "only client_credentials is granted here");
	else if (!client.len || client.len > 200)
		refuse(ask, "invalid_request", "client_id is missing or longer than 200 bytes");
	else {
		struct slice audience = form_get(f, "audience"), scope = form_get(f, "scope");
		text_add(&subject, client);
		text_add(&subject, S("@clients"));
		struct token_claims c = { .issuer = i->name,
			                      .subject = text_slice(&subject),
			                      .client = client,
			                      .audience = audience.len ? audience : S(DEV_AUDIENCE),
			                      .scope = scope.len ? scope : S("read"),
			                      .issued_s = i->loop->wall_ns / NS_PER_S,
			                      .lasts_s = LIFETIME_S };
		grant(i, ask, &c);
	}
}

/* ---- the server ---- */

static bool is_read(const struct miniserver_ask *ask)
{
	return slice_same(ask->method, S("GET")) || slice_same(ask->method, S("HEAD"));
}

static void on_ask(void *with, struct miniserver_ask *ask)
{
	struct dev_issuer *i = with;
	bool token = slice_same(ask->path, S("/oauth/token"));
	bool keys = slice_same(ask->path, S("/.well-known/jwks.json"));
	bool discovery = slice_same(ask->path, S("/.well-known/openid-configuration"));

	if (!is_our_name(i, ask->headers))
		tell(ask, 421, S(""), S("{\"error\":\"this issuer speaks for its loopback address only\"}\n"));
	else if (!token && !keys && !discovery)
		tell(ask, 404, S(""), S("{\"error\":\"no such page of the issuer\"}\n"));
	else if (token && !slice_same(ask->method, S("POST")))
		tell(ask, 405, S("Allow: POST\r\n"), S("{\"error\":\"invalid_request\"}\n"));
	else if (!token && !is_read(ask))
		tell(ask, 405, S("Allow: GET, HEAD\r\n"), S("{\"error\":\"invalid_request\"}\n"));
	else if (token)
		give_token(i, ask);
	else if (keys)
		tell(ask, 200, S("Cache-Control: max-age=600\r\n"), slice_of(i->jwks));
	else
		discover(i, ask);
}

struct dev_issuer *issuer_open(struct loop *loop, int listen_fd, const struct signer *key,
                               struct slice issuer, struct slice environment, const char **why)
{
	struct dev_issuer *i = NULL;
	struct slice rest = slice_from(issuer, sizeof "http://" - 1);

	if (!is_loopback(listen_fd)) {
		*why = "the built-in issuer gives tokens to anybody: it listens on loopback addresses only";
		return NULL;
	}
	if (slice_same_nocase(environment, S("production"))) {
		*why = "the built-in issuer gives tokens to anybody: it does not run in the environment production";
		return NULL;
	}
	*why = "out of memory";
	if (!(i = calloc(1, sizeof *i)))
		return NULL;
	i->loop = loop;
	i->key = key;
	i->name = issuer;
	i->authority = slice_cut(&rest, '/');
	i->jwks = signer_jwks(key);
	i->server = i->jwks ? miniserver_open(loop, listen_fd, on_ask, i) : NULL;
	if (i->server)
		return i;
	free(i->jwks);
	free(i);
	return NULL;
}

void issuer_close(struct dev_issuer *i)
{
	miniserver_close(i->server);
	free(i->jwks);
	free(i);
}
