/* Accepts connections, some in each turn of the loop. */
#include "connection/connection.h"
#include "base/log.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define RETRY_NS (100 * NS_PER_MS)
#define UNSENT_MOST (256 * 1024) /* of a client connection */

struct listener {
	struct loop *loop;
	int fd;
	struct event event;
	struct list link; /* in loop->accepting while there is something */
	struct deadline again;
	bool paused, starved;
	void (*on_accept)(void *with, int fd, const struct sockaddr_storage *peer);
	void *with;
};

static void on_event(evutil_socket_t fd, short what, void *with)
{
	struct listener *l = with;

	(void)fd;
	(void)what;
	if (list_is_empty(&l->link))
		list_push(&l->loop->accepting, &l->link);
}

/* Registered exactly while it wants connections. */
static void apply(struct listener *l)
{
	if (l->paused || l->starved)
		event_del(&l->event);
	else
		event_add(&l->event, NULL);
}

static void on_again(struct deadline *d)
{
	struct listener *l = list_entry(d, struct listener, again);

	l->starved = false;
	apply(l);
}

struct listener *listener_open(struct loop *loop, int fd,
                               void (*on_accept)(void *with, int fd, const struct sockaddr_storage *peer),
                               void *with)
{
	struct listener *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->loop = loop;
	l->fd = fd;
	l->on_accept = on_accept;
	l->with = with;
	list_init(&l->link);
	deadline_init(&l->again, on_again);
	if (event_assign(&l->event, loop->base, fd, EV_READ | EV_PERSIST, on_event, l) != 0) {
		free(l);
		return NULL;
	}
	apply(l);
	return l;
}

void listener_pause(struct listener *l, bool paused)
{
	l->paused = paused;
	if (paused)
		list_remove(&l->link);
	apply(l);
}

void listener_close(struct listener *l)
{
	list_remove(&l->link);
	deadline_clear(&l->loop->wheel, &l->again);
	event_del(&l->event);
	free(l);
}

/* No descriptor is free: the queue keeps the clients until one is. */
static void starve(struct listener *l)
{
	log_warn("no descriptor is free for new connections (%s); trying again in 100 ms", strerror(errno));
	l->starved = true;
	apply(l);
	deadline_set(&l->loop->wheel, &l->again, l->loop->now_ns + RETRY_NS);
}

static void accept_some(struct listener *l)
{
	for (int i = 0; i < ACCEPTS_PER_TURN && !l->paused; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof peer;
		int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->on_accept(l->with, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			starve(l);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

void listeners_accept(struct loop *loop)
{
	struct list batch, *node;

	list_init(&batch);
	while ((node = list_shift(&loop->accepting)))
		list_push(&batch, node);
	while ((node = list_shift(&batch)))
		accept_some(list_entry(node, struct listener, link));
}

int listener_bind(const struct sockaddr_storage *at, socklen_t len, bool listening)
{
	int on = 1, unsent = UNSENT_MOST;
	int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	bool set =
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (at->ss_family == AF_UNIX || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
	    /* what is accepted inherits it: an answer in pieces never waits for the client's acknowledgement */
	    (at->ss_family == AF_UNIX || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0) &&
	    /* and so does what bounds the bytes that lie in the kernel and were not even sent yet */
	    (at->ss_family == AF_UNIX ||
	     setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent) == 0) &&
	    (at->ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
	if (set && bind(fd, (const struct sockaddr *)at, len) == 0 && (!listening || listen(fd, 4096) == 0))
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}
