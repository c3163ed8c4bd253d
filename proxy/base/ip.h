/* ip.h -- IP addresses: from text, of this machine, without all else. */
#pragma once
#include "base/slice.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* 192.0.2.1 (then *v4, and mapped: ::ffff:192.0.2.1) or 2001:db8::1, nothing around it. */
bool ip_read(struct slice from, struct in6_addr *to, bool *v4);
/* 127.0.0.0/8, also mapped, and ::1: nobody but this machine is there. */
bool ip_is_loopback(const struct in6_addr *ip);
/* The same of a host of a URL, an IPv6 address with its brackets or without; and localhost. */
bool host_is_loopback(struct slice host);
/* Only family, address, scope and our own port, so that two spellings of one address are one. False: it is no
 * IP address. */
bool ip_plain(const struct sockaddr_storage *from, uint16_t port, struct sockaddr_storage *to);
