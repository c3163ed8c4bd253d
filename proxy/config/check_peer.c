/* check_peer.c -- issuers and upstreams: whom the proxy itself speaks to. */
#include "config/check.h"

/* What belongs to another environment is not spoken to. */
static void check_environment(struct check *k, const struct slice *environment, struct config_place holder)
{
	const struct slice *own = &k->root->environment;

	if (!environment->at || !own->at || load_is_broken(k->load, own) || slice_same(*environment, *own))
		return;
	config_complain(k->load->errors, load_place(k->load, environment, holder),
	                "this is of environment \"%.*s\", and the configuration is for \"%.*s\"",
	                SHOWN(k, environment), SHOWN(k, own));
}

/* https, or http to this machine. */
static void check_issuer_url(struct check *k, const struct slice *field, const struct config_issuer *i)
{
	struct url url;
	const char *why = NULL;

	if (!url_split(*field, &url, &why))
		COMPLAIN(k, field, i, "\"%.*s\" is not a valid URL; %s", SHOWN(k, field),
		         why ? why : types[TYPE_URL].form);
	else if (!url.https && !host_is_loopback(url.host))
		COMPLAIN(k, field, i, "\"%.*s\" must begin with https://; http:// is only for loopback addresses",
		         SHOWN(k, field));
}

static void check_egress(struct check *k, const struct config_issuer *i)
{
	if (i->egress_len > EGRESS_MAX)
		config_complain(k->load->errors, i->egress[EGRESS_MAX].place, "an issuer has at most %d ways out",
		                EGRESS_MAX);
	for (size_t n = 0; n < i->egress_len; n++) {
		const struct config_issuer_egress *e = &i->egress[n];
		struct in6_addr ip;
		bool v4;
		if (e->address.at && !ip_read(e->address, &ip, &v4))
			COMPLAIN(k, &e->address, e, "\"%.*s\" is no IP address; write one of this machine's, as 10.0.0.5",
			         SHOWN(k, &e->address));
	}
}

/* What an issuer says of an opaque token need not name an audience (RFC 7662 section 2.2), and userinfo never
 * does: audiences, which must be written, would promise what nobody looks at. */
static void check_audience_missing(struct check *k, const struct config_issuer *i)
{
	if (load_is_broken(k->load, &i->audience_missing) || i->audience_missing == AUDIENCE_MISSING_ACCEPT)
		return;
	if (i->opaque->by == OPAQUE_BY_USERINFO)
		COMPLAIN(k, &i->audience_missing, i,
		         "userinfo names no audience, so none of these tokens could pass; where they may be for "
		         "anybody, say audience_missing: accept");
	else if (!load_is_written(k->load, &i->audience_missing))
		COMPLAIN(k, &i->audience_missing, i,
		         "an opaque token may come without an audience, and audiences could not be held against it: "
		         "say audience_missing: accept, or refuse where the issuer always names one");
}

static void check_issuer(struct check *k, struct config_issuer *i)
{
	struct parse_with w = { k->load->keep, k->load->bundle, k->load->directory };
	const char *why = NULL;

	check_issuer_url(k, &i->issuer, i);
	if (slice_find(i->issuer, '?') < i->issuer.len)
		COMPLAIN(k, &i->issuer, i, "an issuer's URL has no query");
	check_environment(k, &i->environment, i->place);
	check_file(k, &i->ca, i->place);
	check_distinct(k, &i->audiences, i->place, "audience");
	if (i->opaque) {
		check_issuer_url(k, &i->opaque->endpoint, i);
		check_opaque(k, i->opaque);
		check_audience_missing(k, i);
	}
	check_egress(k, i);
	if (!i->jwks.at)
		return;
	if (memmem(i->jwks.at, i->jwks.len, "://", 3))
		check_issuer_url(k, &i->jwks, i);
	else if (!parse_file(&w, i->jwks, &i->jwks, &why))
		COMPLAIN(k, &i->jwks, i, "\"%.*s\" is neither a URL nor a file name", SHOWN(k, &i->jwks));
	else
		check_file(k, &i->jwks, i->place);
}

void check_issuers(struct check *k)
{
	struct config_root *c = k->root;

	for (size_t i = 0; i < c->issuers_len; i++)
		if (!load_is_broken(k->load, &c->issuers[i].place))
			check_issuer(k, &c->issuers[i]);
	if (c->issuers_len > ISSUERS_MAX)
		COMPLAIN(k, &c->issuers, c, "there are %zu issuers, and at most %u are possible", c->issuers_len,
		         ISSUERS_MAX);
}

