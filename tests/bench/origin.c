/* origin.c -- the bench's upstream: answers every request head with the same 128 bytes, with epoll and
 * nothing else. usage: origin PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY "................................................................" \
	"................................................................"

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n" BODY;

/* Heads end with a blank line; GETs have no body. The state is how much of "\r\n\r\n" was seen last. */
static unsigned char seen[1 << 16];

static int serve(int fd)
{
	static char bytes[65536];
	ssize_t got = recv(fd, bytes, sizeof bytes, 0);

	if (got <= 0)
		return got < 0 && errno == EAGAIN ? 0 : -1;
	for (ssize_t i = 0; i < got; i++) {
		unsigned char *state = &seen[fd];
		*state = (unsigned char)(bytes[i] == "\r\n\r\n"[*state] ? *state + 1 : bytes[i] == '\r');
		if (*state < 4)
			continue;
		*state = 0;
		if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
			return -1;
	}
	return 0;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) {
		perror("origin");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	int listener = listen_on((uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 9000)),
	    poll = epoll_create1(0), on = 1;
	struct epoll_event events[256], want = { .events = EPOLLIN, .data.fd = listener };

	epoll_ctl(poll, EPOLL_CTL_ADD, listener, &want);
	for (;;) {
		int n = epoll_wait(poll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd != listener) {
				if (serve(fd) < 0)
					close(fd);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
				want.data.fd = fd;
				seen[fd & 0xffff] = 0;
				epoll_ctl(poll, EPOLL_CTL_ADD, fd, &want);
			}
		}
	}
}
