/* Messages and orders of a process under the supervisor. */
#include "shared/child.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include <unistd.h>

static struct ring messages;

static void put_message(void *with, enum log_level level, struct slice line)
{
	(void)with;
	(void)level; /* the threshold was applied before */
	ring_add(messages, line);
}

_Static_assert((int)LEVEL_DEBUG == (int)LOG_LEVEL_DEBUG && (int)LEVEL_INFO == (int)LOG_LEVEL_INFO &&
                   (int)LEVEL_WARNING == (int)LOG_LEVEL_WARN && (int)LEVEL_ERROR == (int)LOG_LEVEL_ERROR,
               "log.level by the numbers of base/log.h");

void child_speak(struct child_context *p)
{
	log_threshold((enum log_level)p->generation->config->root.log.level);
	messages = shared_messages(p->shared, p->seat);
	log_sink(put_message, NULL);
}

enum order child_order(struct child_context *p, uint64_t now_ns, uint64_t *asked_ns)
{
	enum order order = (enum order)shared_order(p->shared, p->seat);

	if (now_ns - *asked_ns >= NS_PER_S) {
		*asked_ns = now_ns;
		p->orphan |= getppid() != p->supervisor;
	}
	return p->orphan && order < ORDER_DRAIN ? ORDER_DRAIN : order;
}

struct siphash_key child_guard_key(const struct child_context *p)
{
	const struct config *c = p->generation->config;
	struct siphash_key key = p->guard_key;

	if (c->root.secrets.fleet.len && !fleet_key(c, FLEET_KEY_GUARD, &key, sizeof key))
		log_error("the key of the absence guard cannot be made of secrets.fleet");
	return key;
}
