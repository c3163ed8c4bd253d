/* The writer: takes log lines out of every seat's rings and writes them. write() to a file may block, and
 * this is the only process that it may block. It opens the log before it gives up its rights, so that the
 * log's directory may be root's alone; reopening is therefore done by a new writer. What the disk does
 * not take is dropped and counted; what found its ring full, its author has counted. */
#include "base/log.h"
#include "base/path.h"
#include "worker/worker.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLEEP_LEAST_MS 4
#define SLEEP_MOST_MS 100
#define COMPLAIN_NS (10 * NS_PER_S)

struct writer {
	struct child_context *post;
	int access; /* -1: none */
	const char *path;
	bool torn; /* the file ends within a line */
	uint64_t complained_ns;
};

static int open_log(const char *path)
{
	if (strcmp(path, "stdout") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (strcmp(path, "stderr") == 0)
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return path_open(path, O_WRONLY | O_APPEND | O_CREAT, 0640); /* the directory may be somebody else's */
}

static void complain(struct writer *w, const char *what, int why)
{
	uint64_t now_ns = clock_ns();

	if (w->complained_ns && now_ns - w->complained_ns < COMPLAIN_NS)
		return;
	w->complained_ns = now_ns;
	log_error("the access log %s %s: %s; its lines are dropped", w->path, what, strerror(why));
}

static void write_all(int fd, struct slice s)
{
	while (s.len) {
		ssize_t n = write(fd, s.at, s.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s = slice_from(s, (size_t)n);
	}
}

static unsigned lines_in(struct slice s)
{
	unsigned lines = 0;

	for (; slice_find(s, '\n') < s.len; lines++)
		s = slice_from(s, slice_find(s, '\n') + 1);
	return lines;
}

static bool write_access(struct writer *w, struct slice parts[static 3])
{
	while (parts[0].len + parts[1].len + parts[2].len) {
		struct iovec of[3] = { { (void *)parts[0].at, parts[0].len },
			                   { (void *)parts[1].at, parts[1].len },
			                   { (void *)parts[2].at, parts[2].len } };
		ssize_t n = writev(w->access, of, 3);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		for (size_t i = 0, left = (size_t)n; left; i++) {
			struct slice done = slice_head(parts[i], left);
			if (done.len)
				w->torn = done.at[done.len - 1] != '\n';
			parts[i] = slice_from(parts[i], done.len);
			left -= done.len;
		}
	}
	return true;
}

/* Straight out of the shared memory into the file. True where there was anything. */
static bool take_lines(struct writer *w, unsigned seat)
{
	struct ring r = shared_access(w->post->shared, seat);
	struct slice parts[3] = { slice_head(S("\n"), w->torn) };
	size_t len = ring_look(r, parts + 1);

	if (!len)
		return false;
	if (w->access < 0 || !write_access(w, parts)) {
		if (w->access >= 0)
			complain(w, "cannot be written", errno);
		metrics_count_n(METRIC_log_dropped_total, lines_in(parts[1]) + lines_in(parts[2]));
	}
	ring_drop(r, len);
	return true;
}

static bool take_messages(struct writer *w, unsigned seat)
{
	struct ring r = shared_messages(w->post->shared, seat);
	struct slice parts[2];
	size_t len = ring_look(r, parts);

	write_all(STDERR_FILENO, parts[0]);
	write_all(STDERR_FILENO, parts[1]);
	ring_drop(r, len);
	return len > 0;
}

/* True where there was anything. */
static bool take_all(struct writer *w)
{
	bool any = false;

	for (unsigned seat = 0; seat < w->post->shared->seats_len; seat++) {
		any |= take_lines(w, seat);
		any |= take_messages(w, seat);
	}
	return any;
}

static bool open_all(struct writer *w)
{
	struct shared *s = w->post->shared;
	int keep[3], len = 0;

	w->path = w->post->generation->config->root.log.access.at;
	w->access = w->path ? open_log(w->path) : -1;
	int why = errno;
	if (!shared_narrow(s, ROLE_WRITER, w->post->seat)) {
		log_error("the shared memory cannot be mapped: %s", strerror(errno));
		return false;
	}
	keep[len++] = s->notify_fd;
	keep[len++] = s->notify_fds[w->post->seat];
	if (w->access >= 0)
		keep[len++] = w->access;
	confine_descriptors(keep, (size_t)len);
	if (!confine_identity(w->post->account)) {
		log_error("rights cannot be given up: %s", strerror(errno));
		return false;
	}
	if (w->path && w->access < 0) { /* the directory may be the user's and closed to us before */
		w->access = open_log(w->path);
		if (w->access < 0)
			complain(w, "cannot be opened", why);
	}
	return true;
}

/* Without a supervisor it stays for those who still finish what they have in hand. */
static bool has_authors(const struct writer *w)
{
	for (unsigned i = SEAT_WORKERS; i < w->post->shared->seats_len; i++) {
		int32_t pid = atomic_load(&w->post->shared->seats[i].pid);
		if (pid > 0 && kill(pid, 0) == 0)
			return true;
	}
	return false;
}

static bool goes_on(struct writer *w, uint64_t *asked_ns)
{
	enum order order = child_order(w->post, clock_ns(), asked_ns);

	return order < ORDER_DRAIN || (order == ORDER_DRAIN && has_authors(w));
}

static void run(struct writer *w)
{
	struct child_context *p = w->post;
	struct pollfd notify = { p->shared->notify_fds[p->seat], POLLIN, 0 };
	uint64_t asked_ns = 0;
	int sleep_ms = SLEEP_LEAST_MS;

	while (goes_on(w, &asked_ns)) {
		bool any = take_all(w);
		sleep_ms = any ? SLEEP_LEAST_MS : sleep_ms * 2 < SLEEP_MOST_MS ? sleep_ms * 2 : SLEEP_MOST_MS;
		child_beat(p);
		if (poll(&notify, 1, sleep_ms) > 0)
			shared_drain(notify.fd);
	}
	take_all(w);
}

int writer_main(struct child_context *p)
{
	struct writer *w = calloc(1, sizeof *w);
	int status = 1;

	if (!w)
		return 1;
	w->post = p;
	w->access = -1;
	signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk, not an end */
	bool open = open_all(w);
	if (open && !confine_calls(MAY_NOTHING)) {
		log_error("the system call filter cannot be set: %s", strerror(errno));
		open = false;
	}
	if (open) {
		shared_report(p->shared, p->seat, SEAT_SERVING);
		run(w);
		status = 0;
	}
	if (w->access >= 0)
		close(w->access);
	free(w);
	return status;
}
