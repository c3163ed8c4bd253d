/* Resolves host names in a helper process. */
#include "keeper/resolve.h"
#include "base/log.h"
#include "shared/shared.h"
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE 8
#define WAITING 1024
#define LOOKUP_S 5
#define PATIENCE_NS ((LOOKUP_S + 1) * NS_PER_S)

struct lookup_query {
	uint64_t number;
	uint16_t port;
	char host[256];
};
struct lookup_reply {
	uint64_t number;
	uint32_t len;
	struct sockaddr_storage found[RESOLVED_MAX];
};

/* ---- the helper ---- */

static void look_up(const struct lookup_query *q, struct lookup_reply *to)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };
	struct addrinfo *found, *a;
	char port[8];

	memset(to, 0, sizeof *to);
	to->number = q->number;
	snprintf(port, sizeof port, "%u", q->port);
	int failed = getaddrinfo(q->host, port, &hints, &found);
	if (failed == EAI_NONAME || failed == EAI_ADDRFAMILY) { /* a host that has loopback addresses only */
		hints.ai_flags = AI_NUMERICSERV;
		failed = getaddrinfo(q->host, port, &hints, &found);
	}
	if (failed)
		return;
	for (a = found; a && to->len < RESOLVED_MAX; a = a->ai_next)
		if (a->ai_addrlen <= sizeof to->found[0])
			memcpy(&to->found[to->len++], a->ai_addr, a->ai_addrlen);
	freeaddrinfo(found);
}

/* Whatever NSS modules do, it is done here, with nothing of ours in reach. */
static bool confine(struct shared *shared)
{
	log_sink(NULL, NULL); /* its ring goes too */
	return (!shared || shared_narrow(shared, ROLE_NONE, 0)) && confine_calls(MAY_FORK | MAY_RESOLVE);
}

_Noreturn static void help(int fd, struct shared *shared)
{
	struct lookup_query q;
	struct lookup_reply reply;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	confine_descriptors(&fd, 1); /* the keeper's memory files and sockets are not ours */
	if (!confine(shared))
		_exit(1);
	signal(SIGCHLD, SIG_IGN); /* reaped by the kernel */
	while (recv(fd, &q, sizeof q, 0) == (ssize_t)sizeof q) {
		pid_t pid = fork();
		if (pid > 0)
			continue;
		memset(&reply, 0, sizeof reply);
		reply.number = q.number;
		q.host[sizeof q.host - 1] = '\0';
		if (pid == 0) {
			alarm(LOOKUP_S);
			look_up(&q, &reply); /* where none can be forked, nothing is found: it could block */
		}
		ssize_t sent = send(fd, &reply, sizeof reply, MSG_NOSIGNAL);
		if (pid == 0)
			_exit(sent < 0);
	}
	_exit(0);
}

/* ---- the keeper's side ---- */

struct lookup {
	struct list link;
	struct lookup_query question;
	struct deadline timeout;
	struct resolver *resolver;
	resolved_f *done;
	void *for_whom;
};

struct resolver {
	struct loop *loop;
	struct shared *shared;
	struct event *readable;
	bool dead;
	pid_t pid;
	int fd;
	uint64_t last;
	struct list asked, waiting;
	size_t asked_len, waiting_len;
};

static void ask_next(struct resolver *r)
{
	struct list *node;

	while (r->asked_len < AT_ONCE && (node = list_shift(&r->waiting))) {
		struct lookup *l = list_entry(node, struct lookup, link);
		r->waiting_len--;
		list_push(&r->asked, &l->link);
		r->asked_len++;
		deadline_set(&r->loop->wheel, &l->timeout, r->loop->now_ns + PATIENCE_NS);
		if (r->fd >= 0 && send(r->fd, &l->question, sizeof l->question, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			log_warn("the resolver does not take a question: %s", strerror(errno));
	}
}

static void finish(struct lookup *l, const struct sockaddr_storage *found, size_t len)
{
	struct resolver *r = l->resolver;

	deadline_clear(&r->loop->wheel, &l->timeout);
	list_remove(&l->link);
	r->asked_len--;
	l->done(l->for_whom, found, len);
	free(l);
	ask_next(r);
}

static void on_late(struct deadline *d)
{
	finish(list_entry(d, struct lookup, timeout), NULL, 0);
}

static void take(struct resolver *r, const struct lookup_reply *reply)
{
	for (struct list *node = r->asked.next; node != &r->asked; node = node->next) {
		struct lookup *l = list_entry(node, struct lookup, link);
		if (l->question.number != reply->number)
			continue;
		finish(l, reply->found, reply->len <= RESOLVED_MAX ? reply->len : 0);
		return;
	}
}

static void stop(struct resolver *r)
{
	if (r->readable)
		event_free(r->readable);
	r->readable = NULL;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	if (r->pid > 0) /* it ends as its socket does, and with us */
		waitpid(r->pid, NULL, WNOHANG);
	r->pid = 0;
}

/* What was asked of it ends by its timeout. */
static void on_readable(evutil_socket_t fd, short what, void *with)
{
	struct resolver *r = with;
	struct lookup_reply reply;
	ssize_t n;

	(void)what;
	while ((n = recv(fd, &reply, sizeof reply, MSG_DONTWAIT)) == (ssize_t)sizeof reply)
		take(r, &reply);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	stop(r);
	r->dead = true;
}

bool resolver_is_dead(const struct resolver *r)
{
	return r->dead;
}

static bool start(struct resolver *r)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	r->pid = fork();
	if (r->pid == 0) {
		close(pair[0]);
		help(pair[1], r->shared);
	}
	close(pair[1]);
	r->fd = pair[0];
	if (r->pid > 0)
		r->readable = event_new(r->loop->base, r->fd, EV_READ | EV_PERSIST, on_readable, r);
	if (r->readable && event_add(r->readable, NULL) == 0)
		return true;
	stop(r);
	return false;
}

struct resolver *resolver_open(struct loop *l, struct shared *shared)
{
	struct resolver *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->loop = l;
	r->shared = shared;
	list_init(&r->asked);
	list_init(&r->waiting);
	r->fd = -1;
	if (start(r))
		return r;
	free(r);
	return NULL;
}

static void forget(struct resolver *r, struct list *all)
{
	struct list *node;

	while ((node = list_shift(all))) {
		struct lookup *l = list_entry(node, struct lookup, link);
		deadline_clear(&r->loop->wheel, &l->timeout);
		free(l);
	}
}

void resolver_close(struct resolver *r)
{
	if (!r)
		return;
	forget(r, &r->asked);
	forget(r, &r->waiting);
	stop(r);
	free(r);
}

size_t resolver_pending(const struct resolver *r)
{
	return r->asked_len + r->waiting_len;
}

void resolve(struct resolver *r, const char *host, uint16_t port, resolved_f *done, void *for_whom)
{
	struct lookup *l = calloc(1, sizeof *l);

	if (!l || strlen(host) >= sizeof l->question.host || r->waiting_len >= WAITING) {
		free(l);
		log_warn("%s is not looked up: too many names are waiting", host);
		done(for_whom, NULL, 0);
		return;
	}
	l->question.number = ++r->last;
	l->question.port = port;
	memcpy(l->question.host, host, strlen(host));
	l->resolver = r;
	l->done = done;
	l->for_whom = for_whom;
	deadline_init(&l->timeout, on_late);
	list_init(&l->link);
	list_push(&r->waiting, &l->link);
	r->waiting_len++;
	ask_next(r);
}
