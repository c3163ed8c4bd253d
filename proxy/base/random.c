#include "base/random.h"
#include "base/check.h"
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static struct {
	unsigned char bytes[512];
	size_t left;
	pid_t owner; /* a forked child must not repeat its parent's bytes */
} pool;

void random_bytes(void *to, size_t len)
{
	unsigned char *out = to;

	if (pool.owner != getpid()) {
		pool.left = 0;
		pool.owner = getpid();
	}
	while (len) {
		if (pool.left == 0) {
			check(getrandom(pool.bytes, sizeof pool.bytes, 0) == (ssize_t)sizeof pool.bytes);
			pool.left = sizeof pool.bytes;
		}
		size_t n = len < pool.left ? len : pool.left;
		unsigned char *from = pool.bytes + sizeof pool.bytes - pool.left;
		memcpy(out, from, n);
		memset(from, 0, n);
		out += n;
		len -= n;
		pool.left -= n;
	}
}

uint64_t random_u64(void)
{
	uint64_t n;

	random_bytes(&n, sizeof n);
	return n;
}

uint64_t random_jitter(uint64_t value, unsigned percent)
{
	uint64_t reach = value / 100 * percent;

	return reach ? value - reach + random_u64() % (2 * reach + 1) : value;
}
