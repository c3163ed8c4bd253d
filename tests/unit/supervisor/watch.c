/* watch.c -- what watch.h promises. */
#include "watch.h"

bool supervised_until(bool (*is)(struct supervised *h), struct supervised *h)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (is(h))
			return true;
		usleep(1000);
	}
	return false;
}

int supervised_status(struct supervised *h)
{
	int status;

	for (int i = 0; i < PATIENCE_MS; i++) {
		if (waitpid(h->pid, &status, WNOHANG) == h->pid) {
			h->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		usleep(1000);
	}
	kill(h->pid, SIGKILL);
	waitpid(h->pid, &status, 0);
	h->pid = 0;
	return -1;
}

const struct outcome *supervised_outcome(const struct supervised *h)
{
	return &h->s.shared.head->outcomes[atomic_load(&h->s.shared.head->reloads_done) % 2];
}

unsigned supervised_reload(struct supervised *h)
{
	struct shared_head *head = h->s.shared.head;
	uint64_t number = atomic_fetch_add(&h->s.shared.wishes->reloads_asked, 1) + 1;

	shared_notify(h->s.shared.notify_fd);
	for (int i = 0; i < PATIENCE_MS && atomic_load(&head->reloads_done) < number; i++)
		usleep(1000);
	assert_true(atomic_load(&head->reloads_done) >= number);
	return supervised_outcome(h)->status;
}

static pid_t find_worker(const struct supervised *h, unsigned slot)
{
	for (unsigned i = SEAT_WORKERS; i < h->s.shared.seats_len; i++) {
		const struct seat *s = &h->s.shared.seats[i];
		if (atomic_load(&s->pid) > 0 && atomic_load(&s->slot) == slot &&
		    shared_state(&h->s.shared, i) == SEAT_SERVING)
			return atomic_load(&s->pid);
	}
	return 0;
}

pid_t supervised_worker(const struct supervised *h, unsigned slot)
{
	pid_t pid = 0;

	for (int i = 0; i < PATIENCE_MS && !pid; i++) {
		pid = find_worker(h, slot);
		if (!pid)
			usleep(1000);
	}
	assert_true(pid > 0);
	return pid;
}
