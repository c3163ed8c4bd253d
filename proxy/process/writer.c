/* The writer: takes log lines out of every seat's rings and writes them. write() to a file may block, and
 * this is the only process that it may block. It opens the log before it gives up its rights, so that the
 * log's directory may be root's alone; reopening is therefore done by a new writer. What the disk does
 * not take is dropped and counted; what found its ring full, its author has counted. */
#include "base/log.h"
#include "process/post.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define GATHER ((size_t)256 * 1024) /* bytes written at once */
#define RECORD ((size_t)64 * 1024)  /* longest line */
#define SLEEP_LEAST_MS 4
#define SLEEP_MOST_MS 100
#define COMPLAIN_NS (10 * NS_PER_S)

struct writer {
	struct post *post;
	int access;           /* -1: none */
	const char *path;
	char *gather;
	size_t gathered;
	unsigned lines;       /* in gather */
	uint64_t complained_ns;
};

static int open_log(const char *path)
{
	if (strcmp(path, "-") == 0)
		return dup(STDOUT_FILENO);
	/* root follows no link at the end: the directory may be somebody else's */
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | (geteuid() == 0 ? O_NOFOLLOW : 0);
	return open(path, flags, 0640);
}

static void complain(struct writer *w, const char *what, int why)
{
	uint64_t now_ns = clock_ns();

	if (w->complained_ns && now_ns - w->complained_ns < COMPLAIN_NS)
		return;
	w->complained_ns = now_ns;
	log_error("the access log %s %s: %s; its lines are dropped", w->path, what, strerror(why));
}

static bool write_all(int fd, const char *at, size_t len)
{
	while (len) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static void flush(struct writer *w)
{
	if (w->gathered && (w->access < 0 || !write_all(w->access, w->gather, w->gathered))) {
		if (w->access >= 0)
			complain(w, "cannot be written", errno);
		metrics_count_n(METRIC_log_dropped_total, w->lines);
	}
	w->gathered = 0;
	w->lines = 0;
}

static void take_lines(struct writer *w, unsigned seat)
{
	struct ring *r = shared_access(w->post->shared, seat);
	size_t len;

	while ((len = ring_take(r, w->gather + w->gathered, RECORD)) > 0) {
		w->gathered += len;
		w->lines++;
		if (w->gathered > GATHER - RECORD)
			flush(w);
	}
}

static bool take_messages(struct writer *w, unsigned seat)
{
	char line[4096];
	size_t len;
	bool any = false;

	while ((len = ring_take(shared_messages(w->post->shared, seat), line, sizeof line)) > 0) {
		write_all(STDERR_FILENO, line, len);
		any = true;
	}
	return any;
}

/* True where there was anything. */
static bool take_all(struct writer *w)
{
	bool any = false;

	for (unsigned seat = 0; seat < w->post->shared->seats_len; seat++) {
		take_lines(w, seat);
		any |= take_messages(w, seat);
	}
	any |= w->gathered > 0;
	flush(w);
	return any;
}

static bool open_all(struct writer *w)
{
	struct shared *s = w->post->shared;
	int keep[3], len = 0;

	w->path = w->post->generation->config->root.log.access.at;
	w->access = w->path ? open_log(w->path) : -1;
	int why = errno;
	shared_publish(s, false);
	keep[len++] = s->bell;
	keep[len++] = s->pokes[w->post->seat];
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
	w->gather = malloc(GATHER + RECORD);
	return w->gather != NULL;
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
	enum order order = post_order(w->post, clock_ns(), asked_ns);

	return order < ORDER_DRAIN || (order == ORDER_DRAIN && has_authors(w));
}

static void run(struct writer *w)
{
	struct post *p = w->post;
	struct pollfd poke = { p->shared->pokes[p->seat], POLLIN, 0 };
	uint64_t asked_ns = 0;
	int sleep_ms = SLEEP_LEAST_MS;

	while (goes_on(w, &asked_ns)) {
		bool any = take_all(w);
		sleep_ms = any ? SLEEP_LEAST_MS : sleep_ms * 2 < SLEEP_MOST_MS ? sleep_ms * 2 : SLEEP_MOST_MS;
		post_beat(p);
		if (poll(&poke, 1, sleep_ms) > 0)
			shared_hush(poke.fd);
	}
	take_all(w);
}

int writer_main(struct post *p)
{
	struct writer *w = calloc(1, sizeof *w);
	int status = 1;

	if (!w)
		return 1;
	w->post = p;
	w->access = -1;
	if (open_all(w)) {
		shared_say(p->shared, p->seat, SEAT_SERVING);
		run(w);
		status = 0;
	}
	if (w->access >= 0)
		close(w->access);
	free(w->gather);
	free(w);
	return status;
}
