/* names.c -- addresses of names in published memory: one writer, two copies of each, flipped last. */
#include "base/ip.h"
#include "redis/keeper_inside.h"

size_t redis_names_read(const struct redis_names *n, const char *host,
                        struct sockaddr_storage to[static REDIS_ADDRESSES])
{
	size_t i = addresses_find(n, host), len;
	uint64_t before, after;

	if (i == REDIS_NAMES)
		return 0;
	do { /* a copy that is written while it is read comes with a generation that moved */
		before = atomic_load_explicit(&n->generation, memory_order_acquire);
		uint32_t copy = atomic_load_explicit(&n->name[i].copy, memory_order_acquire) & 1;
		const struct redis_addresses *a = &n->name[i].addresses[copy];
		len = a->len <= REDIS_ADDRESSES ? a->len : 0;
		memcpy(to, a->at, len * sizeof to[0]);
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&n->generation, memory_order_relaxed);
	} while (before != after);
	return strncmp(n->name[i].host, host, sizeof n->name[i].host) == 0 ? len : 0;
}

size_t addresses_find(const struct redis_names *n, const char *host)
{
	uint32_t len = atomic_load_explicit(&n->len, memory_order_acquire);

	for (uint32_t i = 0; i < len && i < REDIS_NAMES; i++)
		if (strncmp(n->name[i].host, host, sizeof n->name[i].host) == 0)
			return i;
	return REDIS_NAMES;
}

void addresses_name(struct redis_names *n, size_t i, const char *host)
{
	addresses_set(n, i, NULL, 0); /* the other's addresses are gone before its name is */
	addresses_set(n, i, NULL, 0);
	memset(n->name[i].host, 0, sizeof n->name[i].host);
	memcpy(n->name[i].host, host, strlen(host));
	if (i == atomic_load(&n->len))
		atomic_store_explicit(&n->len, (uint32_t)i + 1, memory_order_release);
}

void addresses_set(struct redis_names *n, size_t i, const struct sockaddr_storage *found, size_t len)
{
	struct redis_name *name = &n->name[i];
	uint32_t hidden = (atomic_load(&name->copy) & 1) ^ 1;
	struct redis_addresses *to = &name->addresses[hidden];

	to->len = 0;
	for (size_t j = 0; j < len && to->len < REDIS_ADDRESSES; j++)
		to->len += ip_plain(&found[j], 0, &to->at[to->len]);
	atomic_store(&name->copy, hidden);
	atomic_fetch_add(&n->generation, 1);
	/* the next write, to the copy hidden now, must not be seen before the generation */
	atomic_thread_fence(memory_order_seq_cst);
}
