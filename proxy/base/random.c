/* Random numbers from the kernel. */
#include "base/random.h"
#include "base/check.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

/* In a page of its own, which is empty again in a forked child: it must not repeat its parent's bytes, and
 * asking for the process id each time would be a system call for every request. */
struct pool {
	size_t left;
	unsigned char bytes[4096 - sizeof(size_t)];
};

static struct pool *make_pool(void)
{
	struct pool *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED && madvise(p, sizeof *p, MADV_WIPEONFORK) == 0);
	return p;
}

static void fill(struct pool *p)
{
	while (p->left < sizeof p->bytes) { /* a signal may cut it short */
		ssize_t got = getrandom(p->bytes + p->left, sizeof p->bytes - p->left, 0);
		check(got > 0 || errno == EINTR);
		p->left += got > 0 ? (size_t)got : 0;
	}
}

void random_bytes(void *to, size_t len)
{
	static struct pool *pool;
	unsigned char *out = to;

	if (!pool)
		pool = make_pool();
	while (len) {
		if (pool->left == 0)
			fill(pool);
		size_t n = len < pool->left ? len : pool->left;
		unsigned char *from = pool->bytes + sizeof pool->bytes - pool->left;
		memcpy(out, from, n);
		memset(from, 0, n);
		out += n;
		len -= n;
		pool->left -= n;
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
