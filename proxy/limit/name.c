/* name.c -- what a key is called in Redis: KEYSPACE:ENVIRONMENT:rl:{32 hex digits}. The digits are two
 * SipHash-2-4 of the limit's name and the key's parts, under keys that HKDF-SHA256 (RFC 5869) makes of the
 * fleet's secret: all machines of a fleet make the same name, whoever reads Redis cannot tell an address
 * or a subject from it, and no stranger can make a key that meets another's. Nothing else would do: a key
 * made by each machine would have each count alone, and one that stands in this source anybody could use.
 * So the configuration demands a secret of the fleet where a limit is the fleet's. A new secret begins new
 * buckets. The first half is also the bucket's tag in the table, the same on every machine. */
#include "limit/fleet.h"
#include "base/check.h"
#include "base/text.h"

uint64_t name_half(const struct limits *l, const struct plan *plan, const struct limit_key *key,
                   unsigned which)
{
	char bytes[KEY_SIZE + 64];
	struct text text = TEXT(bytes);

	text_char(&text, (char)plan->limit->id.len);
	text_add(&text, plan->limit->id);
	key_write(key, &text);
	return siphash(l->names[which], text_slice(&text));
}

void name_hex(const struct limits *l, const struct plan *plan, const struct limit_key *key,
              char to[static LIMIT_NAME])
{
	uint64_t half[2] = { name_half(l, plan, key, 0), name_half(l, plan, key, 1) };
	struct text hex = { .at = to, .cap = LIMIT_NAME };

	text_hex(&hex, half, sizeof half);
}

void name_make(const struct limits *l, const struct plan *plan, const struct request *r, struct name *to)
{
	struct limit_key key;

	key_of(l, plan, r, &key);
	name_hex(l, plan, &key, to->hex);
	to->owner = crowd_of(l->table, &r->address);
	to->slot = l->fleet->remote.slot((struct slice){ to->hex, sizeof to->hex });
}

struct slice name_text(const struct fleet *f, const struct name *name, char room[static NAME_TEXT])
{
	struct text t = { .at = room, .cap = NAME_TEXT };

	text_add(&t, f->remote.keyspace);
	text_add(&t, S("rl:{"));
	text_add(&t, (struct slice){ name->hex, sizeof name->hex });
	text_char(&t, '}');
	check(!t.cut);
	return text_slice(&t);
}
