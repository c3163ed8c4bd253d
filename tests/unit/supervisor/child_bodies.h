/* child_bodies.h -- processes that do little: workers that answer a connection with their generation and
 * slot, and die, freeze or dawdle on demand. A configuration whose log level is error makes workers that
 * die while loading. */
#pragma once
#include "base/log.h"
#include "base/random.h"
#include "shared/shared.h"
#include "supervisor/inside.h"
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

void close_all(struct pollfd *at, unsigned len, struct child_context *p, bool take_rest);

int worker(struct child_context *p);

int keeper(struct child_context *p);

int writer(struct child_context *p);
