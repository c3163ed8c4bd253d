/* ports.c -- what ports.h promises. */
#include "ports.h"

static bool ports_claim(unsigned block)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int len = snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "sallyport-test-ports-%u", block);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);

	if (bind(fd, (const struct sockaddr *)&at, size) == 0)
		return true; /* the descriptor stays open: it is the claim */
	close(fd);
	return false;
}

static bool port_is_free(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                      .sin_port = htons((uint16_t)port),
		                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0;

	close(fd);
	return is_free;
}

/* The first port of a block that was nobody's until now. */
static unsigned ports_block(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	unsigned from = (unsigned)now.tv_nsec / 1000 + (unsigned)getpid() * 7;
	for (unsigned i = 0; i < PORTS_BLOCKS; i++)
		if (ports_claim((from + i) % PORTS_BLOCKS))
			return PORTS_FIRST + (from + i) % PORTS_BLOCKS * PORTS_BLOCK;
	fprintf(stderr, "all ports from 12000 to 21999 are claimed by tests that run\n");
	abort();
}

uint16_t free_port(void)
{
	static unsigned next, end;

	for (;;) {
		if (next == end) {
			next = ports_block();
			end = next + PORTS_BLOCK;
		}
		unsigned port = next++;
		if (port_is_free(port) && port_is_free(port + PORTS_BUS))
			return (uint16_t)port;
	}
}
