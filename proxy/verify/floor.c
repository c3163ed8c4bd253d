/* The floor beneath the kept files: two copies, each signed, written in turn. One that was torn by a crash
 * is skipped, and the other one counts. */
#include "base/log.h"
#include "base/secret.h"
#include "verify/kept.h"

struct copy {
	char mark[8];
	uint64_t count;
	struct floor at[FLOORS];
	unsigned char mac[SHA256_LEN];
	char unused[FLOOR_BYTES - 16 - FLOORS * sizeof(struct floor) - SHA256_LEN];
};
_Static_assert(sizeof(struct copy) == FLOOR_BYTES, "a copy fills its place");

static bool sign(const struct kept *k, const struct copy *c, unsigned char mac[SHA256_LEN])
{
	return crypt_hmac((struct slice){ (const char *)k->floor_key, SHA256_LEN },
	                  (struct slice){ (const char *)c, offsetof(struct copy, mac) }, mac);
}

static uint64_t tag(const struct kept *k, struct slice name)
{
	unsigned char mac[SHA256_LEN] = { 0 };
	uint64_t word = 0;

	if (crypt_hmac((struct slice){ (const char *)k->floor_key, SHA256_LEN }, name, mac))
		memcpy(&word, mac, sizeof word);
	return word | 1;
}

static bool is_blank(const struct copy *c)
{
	static const struct copy blank;

	return memcmp(c, &blank, sizeof blank) == 0;
}

void floor_read(struct kept *k)
{
	unsigned char mac[SHA256_LEN];
	unsigned spoiled = 0;

	for (unsigned i = 0; k->world->floor_read && i < 2; i++) {
		struct copy c;
		if (!k->world->floor_read(k->world->with, &c, sizeof c, i * sizeof c) || is_blank(&c))
			continue;
		if (memcmp(c.mark, "SPfloor1", sizeof c.mark) != 0 || !sign(k, &c, mac) ||
		    !secret_same((struct slice){ (const char *)mac, sizeof mac },
		                 (struct slice){ (const char *)c.mac, sizeof c.mac })) {
			spoiled++;
			continue;
		}
		if (c.count < k->floor_count)
			continue;
		k->floor_count = c.count;
		memcpy(k->floor, c.at, sizeof k->floor);
	}
	if (spoiled == 2)
		log_warn("what was written last is not known any more (machine.floor was changed): "
		         "an older key snapshot put back would not be noticed this time");
}

static void write_floor(struct kept *k)
{
	struct copy c = { .count = ++k->floor_count };

	memcpy(c.mark, "SPfloor1", sizeof c.mark);
	memcpy(c.at, k->floor, sizeof c.at);
	if (k->world->floor_write && sign(k, &c, c.mac) &&
	    !k->world->floor_write(k->world->with, &c, sizeof c, c.count % 2 * sizeof c))
		log_warn("machine.floor cannot be written: an older key snapshot put back may not be noticed");
}

uint64_t kept_floor(const struct kept *k, struct slice name)
{
	uint64_t sought = k ? tag(k, name) : 0;

	for (size_t i = 0; k && i < FLOORS; i++)
		if (k->floor[i].name == sought)
			return k->floor[i].number;
	return 0;
}

void kept_set_floor(struct kept *k, struct slice name, uint64_t number)
{
	struct floor *to = NULL;
	uint64_t sought = k ? tag(k, name) : 0;

	for (size_t i = 0; k && i < FLOORS && (!to || to->name != sought); i++)
		if (!to || k->floor[i].name == sought || k->floor[i].number < to->number)
			to = &k->floor[i];
	if (!to)
		return;
	*to = (struct floor){ sought, number };
	write_floor(k);
}
