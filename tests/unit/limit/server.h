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

int server_try(const struct server *s);

/* Waits until it takes connections. */
void server_start(struct server *s);

void server_kill(struct server *s);

void server_open(struct server *s);

void server_close(struct server *s);

void server_send(const struct server *s, const struct slice *word, size_t len);

void server_line(const struct server *s, char to[256]);

/* An integer, a status or an error; of a bulk string its text (of up to 64 KiB). */
void server_ask(const struct server *s, const struct slice *word, size_t len, char *to, size_t cap);

/* The reply of BITFIELD. */
void server_bitfield(const struct server *s, const struct slice *word, size_t len, struct limit_reply *to);
