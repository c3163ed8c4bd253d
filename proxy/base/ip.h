/* ip.h -- IP addresses from text. */
#pragma once
#include "base/slice.h"
#include <netinet/in.h>

/* 192.0.2.1 (then *v4, and mapped: ::ffff:192.0.2.1) or 2001:db8::1, nothing around it. */
bool ip_read(struct slice from, struct in6_addr *to, bool *v4);
