/* The names and addresses of servers. */
#include "redis/node.h"
#include "base/text.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

bool node_of(struct slice host, uint64_t port, bool secure, struct redis_node *to)
{
	struct text t = { .at = to->host, .cap = HOST_MAX };

	text_add(&t, host);
	to->port = (uint16_t)port;
	to->turn = 0;
	to->secure = secure;
	if (!host.len || !port || port > UINT16_MAX || !text_end(&t))
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = slice_lower(host.at[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c && strchr(".-_:", c)))
			return false;
	}
	return true;
}

bool node_parse(struct slice url, struct redis_node *to)
{
	struct text t = { .at = to->host, .cap = HOST_MAX };
	struct slice rest, host;
	uint64_t port;

	to->port = 0;
	to->turn = 0;
	to->secure = slice_starts(url, S("rediss://"));
	if (slice_starts(url, S("unix:"))) {
		text_add(&t, slice_from(url, 5));
		return text_end(&t);
	}
	rest = slice_from(url, to->secure ? 9 : 8);
	if (slice_starts(rest, S("["))) {
		rest = slice_from(rest, 1);
		host = slice_cut(&rest, ']');
		rest = slice_from(rest, 1);
	} else {
		host = slice_cut(&rest, ':');
	}
	return slice_u64(rest, &port) && node_of(host, port, to->secure, to);
}

bool node_same(const struct redis_node *a, const struct redis_node *b)
{
	return a->port == b->port && a->secure == b->secure && strcmp(a->host, b->host) == 0;
}

void node_say(const struct redis_node *n, char to[static HOST_MAX + 8])
{
	if (!n->port)
		snprintf(to, HOST_MAX + 8, "%s", n->host);
	else
		snprintf(to, HOST_MAX + 8, strchr(n->host, ':') ? "[%s]:%u" : "%s:%u", n->host, n->port);
}

static bool literal(const struct redis_node *n, struct sockaddr_storage *to)
{
	struct sockaddr_in *four = (struct sockaddr_in *)to;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof *to);
	if (inet_pton(AF_INET, n->host, &four->sin_addr) == 1)
		four->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, n->host, &six->sin6_addr) == 1)
		six->sin6_family = AF_INET6;
	return to->ss_family != 0;
}

bool node_has_name(const struct redis_node *n)
{
	struct sockaddr_storage scratch;

	return n->port && !literal(n, &scratch);
}

static socklen_t set_port(struct sockaddr_storage *to, uint16_t port)
{
	if (to->ss_family == AF_INET) {
		((struct sockaddr_in *)to)->sin_port = htons(port);
		return sizeof(struct sockaddr_in);
	}
	((struct sockaddr_in6 *)to)->sin6_port = htons(port);
	return sizeof(struct sockaddr_in6);
}

static bool local(const struct redis_node *n, struct sockaddr_storage *to, socklen_t *len)
{
	struct sockaddr_un *path = (struct sockaddr_un *)to;

	memset(to, 0, sizeof *to);
	path->sun_family = AF_UNIX;
	if (strlen(n->host) >= sizeof path->sun_path)
		return false;
	memcpy(path->sun_path, n->host, strlen(n->host));
	*len = sizeof *path;
	return true;
}

size_t node_addresses(const struct redis_node *n, const struct redis_names *names)
{
	struct sockaddr_storage found[REDIS_ADDRESSES];

	if (!node_has_name(n))
		return 1;
	return names ? redis_names_read(names, n->host, found) : 0;
}

bool node_address(struct redis_node *n, const struct redis_names *names, struct sockaddr_storage *to,
                  socklen_t *len)
{
	struct sockaddr_storage found[REDIS_ADDRESSES];
	size_t have;

	if (!n->port)
		return local(n, to, len);
	if (!literal(n, to)) {
		have = names ? redis_names_read(names, n->host, found) : 0;
		if (!have)
			return false;
		*to = found[n->turn++ % have];
	}
	*len = set_port(to, n->port);
	return true;
}
