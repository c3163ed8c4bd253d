/* The supervisor's loop. */
#include "base/log.h"
#include "supervisor/inside.h"
#include "supervisor/notify.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WRITER_NS (10 * NS_PER_S) /* a disk may hold it up */

bool supervisor_signals(struct supervisor *s)
{
	static const int ours[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
		sigaddset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s->signals >= 0;
}

static void reap_stranger(void *with, pid_t pid, int status)
{
	struct supervisor *s = with;

	if (s->reading && reload_pid(s->reading) == pid)
		reload_reaped(s->reading, status);
}

/* By a new writer, since it opens them before it gives up its rights. */
static void reopen_logs(struct supervisor *s)
{
	log_info("reopening the logs");
	children_order(&s->children, SEAT_WRITER, ORDER_STOP);
	children_end_by(&s->children, ROLE_WRITER, clock_ns() + WRITER_NS);
}

static void hang_up(struct supervisor *s, uint32_t user)
{
	uint64_t by = (uint64_t)CAUSE_SIGNAL << 32 | user;

	if (s->options->hangup_ends) {
		shutdown_begin(s, true);
		return;
	}
	atomic_store(&s->shared.wishes->asked_by, by);
	atomic_fetch_add(&s->shared.wishes->reloads_asked, 1);
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo one;

	while (read(s->signals, &one, sizeof one) == (ssize_t)sizeof one) {
		switch (one.ssi_signo) {
		case SIGTERM:
			shutdown_begin(s, false);
			break;
		case SIGINT:
			shutdown_begin(s, true);
			break;
		case SIGHUP:
			hang_up(s, one.ssi_uid);
			break;
		case SIGUSR1:
			reopen_logs(s);
			break;
		}
	}
}

/* A writer that was told to end, to open another log, has a successor at once. */
static void succeed_writer(struct supervisor *s)
{
	struct children *c = &s->children;

	if (c->writer_kept && !c->writer.due && children_count(c, ROLE_WRITER, NULL) == 0 &&
	    !children_start(c, ROLE_WRITER, c->now, 0))
		c->writer.due = true;
}

static void feed_watchdog(struct supervisor *s, uint64_t now_ns)
{
	if (!s->watchdog_ns || now_ns < s->watchdog_due_ns)
		return;
	notify_say(S("WATCHDOG=1"));
	s->watchdog_due_ns = now_ns + s->watchdog_ns;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int patience_ms(const struct supervisor *s, uint64_t now_ns)
{
	uint64_t due_ns = sooner(now_ns + NS_PER_S, children_next_ns(&s->children));

	if (s->watchdog_ns)
		due_ns = sooner(due_ns, s->watchdog_due_ns);
	if (s->leave != SHUTDOWN_NOT)
		due_ns = sooner(due_ns, s->leave_until_ns);
	if (s->stage != STAGE_IDLE)
		due_ns = sooner(due_ns, now_ns + 50 * NS_PER_MS);
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / NS_PER_MS) + 1;
}

static void turn(struct supervisor *s)
{
	struct pollfd wait[4] = {
		{ s->signals, POLLIN, 0 },
		{ s->shared.notify_fd, POLLIN, 0 },
		{ s->reading ? reload_fd(s->reading) : -1, POLLIN, 0 },
		{ s->material.fd, POLLIN, 0 },
	};

	if (poll(wait, 4, patience_ms(s, clock_ns())) < 0 && errno != EINTR)
		log_error("poll: %s", strerror(errno));
	shared_drain(s->shared.notify_fd);
	take_signals(s);
	children_reap(&s->children, reap_stranger, s);
	uint64_t now_ns = clock_ns();
	material_hear(&s->material, now_ns);
	children_tick(&s->children, now_ns);
	succeed_writer(s);
	if (s->leave == SHUTDOWN_NOT)
		rollout_step(s, now_ns);
	shutdown_step(s, now_ns);
	generations_sweep(s);
	feed_watchdog(s, now_ns);
}

/* When even the first start fails: nobody is left behind. */
static void kill_all(struct supervisor *s)
{
	for (unsigned i = 0; i < SEATS_MAX; i++)
		if (s->children.child[i].pid)
			kill(s->children.child[i].pid, SIGKILL);
	while (children_count(&s->children, ROLE_WORKER, NULL) + children_count(&s->children, ROLE_KEEPER, NULL) +
	       children_count(&s->children, ROLE_WRITER, NULL)) {
		for (unsigned i = 0; i < SEATS_MAX; i++)
			s->children.child[i].leaving = true;
		usleep(1000);
		children_reap(&s->children, reap_stranger, s);
	}
}

int supervisor_run(struct supervisor *s, struct generation *first)
{
	char *text = NULL;
	int status = 0;

	s->children.shared = &s->shared;
	material_init(&s->material);
	s->children.checked_ns = clock_ns();
	if (!s->children.beat_ns)
		s->children.beat_ns = BEAT_NS;
	s->watchdog_ns = notify_watchdog_ns();
	atomic_store(&s->shared.head->started_wall_ns, clock_wall_ns());
	s->asked_by = (uint64_t)CAUSE_START << 32 | getuid();
	if (!rollout_first(s, first, &text)) {
		log_error("%s", text ? text : "out of memory");
		kill_all(s);
		status = 1;
	}
	while (status == 0 && s->leave != SHUTDOWN_DONE)
		turn(s);
	free(text);
	s->children.now = s->next = s->old = NULL;
	sockets_close(&s->sockets);
	material_close(&s->material);
	free(s->renewed);
	generations_sweep(s);
	close(s->signals);
	return status;
}
