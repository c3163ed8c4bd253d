/* least_server.c CHAIN KEY WARM COUNT -- the least that OpenSSL holds for an idle connection, set as
 * Sallyport sets it: accepts WARM connections and COUNT more, which say nothing, and prints its port and then
 * the KiB of private memory for each of the COUNT. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long private_kib(void)
{
	char line[256];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	if (!f)
		exit(1);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, "Private_", 8) == 0)
			kib += strtoul(strchr(line, ':') + 1, NULL, 10);
	fclose(f);
	return kib;
}

static SSL_CTX *open_context(const char *chain, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, chain) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		exit(1);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

/* Ends as a server does that waits for a request: it has looked, and found nothing. */
static void take(SSL_CTX *ctx, int listener)
{
	int fd = accept(listener, NULL, NULL);
	SSL *ssl = SSL_new(ctx);
	char nothing[16];

	if (fd < 0 || !ssl || SSL_set_fd(ssl, fd) != 1 || SSL_accept(ssl) != 1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || SSL_read(ssl, nothing, sizeof nothing) > 0)
		exit(1);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 5 || bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 128) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) != 0)
		return 1;
	SSL_CTX *ctx = open_context(argv[1], argv[2]);
	long warm = strtol(argv[3], NULL, 10), count = strtol(argv[4], NULL, 10);
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (long i = 0; i < warm; i++)
		take(ctx, listener);
	unsigned long before = private_kib();
	for (long i = 0; i < count; i++)
		take(ctx, listener);
	printf("%.2f\n", (double)(private_kib() - before) / (double)count);
	return 0;
}
