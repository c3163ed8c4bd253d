/* check_redis.c -- the Redis that a fleet shares. */
#include "config/check.h"

/* As an http URL of the same shape, which has all its rules. */
static bool split(struct check *k, struct slice server, struct url *to, const char **why)
{
	struct slice url = store_printf(&k->load->scratch, "http%.*s", SLICE(slice_from(server, 5)));

	return url_split(url, to, why);
}

static bool is_unix(struct slice server)
{
	return slice_starts(server, S("unix:"));
}

static const char *server_fault(struct check *k, struct slice s)
{
	struct url url;
	const char *why = NULL;

	if (is_unix(s))
		return slice_starts(s, S("unix:/")) && s.len > 6 && s.len - 5 <= 107
		           ? NULL
		           : "a Unix socket is written unix:/PATH, with an absolute path of at most 107 bytes";
	if (!slice_starts(s, S("redis://")) && !slice_starts(s, S("rediss://")))
		return "write redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH";
	if (slice_find(s, '@') < s.len)
		return "user and password are given by redis.user and redis.password";
	if (!split(k, s, &url, &why))
		return why ? why : "write redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH";
	if (!url.port)
		return "its port is missing; write redis://HOST:PORT or rediss://HOST:PORT";
	return url.rest.len ? "nothing may follow the port; the database is always 0" : NULL;
}

static bool is_secure(const struct config_redis *r)
{
	return r->servers.len && slice_starts(r->servers.at[0], S("rediss://"));
}

/* What holds of all servers together is said once. */
static void check_kin(struct check *k, const struct config_redis *r)
{
	for (size_t i = 0; i < r->servers.len; i++) {
		const struct slice *s = &r->servers.at[i];
		if (r->mode != MODE_SINGLE && is_unix(*s))
			COMPLAIN(k, s, r, "servers: a Unix socket leads to one server, which is mode single");
		else if (slice_starts(*s, S("rediss://")) != is_secure(r))
			COMPLAIN(k, s, r, "servers: either all are rediss:// or none is");
		else
			continue;
		return;
	}
}

static void check_servers(struct check *k, const struct config_redis *r)
{
	bool good = true;

	for (size_t i = 0; i < r->servers.len; i++) {
		const struct slice *s = &r->servers.at[i];
		const char *fault = server_fault(k, *s);
		if (fault)
			COMPLAIN(k, s, r, "servers: \"%.*s\" is not a valid Redis server; %s", SHOWN(k, s), fault);
		good = good && !fault;
	}
	check_distinct(k, &r->servers, r->place, "server");
	if (good)
		check_kin(k, r);
	if (r->mode == MODE_SINGLE && r->servers.len > 1)
		COMPLAIN(k, &r->servers, r,
		         "mode single has one server; several are mode: sentinel or mode: cluster");
	if (r->servers.len > REDIS_SERVERS_MAX)
		COMPLAIN(k, &r->servers, r, "there are %zu servers, and %u are enough to find the others from",
		         r->servers.len, REDIS_SERVERS_MAX);
}

static void check_password(struct check *k, const struct config_redis *r, const struct secret *password,
                           const struct slice *user, const char *name)
{
	if (password->bytes && !load_is_reference(k->load, password))
		COMPLAIN(k, password, r,
		         "%s: a password is not written into the configuration; write ${file:PATH} or ${env:NAME}",
		         name);
	if (user->at && !password->bytes && !load_is_written(k->load, password))
		COMPLAIN(k, user, r, "the user \"%.*s\" has no %s", SHOWN(k, user), name);
}

