/* Connects to an endpoint to see whether somebody listens. */
#include "keeper/dial.h"
#include "base/check.h"
#include <stdlib.h>

struct dialler {
	struct loop *loop;
	struct list all;
};

struct call {
	struct dialler *dialler;
	struct list link;
	struct wire *wire; /* NULL: it could not even be begun */
	struct deadline deadline;
	void (*done)(void *for_whom, bool accepted);
	void *for_whom;
};

static void end(struct call *c, bool accepted)
{
	list_remove(&c->link);
	deadline_clear(&c->dialler->loop->wheel, &c->deadline);
	if (c->wire)
		wire_close(c->wire);
	c->done(c->for_whom, accepted);
	free(c);
}

static void on_ready(struct wire *w)
{
	if (!w->connecting)
		end(w->owner, !w->failed);
}

static void on_due(struct deadline *d)
{
	end(list_entry(d, struct call, deadline), false);
}

struct dialler *dialler_open(struct loop *l)
{
	struct dialler *d = calloc(1, sizeof *d);

	check(d);
	d->loop = l;
	list_init(&d->all);
	return d;
}

void dialler_close(struct dialler *d)
{
	if (!d)
		return;
	while (!list_is_empty(&d->all))
		end(list_entry(d->all.next, struct call, link), false);
	free(d);
}

void dial(struct dialler *d, const struct sockaddr_storage *to, socklen_t len, uint64_t timeout_ns,
          void (*done)(void *for_whom, bool accepted), void *for_whom)
{
	struct call *c = calloc(1, sizeof *c);
	int fd = address_dial(to, len);

	check(c);
	*c = (struct call){ .dialler = d, .done = done, .for_whom = for_whom };
	c->wire = fd < 0 ? NULL : wire_open(d->loop, fd, to->ss_family != AF_UNIX);
	deadline_init(&c->deadline, on_due);
	list_push(&d->all, &c->link);
	deadline_set(&d->loop->wheel, &c->deadline, d->loop->now_ns + (c->wire ? timeout_ns : 0));
	if (!c->wire)
		return;
	c->wire->owner = c;
	c->wire->on_ready = on_ready;
	wire_nudge(c->wire); /* a Unix socket is connected already */
}
