/* The counter beneath the kept files: two copies, each signed, written in turn. One that was torn by a crash
 * is skipped, and the other one counts. */
#include "base/log.h"
#include "base/secret.h"
#include "statedir/statedir.h"

struct copy {
	char mark[8];
	uint64_t count;
	struct statedir_counter at[COUNTERS];
	unsigned char mac[SHA256_LEN];
	char unused[COUNTER_BYTES - 16 - COUNTERS * sizeof(struct statedir_counter) - SHA256_LEN];
};
_Static_assert(sizeof(struct copy) == COUNTER_BYTES, "a copy fills its place");

static bool sign(const struct statedir *k, const struct copy *c, unsigned char mac[SHA256_LEN])
{
	return crypt_hmac((struct slice){ (const char *)k->counter_key, SHA256_LEN },
	                  (struct slice){ (const char *)c, offsetof(struct copy, mac) }, mac);
}

static uint64_t tag(const struct statedir *k, struct slice name)
{
	unsigned char mac[SHA256_LEN] = { 0 };
	uint64_t word = 0;

	if (crypt_hmac((struct slice){ (const char *)k->counter_key, SHA256_LEN }, name, mac))
		memcpy(&word, mac, sizeof word);
	return word | 1;
}

static bool is_blank(const struct copy *c)
{
	static const struct copy blank;

	return memcmp(c, &blank, sizeof blank) == 0;
}

void counters_read(struct statedir *k)
{
	unsigned char mac[SHA256_LEN];
	unsigned spoiled = 0;

	for (unsigned i = 0; k->file.read && i < 2; i++) {
		struct copy c;
		if (!k->file.read(k->file.with, &c, sizeof c, i * sizeof c) || is_blank(&c))
			continue;
		if (memcmp(c.mark, "SPfloor1", sizeof c.mark) != 0 || !sign(k, &c, mac) ||
		    !secret_same((struct slice){ (const char *)mac, sizeof mac },
		                 (struct slice){ (const char *)c.mac, sizeof c.mac })) {
			spoiled++;
			continue;
		}
		if (c.count < k->counter_writes)
			continue;
		k->counter_writes = c.count;
		memcpy(k->counter, c.at, sizeof k->counter);
	}
	if (spoiled == 2)
		log_warn("what was written last is not known any more (machine.floor was changed): "
		         "an older key snapshot put back would not be noticed this time");
}

static void write_counters(struct statedir *k)
{
	struct copy c = { .count = ++k->counter_writes };

	memcpy(c.mark, "SPfloor1", sizeof c.mark);
	memcpy(c.at, k->counter, sizeof c.at);
	if (k->file.write && sign(k, &c, c.mac) &&
	    !k->file.write(k->file.with, &c, sizeof c, c.count % 2 * sizeof c))
		log_warn("machine.floor cannot be written: an older key snapshot put back may not be noticed");
}

uint64_t statedir_counter(const struct statedir *k, struct slice name)
{
	uint64_t sought = k ? tag(k, name) : 0;

	for (size_t i = 0; k && i < COUNTERS; i++)
		if (k->counter[i].name == sought)
			return k->counter[i].number;
	return 0;
}

void statedir_set_counter(struct statedir *k, struct slice name, uint64_t number)
{
	struct statedir_counter *to = NULL;
	uint64_t sought = k ? tag(k, name) : 0;

	for (size_t i = 0; k && i < COUNTERS && (!to || to->name != sought); i++)
		if (!to || k->counter[i].name == sought || k->counter[i].number < to->number)
			to = &k->counter[i];
	if (!to)
		return;
	*to = (struct statedir_counter){ sought, number };
	write_counters(k);
}
