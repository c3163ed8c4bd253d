/* ports.h -- ports for tests, as tests/tools/ports.py draws them: a block of twenty at a time, claimed by
 * an abstract Unix socket that is held until this process ends; each port is drawn once. A port plus
 * 10,000 belongs to who has the port: a Redis cluster's bus needs it. */
#pragma once
#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PORTS_FIRST = 12000, PORTS_BLOCK = 20, PORTS_BLOCKS = 500, PORTS_BUS = 10000 };

static inline bool ports_claim(unsigned block)
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

static inline bool port_is_free(unsigned port)
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
static inline unsigned ports_block(void)
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

static inline uint16_t free_port(void)
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
