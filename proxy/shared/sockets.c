/* Binds and closes the listening sockets. */
#include "shared/sockets.h"
#include "base/check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE 4096 /* connections that may wait to be accepted, of one socket */

static bool same(const struct socket_one *o, const struct sockaddr_storage *at, socklen_t len)
{
	return o->len == len && memcmp(&o->at, at, len) == 0;
}

static struct socket_one *find(const struct sockets *s, const struct sockaddr_storage *at, socklen_t len,
                               unsigned slot)
{
	for (size_t i = 0; i < s->len; i++)
		if (s->one[i].slot == slot && same(&s->one[i], at, len))
			return &s->one[i];
	return NULL;
}

int sockets_find(const struct sockets *s, struct slice address, unsigned slot)
{
	struct sockaddr_storage at;
	socklen_t len;

	if (!address_parse(address, &at, &len))
		return -1;
	struct socket_one *one = find(s, &at, len, slot);
	return one ? one->fd : -1;
}

unsigned sockets_slots(const struct sockets *s)
{
	unsigned most = 0;

	for (size_t i = 0; i < s->len; i++)
		if (s->one[i].slot >= most)
			most = s->one[i].slot + 1;
	return most;
}

static bool add(struct sockets *s, const struct sockaddr_storage *at, socklen_t len, unsigned slot)
{
	if (s->len == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct socket_one *more = realloc(s->one, cap * sizeof *more);
		if (!more)
			return false;
		s->one = more;
		s->cap = cap;
	}
	int fd = listener_bind(at, len, false);
	if (fd < 0)
		return false;
	s->one[s->len++] = (struct socket_one){ *at, len, slot, fd, false };
	return true;
}

static void forget_from(struct sockets *s, size_t keep)
{
	while (s->len > keep)
		close(s->one[--s->len].fd);
}

bool sockets_bind(struct sockets *s, const struct config_listener *l, size_t listeners, unsigned slots,
                  char *why, size_t why_cap)
{
	size_t before = s->len;
	struct sockaddr_storage at;
	socklen_t len;

	for (size_t i = 0; i < listeners; i++) {
		bool parsed = address_parse(l[i].address, &at, &len);
		check(parsed); /* the configuration was checked */
		for (unsigned slot = 0; slot < slots; slot++) {
			if (find(s, &at, len, slot) || add(s, &at, len, slot))
				continue;
			snprintf(why, why_cap, "%.*s cannot be bound: %s", SLICE(l[i].address), strerror(errno));
			forget_from(s, before);
			return false;
		}
	}
	return true;
}

bool sockets_listen(struct sockets *s, char *why, size_t why_cap)
{
	for (size_t i = 0; i < s->len; i++) {
		if (s->one[i].listening)
			continue;
		if (listen(s->one[i].fd, QUEUE) != 0) {
			snprintf(why, why_cap, "a socket cannot listen: %s", strerror(errno));
			return false;
		}
		s->one[i].listening = true;
	}
	return true;
}

static bool is_wanted(const struct socket_one *o, const struct config_listener *l, size_t listeners)
{
	struct sockaddr_storage at;
	socklen_t len;

	for (size_t i = 0; i < listeners; i++) {
		if (address_parse(l[i].address, &at, &len) && same(o, &at, len))
			return true;
	}
	return false;
}

void sockets_trim(struct sockets *s, const struct config_listener *l, size_t listeners)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->len; i++) {
		if (is_wanted(&s->one[i], l, listeners))
			s->one[kept++] = s->one[i];
		else
			close(s->one[i].fd);
	}
	s->len = kept;
}

void sockets_close(struct sockets *s)
{
	forget_from(s, 0);
	free(s->one);
	*s = (struct sockets){ 0 };
}
