/* h2_memory.h -- what nghttp2's sessions have for memory. Private to http/.
 *
 * A session takes a buffer for one frame, 16 KiB, when it is made, and keeps it. The head of an answer needs
 * a few hundred bytes of that, yet malloc gives it pages that others have touched and left. So each session
 * has a place: pages of its own, fresh from the kernel, with the session itself in front of its buffer. As a
 * rule one of them is ever touched. Places lie in slabs; one that is given back goes back to the kernel at
 * once, and a slab without any, but for the last, does so too. What is small and short-lived (streams,
 * frames, fields) is kept for the next one, up to a bound.
 *
 * Measured on 800 and on 2,000 idle HTTP/2 connections over TLS, each after one request (nghttp2 1.52, glibc
 * 2.36): 27.5 KiB of the processes' own memory a connection, and 36.4 KiB where nghttp2 uses malloc. */
#pragma once
#include <nghttp2/nghttp2.h>

#define H2_PLACE_SIZE (5 * 4096)   /* bytes of address space */
#define H2_SMALL_MOST 512          /* bytes of what counts as small */
#define H2_SPARE_MOST (256 * 1024) /* bytes of small pieces kept */

struct h2_memory;                          /* of one worker */
struct h2_memory *h2_memory_open(void);    /* NULL: out of memory */
void h2_memory_close(struct h2_memory *m); /* all places must be given back */

/* A place, for nghttp2_session_server_new3; NULL: out of memory. */
nghttp2_mem *h2_place_take(struct h2_memory *m);
void h2_place_give(nghttp2_mem *place); /* after nghttp2_session_del */

struct h2_memory_use {
	size_t slabs, places, spare; /* spare: bytes of small pieces kept */
};
struct h2_memory_use h2_memory_use(const struct h2_memory *m);
