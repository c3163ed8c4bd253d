/* talk.h -- a client of the workers of child_bodies.h. */
#pragma once
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* -1: refused. */
int supervised_connect(unsigned port);

/* One connection: sends `words`, returns what comes back. NULL: refused or reset. */
const char *supervised_ask(unsigned port, const char *words);
