/* server.c -- what server.h promises. */
#include "server.h"

int server_try(const struct server *s)
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

void server_start(struct server *s)
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

void server_kill(struct server *s)
{
	close(s->fd);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	unlink(s->socket);
}

void server_open(struct server *s)
{
	snprintf(s->directory, sizeof s->directory, "/tmp/sallyport-limit-XXXXXX");
	check(mkdtemp(s->directory));
	snprintf(s->socket, sizeof s->socket, "%s/redis", s->directory);
	server_start(s);
}

void server_close(struct server *s)
{
	server_kill(s);
	rmdir(s->directory);
}

void server_send(const struct server *s, const struct slice *word, size_t len)
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

void server_line(const struct server *s, char to[256])
{
	size_t len = 0;

	do {
		check(len < 255 && read(s->fd, to + len, 1) == 1);
	} while (to[len++] != '\n');
	to[len - 2] = '\0';
}

void server_ask(const struct server *s, const struct slice *word, size_t len, char *to, size_t cap)
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

void server_bitfield(const struct server *s, const struct slice *word, size_t len, struct limit_reply *to)
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