/* ---- upstreams ---- */

static const char *endpoint_fault(struct slice e)
{
	struct url url;
	const char *why = NULL;

	if (e.len > ENDPOINT_LEN_MAX)
		return "it is longer than 190 bytes";
	if (slice_starts(e, S("unix:")))
		return slice_starts(e, S("unix:/")) && e.len > 6 && e.len - 5 <= 107
		           ? NULL
		           : "a Unix socket is written unix:/PATH, with an absolute path of at most 107 bytes";
	if (!slice_starts(e, S("http://")) && !slice_starts(e, S("https://")))
		return "write http://HOST:PORT, https://HOST:PORT or unix:/PATH";
	if (!url_split(e, &url, &why))
		return why ? why : types[TYPE_URL].form;
	if (!url.port)
		return "its port is missing; write http://HOST:PORT or https://HOST:PORT";
	return url.rest.len ? "an endpoint has no path; the request's own path is sent" : NULL;
}

static void check_endpoints(struct check *k, const struct config_upstream *u)
{
	for (size_t i = 0; i < u->endpoints.len; i++) {
		const struct slice *e = &u->endpoints.at[i];
		const char *fault = endpoint_fault(*e);
		if (fault)
			COMPLAIN(k, e, u, "endpoints: \"%.*s\" is not a valid endpoint; %s", SHOWN(k, e), fault);
	}
	check_distinct(k, &u->endpoints, u->place, "endpoint");
}

static bool has_https(const struct config_upstream *u)
{
	for (size_t i = 0; i < u->endpoints.len; i++)
		if (slice_starts(u->endpoints.at[i], S("https://")))
			return true;
	return false;
}

static void check_upstream_tls(struct check *k, const struct config_upstream *u)
{
	const struct config_upstream_tls *t = &u->tls;
	struct in6_addr ip;
	bool v4;

	check_file(k, &t->ca, t->place);
	check_file(k, &t->chain, t->place);
	check_file(k, &t->key, t->place);
	if (!t->chain.at != !t->key.at)
		COMPLAIN(k, t->chain.at ? &t->chain : &t->key, t, "chain and key are given together or not at all");
	if (t->server_name.at && !host_is_name(t->server_name) && !ip_read(t->server_name, &ip, &v4))
		COMPLAIN(k, &t->server_name, t, "server_name: \"%.*s\" is neither a host name nor an IP address",
		         SHOWN(k, &t->server_name));
	if ((t->ca.at || t->server_name.at || t->chain.at || t->key.at) && !has_https(u))
		COMPLAIN(k, &t->ca, t, "tls is given, and no endpoint of this upstream is https://");
}

static void check_health(struct check *k, const struct config_health *h)
{
	struct slice url =
	    h->host.at ? store_printf(&k->load->scratch, "http://%.*s", SLICE(h->host)) : (struct slice){ 0 };
	struct url parts;
	const char *why;

	if (!slice_starts(h->path, S("/")) || slice_find(h->path, ' ') < h->path.len ||
	    slice_find(h->path, '#') < h->path.len)
		COMPLAIN(k, &h->path, h,
		         "health.path: \"%.*s\" must begin with a slash and hold neither spaces nor #",
		         SHOWN(k, &h->path));
	if (h->host.at && (!url_split(url, &parts, &why) || parts.rest.len))
		COMPLAIN(k, &h->host, h, "health.host: \"%.*s\" is not a valid host, with or without port",
		         SHOWN(k, &h->host));
}

void check_upstreams(struct check *k)
{
	struct config_root *c = k->root;
	size_t endpoints = 0;

	for (size_t i = 0; i < c->upstreams_len; i++) {
		struct config_upstream *u = &c->upstreams[i];
		endpoints += u->endpoints.len;
		if (load_is_broken(k->load, &u->place))
			continue;
		check_environment(k, &u->environment, u->place);
		check_endpoints(k, u);
		check_upstream_tls(k, u);
		if (u->health)
			check_health(k, u->health);
	}
	if (endpoints > ENDPOINTS_MAX)
		COMPLAIN(k, &c->upstreams, c, "there are %zu endpoints, and at most %u are possible", endpoints,
		         ENDPOINTS_MAX);
}
