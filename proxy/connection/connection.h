/* connection.h -- sockets: the loop's turn, wires, listeners, the PROXY protocol. Nothing here knows HTTP or
 * TLS. */
#pragma once
#include "connection/loop.h"
#include "connection/wire.h"
#include "connection/wire_raw.h"
#include "connection/wire_state.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* "0.0.0.0:443", "[::]:443", "unix:/path" as a socket address. False: it is none. */
bool address_parse(struct slice text, struct sockaddr_storage *to, socklen_t *len);
/* A non-blocking socket on its way there, without Nagle's delay. -1: errno says why. */
int address_dial(const struct sockaddr_storage *to, socklen_t len);
/* Any IPv4 or IPv6 socket address as an IPv6 address (IPv4 mapped); others as ::. */
struct in6_addr address_of(const struct sockaddr_storage *from, uint16_t *port);
/* An address as text: 192.0.2.1 or 2001:db8::1. `to` has 46 bytes. Returns its view. */
struct slice address_text(const struct in6_addr *address, char to[static 46]);

/* Binds, with SO_REUSEPORT, IPV6_V6ONLY and SO_REUSEADDR; listens where `listening`. -1: errno says why. */
int listener_bind(const struct sockaddr_storage *at, socklen_t len, bool listening);

/* Accepts from a listening socket it does not own, level-triggered; at most 64 per turn. Off on EMFILE until
 * a descriptor is free. on_accept takes the descriptor over. */
struct listener;
struct listener *listener_open(struct loop *l, int fd,
                               void (*on_accept)(void *with, int fd, const struct sockaddr_storage *peer),
                               void *with);
void listener_pause(struct listener *l, bool paused);
void listener_close(struct listener *l); /* closes our event, not the descriptor */

/* The PROXY protocol (haproxy.org proxy-protocol.txt, version 1 and 2). */
enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BAD };
struct proxy_header {
	size_t len; /* bytes to skip */
	bool local; /* a health check of the proxy itself: keep the socket's addresses */
	struct in6_addr source, destination;
	uint16_t source_port, destination_port;
};
enum { PROXY_V1 = 1, PROXY_V2 = 2 };
enum proxy_result proxy_read(struct slice bytes, int accept, struct proxy_header *to);
