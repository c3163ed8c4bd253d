/* endpoint.h -- the address of an endpoint as configured, and its record among those that the keeper
 * publishes. Private to forward/. */
#pragma once
#include "forward/forward.h"

enum endpoint_scheme { ENDPOINT_HTTP, ENDPOINT_HTTPS, ENDPOINT_UNIX };

/* http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH. The slices lie in the text that was parsed. */
struct endpoint_url {
	enum endpoint_scheme scheme;
	struct slice host; /* without brackets, case as written; of ENDPOINT_UNIX empty */
	uint16_t port;     /* 80 or 443 where not written; 0 of ENDPOINT_UNIX */
	struct slice path; /* of the Unix socket, absolute, shorter than sockaddr_un's; else empty */
	bool literal;      /* host is an IP address: there is nothing to resolve */
};

/* False: it is none of the above. User information, a path other than "/", a query and a fragment are
 * refused, as is a host of digits that is no address ("10.1"), which resolvers would take for one. */
bool endpoint_parse(struct slice text, struct endpoint_url *to) __attribute__((warn_unused_result));

/* The address of a literal host or of a Unix socket. False: a name. */
bool endpoint_address(const struct endpoint_url *e, struct sockaddr_storage *to, socklen_t *len);

/* "<upstream> <url>", NUL-terminated; false where it does not fit. The name of its record. */
bool endpoint_name(struct slice upstream, struct slice url, char to[static 256]);

/* How many records there can be; as an index: of none. */
#define RECORDS ((size_t)ENDPOINTS_MAX)

/* Its record by name; RECORDS where there is none yet: their number grows at any time. */
size_t endpoint_find(const struct forward_published *p, const char *name);

/* A consistent copy of what the keeper last said of the i-th record; only the first addresses_len of the
 * addresses are written. */
void endpoint_read(const struct forward_published *p, size_t i, struct endpoint_state *to);
