/* origin.c -- the bench's upstream, with epoll and nothing else: answers every request head with 200 and a
 * body of 128 bytes, or of N bytes where the path is /N. usage: origin PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 65536
#define BODY_MAX (2 << 20)

static char body[BODY_MAX];

/* GETs have no body: heads end with a blank line. */
static struct peer {
	unsigned char state;   /* how much of "\r\n\r\n" was seen last */
	unsigned char at;      /* bytes of the target seen: 0 before its slash */
	size_t wanted;         /* the number in the path */
	size_t head_len, left; /* of the answer: bytes of head and body not sent */
	char head[96];
} peers[FDS_MAX];

/* Sends what is left of an answer; false where the peer is gone. */
static int push(int fd, struct peer *p)
{
	while (p->head_len + p->left) {
		struct iovec parts[2] = { { p->head + sizeof p->head - p->head_len, p->head_len },
			                      { body, p->left } };
		ssize_t sent = writev(fd, parts, 2);
		if (sent < 0)
			return errno == EAGAIN;
		size_t of_head = (size_t)sent < p->head_len ? (size_t)sent : p->head_len;
		p->head_len -= of_head;
		p->left -= (size_t)sent - of_head;
	}
	return 1;
}

static void answer(struct peer *p)
{
	char text[sizeof p->head];
	size_t len = p->wanted ? p->wanted : 128;

	p->left = len < BODY_MAX ? len : BODY_MAX;
	p->head_len = (size_t)snprintf(
	    text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
	    p->left);
	memcpy(p->head + sizeof p->head - p->head_len, text, p->head_len);
	p->state = p->at = 0;
	p->wanted = 0;
}

static void look(struct peer *p, char c)
{
	p->state = (unsigned char)(c == "\r\n\r\n"[p->state] ? p->state + 1 : c == '\r');
	if (p->at == 0 && c == '/')
		p->at = 1;
	else if (p->at == 1 && c >= '0' && c <= '9')
		p->wanted = p->wanted * 10 + (size_t)(c - '0');
	else if (p->at == 1)
		p->at = 2;
}

static int serve(int fd, struct peer *p)
{
	static char bytes[65536];
	ssize_t got = recv(fd, bytes, sizeof bytes, 0);

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	for (ssize_t i = 0; i < got; i++) {
		look(p, bytes[i]);
		if (p->state < 4)
			continue;
		answer(p);
		if (!push(fd, p))
			return 0;
	}
	return 1;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                      .sin_port = htons(port),
		                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) {
		perror("origin");
		exit(1);
	}
	return fd;
}

static void greet(int poll, int listener)
{
	struct epoll_event want = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		if (fd >= FDS_MAX) {
			close(fd);
			continue;
		}
		peers[fd] = (struct peer){ 0 };
		want.data.fd = fd;
		epoll_ctl(poll, EPOLL_CTL_ADD, fd, &want);
	}
}

int main(int argc, char **argv)
{
	int listener = listen_on((uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 9000));
	int poll = epoll_create1(0);
	struct epoll_event events[256], want = { .events = EPOLLIN, .data.fd = listener };

	signal(SIGPIPE, SIG_IGN); /* a client that leaves in the middle */
	memset(body, '.', sizeof body);
	epoll_ctl(poll, EPOLL_CTL_ADD, listener, &want);
	for (;;) {
		int n = epoll_wait(poll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener)
				greet(poll, listener);
			else if (!push(fd, &peers[fd]) || (events[i].events != EPOLLOUT && !serve(fd, &peers[fd])))
				close(fd);
		}
	}
}
