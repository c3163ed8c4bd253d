/* origin.h -- a tiny HTTP server of a test: a thread a connection, answers by path. */
#pragma once
#include "base/slice.h"
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

struct origin {
	int listener;
	uint16_t port;
	SSL_CTX *tls; /* NULL: plain */
	pthread_t thread, servers[256];
	atomic_uint connections;
	char request[2048]; /* the last one's head */
	char path[108];     /* of a Unix socket; empty: TCP */
};

struct origin_guest {
	struct origin *origin;
	int fd;
};

void origin_open(struct origin *o, const char *unix_path, SSL_CTX *tls);

void origin_close(struct origin *o);
