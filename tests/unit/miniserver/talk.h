/* talk.h -- a loop with a listening loopback socket, and a client in the same thread. */
#pragma once
#include "miniserver/miniserver.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

extern struct loop *loop;
extern int listening;
extern uint16_t port;
extern char heard[1 << 20]; /* NUL-terminated */
extern size_t heard_len;
extern bool ended; /* the server has closed */

void open_loop(void);

void close_loop(void);

int dial(void);

/* Turns the loop until `until` was heard (anywhere; NULL: never), the server closed, or nothing came for
 * long. */
bool hear(int fd, const char *until);

void say(int fd, struct slice bytes);

void forget(void);

bool ask_for(int fd, const char *request, const char *until);
