/* child_bodies.c -- what child_bodies.h promises. */
#include "child_bodies.h"

static unsigned open_listeners(struct child_context *p, struct pollfd *to, unsigned cap)
{
	const struct config *c = p->generation->config;
	unsigned len = 0;

	for (size_t i = 0; i < c->root.listeners_len; i++)
		for (unsigned slot = 0; slot < sockets_slots(p->sockets) && len < cap; slot++) {
			int fd = sockets_find(p->sockets, c->root.listeners[i].address, slot);
			if (fd < 0)
				continue;
			bool due = slot == p->slot || atomic_load(&p->shared->head->adopters[slot]) == p->slot;
			to[len++] = (struct pollfd){ due ? fd : -1, POLLIN, 0 };
		}
	return len;
}

static void serve_one(struct child_context *p, int fd)
{
	struct in6_addr address = { .s6_addr = { 1, 2, 3 } };
	char words[64] = "", line[64];
	ssize_t n = recv(fd, words, sizeof words - 1, 0);

	if (n > 0 && strncmp(words, "die", 3) == 0) {
		suspect_name(shared_suspect(p->shared, p->seat), &address);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	while (n > 0 && strncmp(words, "freeze", 6) == 0)
		pause();
	if (n > 0 && strncmp(words, "slow", 4) == 0)
		usleep(120000);
	int len = snprintf(line, sizeof line, "%u.%u %d\n", p->generation->number, p->slot, (int)getpid());
	send(fd, line, (size_t)len, MSG_NOSIGNAL);
	close(fd);
}

void close_all(struct pollfd *at, unsigned len, struct child_context *p, bool take_rest)
{
	for (unsigned i = 0; i < len; i++) {
		int fd;
		while (take_rest && at[i].fd >= 0 && (fd = accept(at[i].fd, NULL, NULL)) >= 0)
			serve_one(p, fd);
	}
	for (size_t i = 0; i < p->sockets->len; i++)
		close(p->sockets->one[i].fd);
}

/* As confine_descriptors does: a socket lives as long as anybody holds it. */
static void close_foreign(const struct child_context *p, bool all)
{
	const struct config *c = p->generation->config;

	for (size_t s = 0; s < p->sockets->len; s++) {
		bool mine = false;
		for (size_t i = 0; i < c->root.listeners_len && !all; i++)
			mine |= sockets_find(p->sockets, c->root.listeners[i].address, p->sockets->one[s].slot) ==
			        p->sockets->one[s].fd;
		if (!mine)
			close(p->sockets->one[s].fd);
	}
}

int worker(struct child_context *p)
{
	struct pollfd wait[32];
	unsigned len = 0;
	uint64_t asked_ns = 0, seen = UINT64_MAX;
	enum order order;
	bool served = false;

	if (p->generation->config->root.log.level == LOG_LEVEL_ERROR)
		_exit(7);
	close_foreign(p, false);
	suspect_name(shared_suspect(p->shared, p->seat), NULL);
	shared_report(p->shared, p->seat, SEAT_LOADED);
	while ((order = child_order(p, clock_ns(), &asked_ns)) < ORDER_DRAIN) {
		child_beat(p);
		if (order == ORDER_SERVE && seen != atomic_load(&p->shared->head->slots_version)) {
			seen = atomic_load(&p->shared->head->slots_version);
			len = open_listeners(p, wait, 32);
			if (!served)
				shared_report(p->shared, p->seat, SEAT_SERVING);
			served = true;
		}
		poll(wait, len, 10);
		for (unsigned i = 0; i < len; i++) {
			int fd = wait[i].revents ? accept(wait[i].fd, NULL, NULL) : -1;
			if (fd >= 0)
				serve_one(p, fd);
		}
	}
	close_all(wait, len, p, atomic_load(&p->shared->head->phase) != PHASE_SERVING);
	shared_report(p->shared, p->seat, SEAT_DRAINING);
	_exit(0);
}

int keeper(struct child_context *p)
{
	uint64_t asked_ns = 0;
	enum order order;
	bool retired = false;

	close_foreign(p, true);
	shared_report(p->shared, p->seat, SEAT_SERVING);
	while ((order = child_order(p, clock_ns(), &asked_ns)) < ORDER_STOP) {
		child_beat(p);
		if (order == ORDER_DRAIN && !retired)
			shared_report(p->shared, p->seat, SEAT_DRAINING);
		retired = order == ORDER_DRAIN;
		usleep(5000);
	}
	_exit(0);
}

int writer(struct child_context *p)
{
	uint64_t asked_ns = 0;

	close_foreign(p, true);
	shared_report(p->shared, p->seat, SEAT_SERVING);
	while (child_order(p, clock_ns(), &asked_ns) < ORDER_DRAIN)
		usleep(5000);
	_exit(0);
}
