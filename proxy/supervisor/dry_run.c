/* Tries a configuration out in a child before any process uses it. */
#include "supervisor/dry_run.h"
#include "base/log.h"
#include "base/path.h"
#include "journey/journey.h"
#include "keeper/keeper.h"
#include "redis/redis.h"
#include "supervisor/doubts.h"
#include "supervisor/place.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void *scratch(size_t len)
{
	void *memory =
	    mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static bool no_ask(void *with, struct slice issuer, struct slice kid, uint64_t token_iat_s)
{
	(void)with, (void)issuer, (void)kid, (void)token_iat_s;
	return false;
}

static void no_log(void *with, struct slice line, bool valued)
{
	(void)with, (void)line, (void)valued;
}

/* TLS files, servers: nothing is connected to. */
static void open_redis(const struct config *c, struct bundle *b, struct loop *loop,
                       struct config_errors *errors)
{
	const struct redis_env env = { .config = c, .bundle = b, .loop = loop, .name = S("check") };

	redis_close(redis_open(&env, errors));
}

/* Opens and closes a whole data plane on memory of its own: certificates, rules, CAs, limits, routes. */
static bool open_data_plane(const struct config *c, struct bundle *b, struct config_errors *errors)
{
	size_t limits_len = buckets_memory(c->root.limiting.table_size), keys_len = published_memory();
	size_t endpoints_len = sizeof(struct forward_published);
	void *limits = scratch(limits_len), *keys = scratch(keys_len), *endpoints = scratch(endpoints_len);
	static const struct ticket_keys tickets;
	struct loop *loop = loop_open();
	struct journey *j = NULL;

	if (limits && keys && endpoints && loop) {
		const struct journey_env env = { .config = c,
			                             .bundle = b,
			                             .loop = loop,
			                             .limits = buckets_attach(limits, c->root.limiting.table_size),
			                             .keys = published_attach(keys),
			                             .endpoints = endpoints,
			                             .tickets = &tickets,
			                             .ask = { .key_unknown = no_ask },
			                             .log = no_log };
		open_redis(c, b, loop, errors); /* what is wrong here hides nothing of the rest */
		j = journey_open(&env, errors);
		if (j)
			journey_close(j);
	} else {
		config_complain(errors, c->root.place, "there is not enough memory to try this configuration");
	}
	if (loop)
		loop_close(loop);
	if (limits)
		munmap(limits, limits_len);
	if (keys)
		munmap(keys, keys_len);
	if (endpoints)
		munmap(endpoints, endpoints_len);
	return j != NULL;
}

/* Without SO_REUSEPORT, so that another program there, or another Sallyport, is noticed. */
static int bind_alone(const struct sockaddr_storage *at, socklen_t len)
{
	int on = 1, fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (at->ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
	    bind(fd, (const struct sockaddr *)at, len) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* How many of the complaints may be true no more when it is tried again. */
static unsigned passing;

static bool try_address(struct slice address, struct config_place place, bool alone,
                        struct config_errors *errors)
{
	struct sockaddr_storage at;
	socklen_t len;

	if (!address_parse(address, &at, &len) || at.ss_family == AF_UNIX) {
		config_complain(errors, place, "%.*s is no IP address with a port", SLICE(address));
		return false;
	}
	int fd = alone ? bind_alone(&at, len) : listener_bind(&at, len, false);
	if (fd < 0) {
		passing += errno == EADDRINUSE || errno == EADDRNOTAVAIL;
		config_complain(errors, place, "%.*s cannot be bound: %s", SLICE(address), strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static bool try_addresses(const struct config *c, bool alone, struct config_errors *errors)
{
	bool ok = true;

	for (size_t i = 0; i < c->root.listeners_len; i++) {
		const struct config_listener *l = &c->root.listeners[i];
		ok &= try_address(l->address, l->place, alone, errors);
	}
	if (alone && c->root.status.address.len)
		ok &= try_address(c->root.status.address, c->root.status.place, true, errors);
	return ok;
}

/* Made where it is missing. It stays root's: the writer opens its file before it gives up its rights. */
static void make_log_directory(const struct config *c)
{
	char dir[4096];

	snprintf(dir, sizeof dir, "%.*s", SLICE(c->root.log.access));
	char *slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	int fd = path_directory(dir, 0750, NULL);
	if (fd >= 0)
		close(fd);
	else
		log_warn("log.access: %s cannot be made: %s", dir, strerror(errno));
}

/* As the writer will: before it gives up its rights, or after. */
static bool try_log(const struct config *c, const struct account *a, struct config_errors *errors)
{
	const char *path = c->root.log.access.at;
	struct path_self was;

	if (!path || strcmp(path, "stdout") == 0 || strcmp(path, "stderr") == 0)
		return true;
	int fd = path_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0640);
	int first = errno;
	if (fd < 0 && a->change && path_be(&was, a->uid, a->gid)) {
		fd = path_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0640);
		path_be_root(&was);
	}
	if (fd >= 0) {
		close(fd);
		return true;
	}
	config_complain(errors, c->root.log.place, "log.access: %s cannot be written: %s", path, strerror(first));
	return false;
}

bool dry_run(void *with, const struct config *c, struct bundle *b, struct config_errors *errors)
{
	struct dry_run *p = with;
	struct account account;
	char why[256];
	bool ok = open_data_plane(c, b, errors);

	doubts_log(c, b, !p->bind, errors);
	if (ok && p->in_force) {
		chains_try(c, b, p->in_force, clock_wall_ns() / NS_PER_S, errors);
		ok = errors->count == 0;
	}

	if (!account_find(&account, c->root.user, why, sizeof why)) {
		if (p->bind)
			config_complain(errors, c->root.place, "%s", why);
		return ok && !p->bind; /* `check` may look at the configuration of another host */
	}
	ok &= state_try(c, &account, p->bind, errors);
	if (!p->bind)
		return ok;
	make_log_directory(c);
	ok &= try_addresses(c, p->alone, errors);
	ok &= try_log(c, &account, errors);
	if (ok)
		chains_log_groups(c);
	p->hindered = !ok && errors->count == passing;
	return ok;
}
