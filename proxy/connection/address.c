/* Reads, writes and dials socket addresses. */
#include "connection/connection.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/un.h>
#include <unistd.h>

static bool copy_text(struct slice from, char *to, size_t cap)
{
	if (from.len >= cap || slice_find(from, '\0') < from.len)
		return false;
	memcpy(to, from.at, from.len);
	to[from.len] = '\0';
	return true;
}

static bool parse_unix(struct slice path, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (path.len == 0 || path.at[0] != '/' || !copy_text(path, un.sun_path, sizeof un.sun_path))
		return false;
	memcpy(to, &un, sizeof un);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	return true;
}

static bool parse_port(struct slice text, in_port_t *port)
{
	uint64_t n;

	if (!slice_u64(text, &n) || n > 65535)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

static bool parse_v6(struct slice text, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct slice rest = slice_from(text, 1);
	struct slice host = slice_cut(&rest, ']');
	char name[64];

	if (!slice_starts(rest, S(":")) || !parse_port(slice_from(rest, 1), &in6.sin6_port) ||
	    !copy_text(host, name, sizeof name) || inet_pton(AF_INET6, name, &in6.sin6_addr) != 1)
		return false;
	memcpy(to, &in6, sizeof in6);
	*len = sizeof in6;
	return true;
}

bool address_parse(struct slice text, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct slice rest = text;
	char name[64];

	memset(to, 0, sizeof *to);
	if (slice_starts(text, S("unix:")))
		return parse_unix(slice_from(text, 5), to, len);
	if (slice_starts(text, S("[")))
		return parse_v6(text, to, len);
	struct slice host = slice_cut(&rest, ':');
	if (!parse_port(rest, &in.sin_port) || !copy_text(host, name, sizeof name) ||
	    inet_pton(AF_INET, name, &in.sin_addr) != 1)
		return false;
	memcpy(to, &in, sizeof in);
	*len = sizeof in;
	return true;
}

struct in6_addr address_of(const struct sockaddr_storage *from, uint16_t *port)
{
	struct in6_addr to = IN6ADDR_ANY_INIT;

	*port = 0;
	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof in);
		to.s6_addr[10] = to.s6_addr[11] = 0xff;
		memcpy(to.s6_addr + 12, &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
	} else if (from->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, from, sizeof in6);
		to = in6.sin6_addr;
		*port = ntohs(in6.sin6_port);
	}
	return to;
}

static size_t write_address(const struct in6_addr *address, char to[static 46])
{
	struct text t = { .at = to, .cap = 46 };

	if (!IN6_IS_ADDR_V4MAPPED(address)) {
		inet_ntop(AF_INET6, address, to, 46);
		return strlen(to);
	}
	for (int i = 12; i < 16; i++) { /* for every request: no printf */
		text_u64(&t, address->s6_addr[i]);
		text_char(&t, i < 15 ? '.' : '\0');
	}
	return t.len - 1;
}

struct slice address_text(const struct in6_addr *address, char to[static 46])
{
	static struct in6_addr last; /* a request's is asked for three times in a row */
	static char text[46];
	static size_t len;

	if (!len || !IN6_ARE_ADDR_EQUAL(address, &last)) {
		len = write_address(address, text);
		last = *address;
	}
	memcpy(to, text, sizeof text);
	return (struct slice){ to, len };
}

int address_dial(const struct sockaddr_storage *to, socklen_t len)
{
	int on = 1, fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (to->ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, (const struct sockaddr *)to, len) == 0 || errno == EINPROGRESS)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}