static void check_sentinel(struct check *k, const struct config_redis *r)
{
	static const char *const only = "is of mode sentinel, and this is another";

	check_password(k, r, &r->sentinel_password, &r->sentinel_user, "sentinel_password");
	if (r->mode == MODE_SENTINEL && !r->master.at)
		COMPLAIN(k, &r->mode, r, "mode sentinel needs master:, the name that the sentinels watch it by");
	if (r->mode == MODE_SENTINEL)
		return;
	if (r->master.at)
		COMPLAIN(k, &r->master, r, "master %s", only);
	if (r->sentinel_user.at)
		COMPLAIN(k, &r->sentinel_user, r, "sentinel_user %s", only);
	if (r->sentinel_password.bytes)
		COMPLAIN(k, &r->sentinel_password, r, "sentinel_password %s", only);
}

static void check_redis_tls(struct check *k, const struct config_redis *r)
{
	const struct config_redis_tls *t = &r->tls;
	struct in6_addr ip;
	bool v4;

	check_file(k, &t->ca, t->place);
	check_file(k, &t->chain, t->place);
	check_file(k, &t->key, t->place);
	if (t->server_name.at && !host_is_name(t->server_name) && !ip_read(t->server_name, &ip, &v4))
		COMPLAIN(k, &t->server_name, t, "server_name: \"%.*s\" is neither a host name nor an IP address",
		         SHOWN(k, &t->server_name));
	if (!t->chain.at != !t->key.at)
		COMPLAIN(k, t->chain.at ? &t->chain : &t->key, t, "chain and key are given together or not at all");
	if ((t->ca.at || t->server_name.at || t->chain.at || t->key.at) && !is_secure(r))
		COMPLAIN(k, &t->ca, t, "tls is given, and no server is rediss://");
}

static bool is_same_secret(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && a->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* What it is for: whoever takes a worker over is not believed by the fleet. */
static void check_keeper(struct check *k, const struct config_redis *r)
{
	const struct config_redis_keeper *keeper = &r->keeper;

	check_password(k, r, &keeper->password, &keeper->user, "keeper.password");
	if (!keeper->user.at && load_is_written(k->load, &keeper->password))
		COMPLAIN(k, &keeper->password, r, "keeper.password is given, and keeper.user is not");
	else if (!keeper->user.at)
		config_warn(k->load->errors, r->place,
		            "redis.keeper is missing: workers can write what the fleet believes of keys and "
		            "revocations");
	else if (slice_same(keeper->user, r->user.at ? r->user : S("default")))
		COMPLAIN(k, &keeper->user, r, "keeper.user \"%.*s\" is the user of the workers too",
		         SHOWN(k, &keeper->user));
	if (is_same_secret(&keeper->password, &r->password))
		COMPLAIN(k, &keeper->password, r, "keeper.password is the password of the workers too");
}

/* In the workers' memory file such a value is overwritten, wherever it stands (withheld.c). */
static void check_shared_value(struct check *k, const struct config_redis *r, struct slice other,
                               const char *what)
{
	const struct secret *ours = &r->password;

	if (other.len && ours->len && memmem(ours->bytes, ours->len, other.at, other.len))
		COMPLAIN(k, &r->password, r, "password is %s too, which workers must not know", what);
}

static void check_of_workers_alone(struct check *k, const struct config_redis *r)
{
	const CONFIG_SECRETS *fleet = &k->root->secrets.fleet;

	for (size_t i = 0; i < fleet->len; i++)
		check_shared_value(k, r, (struct slice){ (const char *)fleet->at[i].bytes, fleet->at[i].len },
		                   "a secret of the fleet");
	for (size_t i = 0; i < k->root->issuers_len; i++)
		if (k->root->issuers[i].opaque)
			check_shared_value(k, r, k->root->issuers[i].opaque->client_secret,
			                   "the client_secret of an issuer");
}

void check_redis(struct check *k)
{
	struct config_redis *r = k->root->redis;

	if (!r || load_is_broken(k->load, &r->place))
		return;
	check_servers(k, r);
	check_password(k, r, &r->password, &r->user, "password");
	check_keeper(k, r);
	check_of_workers_alone(k, r);
	check_sentinel(k, r);
	check_redis_tls(k, r);
}
