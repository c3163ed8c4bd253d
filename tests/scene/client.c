/* client.c -- a client of a scene: one request on its kept connection, one answer. */
#include "scene.h"
#include "base/check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void connect_client(struct scene *s, struct fake_client *c)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0)
		scene_fail(s, "no socket pair");
	c->fd = fds[0];
	journey_accept(s->journey, 0, fds[1], &c->at);
	if (c->behind[0])
		check(dprintf(c->fd, "PROXY TCP4 %s 192.0.2.1 5555 443\r\n", c->behind) > 0);
}

static size_t length_of(struct slice head)
{
	uint64_t len = 0;

	while (head.len) {
		struct slice line = slice_cut(&head, '\n');
		struct slice name = slice_cut(&line, ':');
		if (slice_same_nocase(name, S("content-length"))) {
			line = slice_trim(slice_head(line, line.len - 1));
			check(slice_u64(line, &len));
		}
	}
	return (size_t)len;
}

static void take_bytes(struct scene *s, struct fake_client *c, struct said *to)
{
	static char bytes[16384];
	size_t len = 0;

	for (int i = 0; i < 400; i++) {
		loop_turn(s->loop, 0);
		ssize_t got = read(c->fd, bytes + len, sizeof bytes - 1 - len);
		if (got > 0)
			len += (size_t)got;
		bytes[len] = '\0';
		char *end = strstr(bytes, "\r\n\r\n");
		size_t head = end ? (size_t)(end - bytes) + 4 : 0;
		if (end && len - head >= length_of((struct slice){ bytes, head })) {
			check(head < sizeof to->head && len - head < sizeof to->body);
			memcpy(to->head, bytes, head);
			to->head[head] = '\0';
			memcpy(to->body, bytes + head, len - head + 1);
			uint64_t status;
			check(slice_u64((struct slice){ bytes + 9, 3 }, &status));
			to->status = (unsigned)status;
			return;
		}
		if (got == 0)
			break;
	}
	to->status = 0; /* no answer */
}

void client_more(struct scene *s, struct fake_client *c, struct slice bytes)
{
	if (c->fd < 0 || write(c->fd, bytes.at, bytes.len) != (ssize_t)bytes.len)
		scene_fail(s, "its connection is closed");
}

void client_take(struct scene *s, struct fake_client *c, struct said *to)
{
	take_bytes(s, c, to);
	if (to->status && !strstr(to->head, "Connection: close"))
		return;
	close(c->fd);
	c->fd = -1;
	world_settle(s);
}

void client_send(struct scene *s, struct fake_client *c, struct slice method, struct slice target,
                 struct slice fields, struct slice body)
{
	char bytes[8192];
	struct text t = TEXT(bytes);

	char byte;
	if (c->fd >= 0 && recv(c->fd, &byte, 1, MSG_PEEK) == 0) { /* closed meanwhile, as idle */
		close(c->fd);
		c->fd = -1;
	}
	if (c->fd < 0)
		connect_client(s, c);
	text_add(&t, method);
	text_char(&t, ' ');
	text_add(&t, target);
	text_add(&t, S(" HTTP/1.1\r\nHost: scene.test\r\n"));
	text_add(&t, slice_of(c->fields));
	text_add(&t, fields);
	if (slice_same(method, S("POST")))
		text_printf(&t, "Content-Length: %zu\r\n", body.len);
	text_add(&t, S("\r\n"));
	text_add(&t, body);
	check(!t.cut && write(c->fd, t.at, t.len) == (ssize_t)t.len);
}
