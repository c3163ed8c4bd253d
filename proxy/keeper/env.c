/* What the keeper gives to issuer/, forward/ and redis/: time, fetches, names, files. */
#include "base/check.h"
#include "base/log.h"
#include "base/siphash.h"
#include "keeper/inside.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define BODY_MAX ((size_t)1024 * 1024)

/* ---- time ---- */

static uint64_t now_ns(void *with)
{
	(void)with;
	return clock_ns();
}

static uint64_t wall_s(void *with)
{
	(void)with;
	return clock_wall_ns() / NS_PER_S;
}

/* ---- files of the bundle ---- */

struct keeper_file {
	struct keeper_file *next;
	char *path, name[32];
	int fd;
};

static bool fill(struct keeper_file *f, struct slice bytes)
{
	f->fd = memfd_create("sallyport pem", MFD_CLOEXEC);
	if (f->fd < 0)
		return false;
	snprintf(f->name, sizeof f->name, "/proc/self/fd/%d", f->fd);
	return write(f->fd, bytes.at, bytes.len) == (ssize_t)bytes.len;
}

static void free_file(struct keeper_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

const char *keeper_file(struct keeper *k, const char *path)
{
	struct slice bytes;
	const char *why;

	if (!path || !*path)
		return NULL;
	for (struct keeper_file *f = k->files; f; f = f->next)
		if (strcmp(f->path, path) == 0)
			return f->name;
	if (!bundle_file(k->post->generation->bundle, path, &bytes, &why))
		return path;
	struct keeper_file *f = calloc(1, sizeof *f);
	if (!f)
		return path;
	f->fd = -1;
	f->path = strdup(path);
	if (!f->path || !fill(f, bytes)) {
		free_file(f);
		return path;
	}
	f->next = k->files;
	k->files = f;
	return f->name;
}

void keeper_files_close(struct keeper *k)
{
	while (k->files) {
		struct keeper_file *f = k->files;
		k->files = f->next;
		free_file(f);
	}
}

/* ---- fetching for verify/ ---- */

struct fetching {
	void (*done)(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure);
	void *for_whom;
};

static void on_fetched(void *with, const struct fetch_answer *a)
{
	struct fetching *f = with;

	f->done(f->for_whom, a->status, a->body, a->max_age_s, a->failure);
	free(f);
}

/* NULL for the empty one. */
static char *text_of(struct slice s)
{
	return s.len ? strndup(s.at, s.len) : NULL;
}

static void forget(char *secret)
{
	if (secret)
		secret_wipe(secret, strlen(secret));
	free(secret);
}

static void fetch_for_verify(void *with, const struct issuer_request *what,
                             void (*done)(void *for_whom, int status, struct slice body, uint64_t max_age_s,
                                          const char *failure),
                             void *for_whom)
{
	struct keeper *k = with;
	struct fetching *f = malloc(sizeof *f);
	char *url = text_of(what->url), *ca = text_of(what->ca), *proxy = text_of(what->proxy);
	char *address = text_of(what->address), *form = text_of(what->form), *bearer = text_of(what->bearer);
	char *user = text_of(what->user), *password = text_of(what->password);
	const struct fetch_ask ask = { .url = url,
		                           .ca = keeper_file(k, ca),
		                           .timeout_ns = what->timeout_ns,
		                           .body_max = BODY_MAX,
		                           .follow = true,
		                           .proxy = proxy,
		                           .address = address,
		                           .alone = what->alone,
		                           .form = form,
		                           .user = user,
		                           .password = password,
		                           .bearer = bearer,
		                           .accept = what->accept.at };
	bool whole = !proxy == !what->proxy.len && !address == !what->address.len && !form == !what->form.len &&
	             !user == !what->user.len && !password == !what->password.len && !bearer == !what->bearer.len;

	if (f && url && whole) {
		*f = (struct fetching){ done, for_whom };
		fetch(k->fetcher, &ask, on_fetched, f);
	} else {
		free(f);
		done(for_whom, 0, (struct slice){ 0 }, UINT64_MAX, "out of memory");
	}
	free(url);
	free(ca);
	free(proxy);
	free(address);
	free(user);
	forget(form);
	forget(password);
	forget(bearer);
}

static void on_moved(void *with)
{
	struct keeper *k = with;

	k->keys_moved = true;
}

static bool floor_read(void *with, void *to, size_t len, uint64_t at)
{
	const struct keeper *k = with;

	return pread(k->post->floor_fd, to, len, (off_t)at) == (ssize_t)len;
}

static bool floor_write(void *with, const void *from, size_t len, uint64_t at)
{
	const struct keeper *k = with;

	return pwrite(k->post->floor_fd, from, len, (off_t)at) == (ssize_t)len &&
	       fdatasync(k->post->floor_fd) == 0;
}

struct issuer_env keeper_verify_env(struct keeper *k)
{
	bool floor = k->post->floor_fd >= 0;

	return (struct issuer_env){ .with = k,
		                        .fetch = fetch_for_verify,
		                        .now_ns = now_ns,
		                        .wall_s = wall_s,
		                        .moved = on_moved,
		                        .redis = k->config->root.redis ? keeper_ask_redis : NULL,
		                        .redis_ms = keeper_redis_ms,
		                        .counters_read = floor ? floor_read : NULL,
		                        .counters_write = floor ? floor_write : NULL,
		                        .fleet_get = keeper_fleet_get,
		                        .fleet_put = keeper_fleet_put,
		                        .machine = slice_of(k->member) };
}

/* ---- probing and resolving ---- */

struct probing {
	void (*done)(void *for_whom, int status, const char *failure);
	void *for_whom;
};

static void on_probed(void *with, const struct fetch_answer *a)
{
	struct probing *p = with;

	p->done(p->for_whom, a->status, a->failure);
	free(p);
}

static void probe(void *with, const char *url, const char *unix_socket, const char *host,
                  const struct config_upstream_tls *tls, uint64_t timeout_ns,
                  void (*done)(void *for_whom, int status, const char *failure), void *for_whom)
{
	struct keeper *k = with;
	struct probing *p = malloc(sizeof *p);
	const struct fetch_ask ask = { .url = url,
		                           .unix_socket = unix_socket,
		                           .host = host,
		                           .ca = keeper_file(k, tls->ca.at),
		                           .server_name = tls->server_name.at,
		                           .chain = keeper_file(k, tls->chain.at),
		                           .key = keeper_file(k, tls->key.at),
		                           .timeout_ns = timeout_ns };

	if (!p) {
		done(for_whom, 0, "out of memory");
		return;
	}
	*p = (struct probing){ done, for_whom };
	fetch(k->fetcher, &ask, on_probed, p);
}

static void resolve_name(void *with, const char *host, uint16_t port, resolved_f *done, void *for_whom)
{
	struct keeper *k = with;

	resolve(k->resolver, host, port, done, for_whom);
}

static void dial_endpoint(void *with, const struct sockaddr_storage *to, socklen_t len, uint64_t timeout_ns,
                          void (*done)(void *for_whom, bool accepted), void *for_whom)
{
	struct keeper *k = with;

	dial(k->dialler, to, len, timeout_ns, done, for_whom);
}

struct forward_env keeper_forward_env(struct keeper *k)
{
	return (struct forward_env){
		.with = k, .probe = probe, .resolve = resolve_name, .dial = dial_endpoint, .now_ns = now_ns
	};
}

/* ---- the fleet's Redis ---- */

/* The same over restarts, so that the fleet counts this machine once, and another one for a second Sallyport
 * beside it: the machine's secret and the one file that two cannot share. */
void keeper_name_member(struct keeper *k)
{
	struct slice socket = k->config->root.admin.socket;
	struct siphash_key key;
	char host[65] = "";

	memcpy(&key, k->machine_secret, sizeof key);
	if (gethostname(host, sizeof host - 1) != 0 || !host[0])
		snprintf(host, sizeof host, "unnamed");
	for (char *c = host; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '_';
	snprintf(k->member, sizeof k->member, "%016llx %s", (unsigned long long)siphash(key, socket), host);
	secret_wipe(&key, sizeof key);
}

bool keeper_open_redis(struct keeper *k)
{
	struct config_errors errors = { 0 };
	const struct redis_keeper_env env = { .config = k->config,
		                                  .bundle = k->post->generation->bundle,
		                                  .loop = k->loop,
		                                  .published = &k->shared->published->redis,
		                                  .member = slice_of(k->member),
		                                  .resolve = resolve_name,
		                                  .with = k };

	k->redis = redis_keeper_open(&env, &errors);
	bool ok = errors.count == 0;
	if (!ok)
		log_error("Redis cannot be used: %s", errors.text ? errors.text : "out of memory");
	config_errors_free(&errors);
	return ok;
}
