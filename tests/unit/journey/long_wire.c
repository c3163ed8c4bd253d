/* long_wire.c -- what long_wire.h promises. */
#include "long_wire.h"

static void pour(struct wire_end *p)
{
	struct chunk *n = malloc(sizeof *n);
	ssize_t got = n ? recv(p->from, n->bytes, sizeof n->bytes, MSG_DONTWAIT) : -1;

	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			p->from = -1;
		free(n);
		return;
	}
	n->due_ns = clock_ns() + atomic_load(&w->stage->delay_ns);
	n->len = (size_t)got;
	n->sent = 0;
	n->next = NULL;
	*p->last = n;
	p->last = &n->next;
}

static void drip(struct wire_end *p)
{
	while (p->first && p->first->due_ns <= clock_ns()) {
		struct chunk *n = p->first;
		if (send(p->to, n->bytes, n->len, MSG_NOSIGNAL) < 0)
			shutdown(p->to, SHUT_RDWR);
		p->first = n->next;
		if (!p->first)
			p->last = &p->first;
		free(n);
	}
	if (p->from < 0 && !p->first)
		shutdown(p->to, SHUT_RDWR);
}

/* One process carries one connection. */
_Noreturn static void carry(int near, int far)
{
	struct wire_end p[2] = { { near, far, NULL, NULL }, { far, near, NULL, NULL } };
	struct timespec pause = { 0, 1000 * 1000 };

	p[0].last = &p[0].first;
	p[1].last = &p[1].first;
	while (p[0].from >= 0 || p[1].from >= 0) {
		for (int i = 0; i < 2; i++) {
			if (p[i].from >= 0)
				pour(&p[i]);
			drip(&p[i]);
		}
		nanosleep(&pause, NULL);
	}
	_exit(0);
}

_Noreturn void run_relay(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	join(at.sun_path, sizeof at.sun_path, w->relay, "");
	check(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 64) == 0);
	for (;;) {
		int near = accept(fd, NULL, NULL);
		check(near >= 0);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			int far = server_try(&w->server);
			if (far < 0)
				_exit(0);
			carry(near, far);
		}
		close(near);
	}
}
