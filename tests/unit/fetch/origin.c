/* origin.c -- what origin.h promises. */
#include "origin.h"

static long origin_read(SSL *ssl, int fd, char *to, size_t cap)
{
	return ssl ? SSL_read(ssl, to, (int)cap) : read(fd, to, cap);
}

static void origin_say(SSL *ssl, int fd, const char *text, size_t len)
{
	if (ssl)
		SSL_write(ssl, text, (int)len);
	else if (write(fd, text, len) < 0)
		return;
}

/* False: hang up. */
static bool origin_answer(const struct origin *o, SSL *ssl, int fd)
{
	static const char *const answers[][2] = {
		{ "/keys", "HTTP/1.1 200 OK\r\nCache-Control: public, MAX-AGE=77\r\nContent-Length: 5\r\n\r\nhello" },
		{ "/500", "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nsad" },
		{ "/no-store", "HTTP/1.1 200 OK\r\nCache-Control: max-age=77, no-store\r\nContent-Length: "
		               "0\r\n\r\n" },
		{ "/plain", "HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n" },
		{ "http://issuer.invalid/keys", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
		{ "/nonsense", "SMTP ready\r\n\r\n" },
		{ "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello" },
	};
	static const char big[] = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n";
	static const char zeros[2000];
	const char *path = strchr(o->request, ' ') + 1;

	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
		if (!strncmp(path, answers[i][0], strlen(answers[i][0]))) {
			origin_say(ssl, fd, answers[i][1], strlen(answers[i][1]));
			return i < 5; /* the others hang up */
		}
	if (!strncmp(path, "/big", 4)) {
		origin_say(ssl, fd, big, strlen(big));
		for (int i = 0; i < 1000; i++)
			origin_say(ssl, fd, zeros, sizeof zeros);
		return true;
	}
	return false; /* anything else: a close without a word */
}

/* Is the request there with its body? */
static bool origin_is_whole(const char *head, size_t len)
{
	const char *end = strstr(head, "\r\n\r\n"), *length = strstr(head, "Content-Length: ");
	size_t body = length ? strtoul(length + 16, NULL, 10) : 0;

	return end && len >= (size_t)(end + 4 - head) + body;
}

static void *origin_serve(void *with)
{
	struct origin_guest *guest = with;
	struct origin *o = guest->origin;
	SSL *ssl = o->tls ? SSL_new(o->tls) : NULL;
	char head[sizeof o->request];
	size_t len = 0;
	long n;

	if (ssl && (SSL_set_fd(ssl, guest->fd) != 1 || SSL_accept(ssl) != 1))
		goto out;
	while ((n = origin_read(ssl, guest->fd, head + len, sizeof head - 1 - len)) > 0) {
		len += (size_t)n;
		head[len] = '\0';
		if (!origin_is_whole(head, len))
			continue;
		memcpy(o->request, head, len + 1); /* the tests ask one after the other */
		len = 0;
		if (!strstr(head, " /hang ") && !origin_answer(o, ssl, guest->fd))
			break;
	}
out:
	SSL_free(ssl);
	close(guest->fd);
	free(guest);
	return NULL;
}

static void *origin_run(void *with)
{
	struct origin *o = with;
	int fd;

	while ((fd = accept(o->listener, NULL, NULL)) >= 0) {
		unsigned i = atomic_fetch_add(&o->connections, 1);
		struct origin_guest *guest = malloc(sizeof *guest);
		if (!guest || i >= sizeof o->servers / sizeof *o->servers)
			abort();
		*guest = (struct origin_guest){ o, fd };
		if (pthread_create(&o->servers[i], NULL, origin_serve, guest) != 0)
			abort();
	}
	return NULL;
}

void origin_open(struct origin *o, const char *unix_path, SSL_CTX *tls)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof in;

	*o = (struct origin){ .tls = tls };
	o->listener = socket(unix_path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
	if (unix_path) {
		snprintf(o->path, sizeof o->path, "%s", unix_path);
		memcpy(un.sun_path, o->path, sizeof o->path);
	}
	if (bind(o->listener, unix_path ? (void *)&un : (void *)&in, unix_path ? sizeof un : sizeof in) != 0 ||
	    listen(o->listener, 16) != 0)
		abort();
	if (!unix_path && getsockname(o->listener, (struct sockaddr *)&in, &len) == 0)
		o->port = ntohs(in.sin_port);
	if (pthread_create(&o->thread, NULL, origin_run, o) != 0)
		abort();
}

void origin_close(struct origin *o)
{
	shutdown(o->listener, SHUT_RDWR);
	pthread_join(o->thread, NULL);
	for (unsigned i = 0; i < atomic_load(&o->connections); i++)
		pthread_join(o->servers[i], NULL);
	close(o->listener);
	SSL_CTX_free(o->tls);
	if (o->path[0])
		unlink(o->path);
}
