/* server.h -- a redis-server of the test's own, on a Unix socket, and the plainest of clients. */
#pragma once
#include "base/check.h"
#include "base/clock.h"
#include "base/text.h"
#include "limit/limit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
	char directory[64], socket[80];
	pid_t pid;
	int fd;
};

static int server_try(const struct server *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", s->socket);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Waits until it takes connections. */
static void server_start(struct server *s)
{
	struct timespec pause = { 0, 5 * 1000 * 1000 };
	pid_t parent = getpid();

	s->pid = fork();
	check(s->pid >= 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || chdir(s->directory) != 0)
			_exit(1);
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->socket, "--save", "",
		       "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; (s->fd = server_try(s)) < 0; i++) {
		check(i < 4000 && waitpid(s->pid, NULL, WNOHANG) == 0);
		nanosleep(&pause, NULL);
	}
}

static void server_kill(struct server *s)
{
	close(s->fd);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	unlink(s->socket);
}

static void server_open(struct server *s)
{
	snprintf(s->directory, sizeof s->directory, "/tmp/sallyport-limit-XXXXXX");
	check(mkdtemp(s->directory));
	snprintf(s->socket, sizeof s->socket, "%s/redis", s->directory);
	server_start(s);
}

static void server_close(struct server *s)
{
	server_kill(s);
	rmdir(s->directory);
}

static void server_send(const struct server *s, const struct slice *word, size_t len)
{
	char room[4096];
	struct text t = TEXT(room);

	text_printf(&t, "*%zu\r\n", len);
	for (size_t i = 0; i < len; i++) {
		text_printf(&t, "$%zu\r\n", word[i].len);
		text_add(&t, word[i]);
		text_add(&t, S("\r\n"));
	}
	check(!t.cut && write(s->fd, t.at, t.len) == (ssize_t)t.len);
}

static void server_line(const struct server *s, char to[static 256])
{
	size_t len = 0;

	do {
		check(len < 255 && read(s->fd, to + len, 1) == 1);
	} while (to[len++] != '\n');
	to[len - 2] = '\0';
}

/* An integer, a status or an error; of a bulk string its text (of up to 64 KiB). */
static void server_ask(const struct server *s, const struct slice *word, size_t len, char *to, size_t cap)
{
	char line[256];
	size_t got = 0;

	server_send(s, word, len);
	server_line(s, line);
	if (line[0] != '$') {
		struct text t = { .at = to, .cap = cap };
		text_add(&t, slice_of(line));
		check(text_end(&t));
		return;
	}
	size_t want = strtoull(line + 1, NULL, 10) + 2;
	check(want < cap);
	while (got < want) {
		ssize_t n = read(s->fd, to + got, want - got);
		check(n > 0);
		got += (size_t)n;
	}
	to[want - 2] = '\0';
}

/* The reply of BITFIELD. */
static inline void server_bitfield(const struct server *s, const struct slice *word, size_t len,
                                   struct limit_reply *to)
{
	char line[256];

	server_send(s, word, len);
	server_line(s, line);
	check(line[0] == '*');
	*to = (struct limit_reply){ .answered = true, .len = strtoull(line + 1, NULL, 10) };
	check(to->len <= 4);
	for (size_t i = 0; i < to->len; i++) {
		server_line(s, line);
		to->nil[i] = line[0] == '$';
		to->value[i] = to->nil[i] ? 0 : strtoll(line + 1, NULL, 10);
	}
}
