#include "process/post.h"
#include "base/log.h"
#include <unistd.h>

static void put_message(void *with, enum log_level level, struct slice line)
{
	(void)level; /* the threshold was applied before */
	ring_add(with, line);
}

void post_speak(struct post *p)
{
	log_threshold((enum log_level)p->generation->config->root.log.level); /* its words in the same order */
	log_sink(put_message, shared_messages(p->shared, p->seat));
}

enum order post_order(struct post *p, uint64_t now_ns, uint64_t *asked_ns)
{
	enum order order = (enum order)shared_order(p->shared, p->seat);

	if (now_ns - *asked_ns >= NS_PER_S) {
		*asked_ns = now_ns;
		if (getppid() != p->supervisor && order < ORDER_DRAIN)
			atomic_store(&p->shared->seats[p->seat].order, order = ORDER_DRAIN);
	}
	return order;
}
