/* Finds the directory and the ports of `sallyport dev`. */
#include "dev/place.h"
#include "base/path.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const roles[] = { "the proxy", "the issuer", "the echo upstream", "probes and metrics" };

static bool find_dir(struct dev_place *p)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct text h = TEXT(p->home), t = TEXT(p->dir);

	p->home_told = state && state[0] == '/';
	if (p->home_told) {
		text_add(&h, slice_of(state));
	} else if (home && home[0] == '/') {
		text_add(&h, slice_of(home));
		text_add(&h, S("/.local/state"));
	} else {
		fprintf(stderr, "sallyport: neither XDG_STATE_HOME nor HOME is an absolute path; set one of them\n");
		return false;
	}
	text_add(&t, text_slice(&h));
	text_add(&t, S("/sallyport/dev"));
	if (p->port[PLACE_PROXY] != DEV_PORT) {
		text_char(&t, '-');
		text_u64(&t, p->port[PLACE_PROXY]);
	}
	if (!text_end(&h) || !text_end(&t) || t.len > PATH_MAX - 64) {
		fprintf(stderr, "sallyport: the state directory's path is too long\n");
		return false;
	}
	return true;
}

void place_word(struct text *t, struct slice s)
{
	bool plain = s.len > 0;

	for (size_t i = 0; i < s.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-", s.at[i]))
			plain = false;
	text_add(t, plain ? S("") : S("'"));
	for (size_t i = 0; i < s.len; i++)
		text_add(t, s.at[i] == '\'' ? S("'\\''") : (struct slice){ s.at + i, 1 });
	text_add(t, plain ? S("") : S("'"));
}

static void find_binary(struct dev_place *p)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path);
	struct text t = TEXT(p->binary);

	place_word(&t, len > 0 ? (struct slice){ path, (size_t)len } : S("sallyport"));
	if (!text_end(&t))
		memcpy(p->binary, "sallyport", sizeof "sallyport");
}

bool place_find(struct dev_place *p, unsigned port)
{
	struct text issuer = TEXT(p->issuer);

	if (port < 1 || port > 65535 - PLACE_PORTS) {
		fprintf(stderr, "sallyport: --port takes a number from 1 to %d\n", 65535 - PLACE_PORTS);
		return false;
	}
	for (unsigned i = 0; i < PLACE_PORTS; i++)
		p->port[i] = (uint16_t)(port + i);
	text_printf(&issuer, "http://127.0.0.1:%u/", (unsigned)p->port[PLACE_ISSUER]);
	find_binary(p);
	return text_end(&issuer) && find_dir(p);
}

bool place_make(const struct dev_place *p)
{
	int fd = path_directories(p->dir, 0700);
	bool ours = fd >= 0 && fchmod(fd, 0700) == 0;
	int why = errno;

	if (fd >= 0)
		close(fd);
	if (!ours)
		fprintf(stderr, "sallyport: cannot make the directory %s: %s\n", p->dir, strerror(why));
	return ours;
}

bool place_file(const struct dev_place *p, const char *name, char to[static PATH_MAX])
{
	struct text t = { .at = to, .cap = PATH_MAX };

	text_add(&t, slice_of(p->dir));
	text_char(&t, '/');
	text_add(&t, slice_of(name));
	if (text_end(&t))
		return true;
	fprintf(stderr, "sallyport: the path %s/%s is too long\n", p->dir, name);
	return false;
}

/* A socket bound to the port of 127.0.0.1, or -1 with errno. */
static int bound(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                      .sin_port = htons((uint16_t)port),
		                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	/* SO_REUSEADDR for connections of an earlier run that are still waiting to be forgotten */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return -1;
}

/* The first of four free ports, some way above those that were asked for; where all are taken, one above. */
static unsigned free_row(const struct dev_place *p)
{
	const unsigned last = 65535 - PLACE_PORTS;

	for (unsigned i = 1; i < 60; i++) {
		unsigned first = (p->port[PLACE_PROXY] + i * 1000) % last, free = 0;
		for (int fd; free < PLACE_PORTS && first >= 1024 && (fd = bound(first + free)) >= 0; free++)
			close(fd);
		if (free == PLACE_PORTS)
			return first;
	}
	return p->port[PLACE_PROXY] % (last - 1024) + 1024;
}

static void tell_why(const struct dev_place *p, unsigned which, int why)
{
	unsigned instead;

	if (why != EADDRINUSE) {
		fprintf(stderr, "sallyport: cannot use port %u of 127.0.0.1, for %s: %s\n", p->port[which],
		        roles[which], strerror(why));
		return;
	}
	instead = free_row(p);
	fprintf(stderr,
	        "sallyport: port %u of 127.0.0.1, for %s, is taken by another program; stop it, or take "
	        "four other ports in a row: make dev DEV=\"--port %u\", which is %s dev --port %u\n",
	        p->port[which], roles[which], instead, p->binary, instead);
}

static int claim(const struct dev_place *p, unsigned which)
{
	int fd = bound(p->port[which]);

	if (fd < 0)
		tell_why(p, which, errno);
	return fd;
}

int place_listen(const struct dev_place *p, unsigned which)
{
	int fd = claim(p, which);

	if (fd >= 0 && listen(fd, 1024) != 0) {
		fprintf(stderr, "sallyport: cannot listen on port %u of 127.0.0.1: %s\n", p->port[which],
		        strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

bool place_is_free(const struct dev_place *p, unsigned which)
{
	int fd = claim(p, which);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}
