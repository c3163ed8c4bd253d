/* visit.c -- the load that wrk and h2load cannot make.
 *
 * visit connect PORT SECONDS [resume]   new connections one after the other in each of 8 threads: handshake,
 *                                       one GET, close. Prints how many, how many resumed, how many failed.
 * visit hold PORT COUNT h1|h2           opens COUNT connections, one answered GET on each, prints "held N"
 *                                       and keeps them until its standard input ends. Fails where the
 *                                       server has closed one meanwhile. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8

static uint16_t port;
static bool h2, resume;
static time_t until;
static _Atomic unsigned long done, resumed, failed;

static int reach(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                      .sin_port = htons(port),
		                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval timeout = { 10, 0 };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static SSL_CTX *new_context(void)
{
	static const unsigned char h1_name[] = "\x08http/1.1", h2_name[] = "\x02h2";
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	if (h2)
		SSL_CTX_set_alpn_protos(c, h2_name, sizeof h2_name - 1);
	else
		SSL_CTX_set_alpn_protos(c, h1_name, sizeof h1_name - 1);
	return c;
}

static SSL *greet(SSL_CTX *c, int fd, SSL_SESSION *known)
{
	SSL *s = SSL_new(c);

	SSL_set_fd(s, fd);
	SSL_set_tlsext_host_name(s, "localhost");
	if (known)
		SSL_set_session(s, known);
	if (SSL_connect(s) == 1)
		return s;
	SSL_free(s);
	return NULL;
}

static bool ask_h1(SSL *s)
{
	static const char ask[] = "GET /x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: visit\r\n\r\n";
	char got[16384];
	int len = SSL_write(s, ask, sizeof ask - 1) > 0 ? SSL_read(s, got, sizeof got - 1) : 0;

	if (len < 12 || memcmp(got, "HTTP/1.1 200", 12) != 0)
		return false;
	got[len] = '\0';
	while (!strstr(got, "....") && len < (int)sizeof got - 1) { /* the body may come by itself */
		int more = SSL_read(s, got + len, (int)sizeof got - 1 - len);
		if (more <= 0)
			return false;
		got[len += more] = '\0';
	}
	return true;
}

/* A server may close a connection that leaves its settings unanswered. */
static bool acknowledge(SSL *s)
{
	static const char ack[] = "\0\0\0\4\1\0\0\0\0";

	return SSL_write(s, ack, sizeof ack - 1) > 0;
}

/* Preface, empty SETTINGS, and one stream: GET https://localhost/ from HPACK's static table. */
static bool ask_h2(SSL *s)
{
	static const char ask[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	                          "\0\0\0\4\0\0\0\0\0"
	                          "\0\0\x0e\1\5\0\0\0\1"
	                          "\x82\x87\x84\x41\x09"
	                          "localhost";
	unsigned char got[32768];
	size_t have = 0;

	if (SSL_write(s, ask, sizeof ask - 1) <= 0)
		return false;
	for (;;) {
		int len = SSL_read(s, got + have, (int)(sizeof got - have));
		if (len <= 0)
			return false;
		have += (size_t)len;
		for (size_t at = 0; have - at >= 9;) {
			size_t size = (size_t)got[at] << 16 | (size_t)got[at + 1] << 8 | got[at + 2];
			if (have - at < 9 + size)
				break;
			if (got[at + 3] <= 1 && (got[at + 4] & 1)) /* END_STREAM on HEADERS or DATA */
				return acknowledge(s);
			if (got[at + 3] == 3 || got[at + 3] == 7) /* RST_STREAM, GOAWAY */
				return false;
			at += 9 + size;
		}
		if (have == sizeof got)
			return false;
	}
}

static bool visit_once(SSL_CTX *c, SSL_SESSION **known)
{
	int fd = reach();
	SSL *s = fd < 0 ? NULL : greet(c, fd, *known);
	bool ok = s && ask_h1(s);

	if (ok && SSL_session_reused(s))
		resumed++;
	if (ok && resume) { /* in TLS 1.3 the ticket has come with the answer */
		SSL_SESSION_free(*known);
		*known = SSL_get1_session(s);
	}
	if (s) {
		SSL_shutdown(s);
		SSL_free(s);
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

static void *client_facts(void *unused)
{
	SSL_CTX *c = new_context();
	SSL_SESSION *known = NULL;

	(void)unused;
	while (time(NULL) < until) {
		if (visit_once(c, &known))
			done++;
		else
			failed++;
	}
	SSL_SESSION_free(known);
	SSL_CTX_free(c);
	return NULL;
}

static int connect_for(long seconds)
{
	pthread_t threads[THREADS];

	until = time(NULL) + seconds;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, client_facts, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("done %lu resumed %lu failed %lu\n", done, resumed, failed);
	return 0;
}

/* Connections that the other side has ended. */
static long closed(struct pollfd *held, long count)
{
	long n = 0;

	poll(held, (nfds_t)count, 0);
	for (long i = 0; i < count; i++)
		n += (held[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
	return n;
}

static int hold(long count)
{
	SSL_CTX *c = new_context();
	struct pollfd *fds = calloc((size_t)count + 1, sizeof *fds);
	long held = 0;

	for (; fds && held < count; held++) {
		int fd = reach();
		SSL *s = fd < 0 ? NULL : greet(c, fd, NULL);
		if (!s || !(h2 ? ask_h2(s) : ask_h1(s)))
			break;
		SSL_set_fd(s, -1); /* the descriptor stays open, and nobody here needs the keys any more */
		SSL_set_quiet_shutdown(s, 1);
		SSL_free(s);
		fds[held] = (struct pollfd){ .fd = fd, .events = POLLRDHUP };
	}
	printf("held %ld\n", held);
	fflush(stdout);
	for (char c2; read(STDIN_FILENO, &c2, 1) > 0;)
		;
	return held == count && closed(fds, held) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: visit connect PORT SECONDS [resume] | visit hold PORT COUNT h1|h2\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN); /* who is refused says so itself */
	port = (uint16_t)strtol(argv[2], NULL, 10);
	if (strcmp(argv[1], "hold") == 0) {
		h2 = argc > 4 && strcmp(argv[4], "h2") == 0;
		return hold(strtol(argv[3], NULL, 10));
	}
	resume = argc > 4 && strcmp(argv[4], "resume") == 0;
	return connect_for(strtol(argv[3], NULL, 10));
}
