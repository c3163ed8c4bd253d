/* peers.c -- small nonblocking servers on Unix sockets, looked at once in each turn of the scene. */
#include "scene.h"
#include "base/check.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

int peers_listen(const struct scene *s, const char *socket)
{
	struct sockaddr_storage at;
	socklen_t len;
	char text[160];
	struct text t = TEXT(text);

	text_add(&t, S("unix:"));
	text_add(&t, slice_of(socket));
	check(address_parse(text_slice(&t), &at, &len));
	unlink(socket);
	int fd = listener_bind(&at, len, true);
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		scene_fail(s, "%s cannot listen", socket);
	return fd;
}

void peers_init(struct peer *peers)
{
	for (unsigned i = 0; i < PEERS; i++)
		peers[i].fd = -1;
}

void peers_accept(int listening, struct peer *peers)
{
	for (unsigned i = 0; i < PEERS && listening >= 0; i++) {
		struct peer *p = &peers[i];
		if (p->fd >= 0)
			continue;
		p->fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		p->len = 0;
		p->echoes = p->streams = false;
		if (p->fd < 0)
			return;
	}
}

bool peer_read(struct peer *p, bool *over)
{
	*over = false;
	if (p->fd < 0 || p->len == sizeof p->in)
		return false;
	ssize_t got = read(p->fd, p->in + p->len, sizeof p->in - p->len);
	if (got > 0)
		p->len += (size_t)got;
	*over = got == 0 || (got < 0 && errno != EAGAIN);
	if (*over)
		peer_close(p);
	return got > 0;
}

void peer_write(struct peer *p, struct slice bytes)
{
	ssize_t done = send(p->fd, bytes.at, bytes.len, MSG_NOSIGNAL);

	if (done >= 0)
		check((size_t)done == bytes.len); /* a scene's answers are short */
	else
		peer_close(p);
}

void peer_eat(struct peer *p, size_t len)
{
	p->len -= len;
	memmove(p->in, p->in + len, p->len);
}

void peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
