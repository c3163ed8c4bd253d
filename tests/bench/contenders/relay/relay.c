/* relay.c -- the floor: copies bytes between clients and the origin and knows no protocol. What a proxy costs
 * above this is its own doing. usage: relay PORT ORIGIN-PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 65536
#define KEPT 65536

/* One direction's end; bytes that the peer does not take wait in `held`. */
static struct end {
	int peer;
	char *held;
	size_t from, to;
} ends[FDS_MAX];
static int poll_fd;
static uint16_t origin_port;

static void watch(int fd, uint32_t events)
{
	struct epoll_event want = { .events = events, .data.fd = fd };

	epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &want);
}

static void end_both(int fd)
{
	int peer = ends[fd].peer;

	for (int i = 0; i < 2; i++) {
		int one = i ? peer : fd;
		if (one < 0)
			continue;
		free(ends[one].held);
		ends[one] = (struct end){ .peer = -1 };
		close(one);
	}
}

/* Everything that fd holds for its peer; 0 where the connection is over. */
static int drain(int fd)
{
	struct end *e = &ends[fd];

	while (e->from < e->to) {
		ssize_t sent = send(e->peer, e->held + e->from, e->to - e->from, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN;
		e->from += (size_t)sent;
	}
	free(e->held);
	e->held = NULL;
	e->from = e->to = 0;
	return 1;
}

static int hold(struct end *e, const char *from, size_t len)
{
	e->held = malloc(len);
	if (!e->held)
		return 0;
	memcpy(e->held, from, len);
	e->from = 0;
	e->to = len;
	return 1;
}

/* `all`: the peer has said that it ends, so that only a recv of 0 is the end of what it sent. */
static int move(int fd, int all)
{
	static char bytes[KEPT];
	struct end *e = &ends[fd];
	ssize_t got;

	while (!e->held) {
		got = recv(fd, bytes, sizeof bytes, 0);
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		ssize_t sent = send(e->peer, bytes, (size_t)got, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return 0;
		size_t gone = sent > 0 ? (size_t)sent : 0;
		if (gone < (size_t)got && !hold(e, bytes + gone, (size_t)got - gone))
			return 0;
		if ((size_t)got < sizeof bytes && !all)
			return 1;
	}
	return 1;
}

static void greet(int listener)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                      .sin_port = htons(origin_port),
		                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd, up, on = 1;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		up = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (fd >= FDS_MAX || up >= FDS_MAX || up < 0) {
			close(fd);
			close(up);
			continue;
		}
		setsockopt(up, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		connect(up, (struct sockaddr *)&to, sizeof to);
		ends[fd] = (struct end){ .peer = up };
		ends[up] = (struct end){ .peer = fd };
		watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
		watch(up, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	}
}

static void on_event(int fd, uint32_t events)
{
	int all = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0, peer = ends[fd].peer;

	if (peer < 0)
		return;
	/* writable again: what was held for fd goes out, then what its peer has in store */
	int ok = ends[peer].held ? drain(peer) && move(peer, 0) : 1;
	if (!ok || !move(fd, all))
		end_both(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event events[256];

	if (argc != 3) {
		fprintf(stderr, "usage: relay PORT ORIGIN-PORT\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)strtol(argv[1], NULL, 10));
	origin_port = (uint16_t)strtol(argv[2], NULL, 10);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0) {
		perror("relay");
		return 1;
	}
	for (size_t i = 0; i < FDS_MAX; i++)
		ends[i].peer = -1;
	poll_fd = epoll_create1(0);
	watch(listener, EPOLLIN);
	for (;;) {
		int n = epoll_wait(poll_fd, events, 256, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				greet(listener);
			else
				on_event(events[i].data.fd, events[i].events);
		}
	}
}
