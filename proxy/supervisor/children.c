/* Forks children and reaps them. */
#include "supervisor/children.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const role_names[] = { "nobody", "supervisor", "writer", "keeper", "worker" };

static struct retry *retry_of(struct children *c, const struct child *child)
{
	if (child->role == ROLE_WORKER)
		return &child->generation->retry[child->slot];
	return child->role == ROLE_KEEPER ? &c->keeper : &c->writer;
}

/* ---- starting ---- */

_Noreturn static void be_child(struct children *c, struct child_context post)
{
	int (*body)(struct child_context *) = post.role == ROLE_WORKER   ? c->bodies.worker
	                                      : post.role == ROLE_KEEPER ? c->bodies.keeper
	                                                                 : c->bodies.writer;
	char name[32];
	sigset_t none;

	forget_inherited(&post);
	setsid(); /* no terminal of the supervisor's, and nothing to read from it */
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (nothing >= 0)
		dup2(nothing, STDIN_FILENO);
	if (nothing > STDERR_FILENO)
		close(nothing);
	/* signals are the supervisor's: a terminal sends SIGINT to all of us */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (post.role == ROLE_WORKER)
		snprintf(name, sizeof name, "worker %u.%u", post.generation->number, post.slot);
	else
		snprintf(name, sizeof name, "%s", role_names[post.role]);
	log_role(name);
	metrics_sit(post.seat);
	exit(body(&post));
}

static void take_seat(struct children *c, unsigned seat, enum role role, const struct generation *g,
                      unsigned slot)
{
	struct seat *s = &c->shared->seats[seat];

	atomic_store(&s->role, role);
	atomic_store(&s->slot, slot);
	atomic_store(&s->generation, g->number);
	atomic_store(&s->order, ORDER_WAIT);
	atomic_store(&s->since_ns, clock_ns());
	atomic_store(&s->taken, 1);
	atomic_store(&shared_reported(c->shared, seat)->state, SEAT_STARTING);
	shared_drain(c->shared->notify_fds[seat]);
}

static void leave_seat(struct children *c, unsigned seat)
{
	struct seat *s = &c->shared->seats[seat];

	atomic_store(&s->pid, 0);
	atomic_store(&s->taken, 0);
	atomic_store(&shared_reported(c->shared, seat)->state, SEAT_FREE);
	metrics_clear(seat);
}

bool children_start(struct children *c, enum role role, struct generation *g, unsigned slot)
{
	int seat = shared_seat(c->shared, role);

	if (seat < 0)
		return false;
	struct child_context post = c->post;
	post.shared = c->shared;
	post.generation = g;
	post.role = role;
	post.seat = (unsigned)seat;
	post.slot = slot;
	post.supervisor = getpid();
	take_seat(c, post.seat, role, g, slot);
	fflush(NULL); /* else both would write what waits there */
	pid_t pid = fork();
	if (pid == 0)
		be_child(c, post);
	if (pid < 0) {
		log_error("no %s can be forked: %s", role_names[role], strerror(errno));
		leave_seat(c, post.seat);
		return false;
	}
	c->child[seat] =
	    (struct child){ .pid = pid, .role = role, .slot = slot, .generation = g, .started_ns = clock_ns() };
	atomic_store(&c->shared->seats[seat].pid, pid);
	return true;
}

/* ---- dying ---- */

static bool is_kept(const struct children *c, const struct child *child)
{
	if (child->leaving)
		return false;
	if (child->role == ROLE_WORKER)
		return !child->generation->draining;
	return child->role == ROLE_KEEPER ? c->keepers_kept : c->writer_kept;
}

static void arrange_retry(struct retry *r, uint64_t lived_ns, uint64_t now_ns)
{
	if (lived_ns >= RESTART_FORGET_NS)
		r->failures = 0;
	uint64_t wait_ns = 0;
	if (r->failures > 0) {
		unsigned doublings = r->failures - 1 < 16 ? r->failures - 1 : 16;
		wait_ns = RESTART_FIRST_NS << doublings;
	}
	r->failures++;
	r->due = true;
	r->due_ns = now_ns + (wait_ns < RESTART_MOST_NS ? wait_ns : RESTART_MOST_NS);
}

/* Our own fault, as against somebody's kill -9 or an end that was asked for. */
static bool is_crash(const struct child *child, int status)
{
	if (child->aborted)
		return true;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM;
	return !child->leaving && WEXITSTATUS(status) != 0;
}

static const char *describe(const struct child *child, int status, char *to, size_t cap)
{
	if (child->aborted)
		snprintf(to, cap, "stood still and was aborted");
	else if (WIFSIGNALED(status))
		snprintf(to, cap, "died by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(to, cap, "ended with status %d", WEXITSTATUS(status));
	return to;
}

static void count_restart(struct children *c, const struct child *child, int status)
{
	struct slice none = { 0 };
	struct slice why = child->aborted                ? S("stalled")
	                   : !WIFSIGNALED(status)        ? S("exit")
	                   : WTERMSIG(status) == SIGKILL ? S("killed")
	                                                 : S("crash");

	atomic_fetch_add(&c->shared->head->restarts, 1);
	if (child->role == ROLE_WORKER)
		metrics_add(metrics_series(METRIC_worker_restarts_total, why, none, none, none), 1);
}

/* Who was being served as it died. */
static void crashes(struct children *c, unsigned seat, uint64_t now_ns)
{
	struct in6_addr whom;
	char name[46];

	if (crashes_attribute(&c->crashes, shared_suspect(c->shared, seat), &c->shared->head->barred, now_ns,
	                      &whom))
		log_warn("client %.*s%s was active in two worker crashes; blocked for 10 min",
		         SLICE(address_text(&whom, name)), IN6_IS_ADDR_V4MAPPED(&whom) ? "" : " (its /64)");
}

static void bury(struct children *c, unsigned seat, int status, uint64_t now_ns)
{
	struct child dead = c->child[seat];
	char how[128];

	c->child[seat] = (struct child){ 0 };
	if (dead.role == ROLE_WORKER && is_crash(&dead, status))
		crashes(c, seat, now_ns);
	leave_seat(c, seat);
	bool kept = is_kept(c, &dead);
	if (!kept && (dead.leaving || dead.generation->draining) && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	describe(&dead, status, how, sizeof how);
	if (dead.role == ROLE_WORKER)
		log_error("worker %u.%u (pid %d) %s", dead.generation->number, dead.slot, (int)dead.pid, how);
	else
		log_error("the %s (pid %d) %s", role_names[dead.role], (int)dead.pid, how);
	if (!kept)
		return;
	count_restart(c, &dead, status);
	arrange_retry(retry_of(c, &dead), now_ns - dead.started_ns, now_ns);
}

void children_reap(struct children *c, void (*stranger)(void *with, pid_t pid, int status), void *with)
{
	uint64_t now_ns = clock_ns();
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		unsigned seat = 0;
		while (seat < SEATS_MAX && c->child[seat].pid != pid)
			seat++;
		if (seat < SEATS_MAX)
			bury(c, seat, status, now_ns);
		else
			stranger(with, pid, status);
	}
}
