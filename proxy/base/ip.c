/* Reads addresses; IPv4 is mapped into IPv6. */
#include "base/ip.h"
#include <arpa/inet.h>

bool ip_read(struct slice from, struct in6_addr *to, bool *v4)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr four;

	if (from.len == 0 || from.len >= sizeof text || memchr(from.at, 0, from.len))
		return false;
	memcpy(text, from.at, from.len);
	text[from.len] = '\0';
	*v4 = inet_pton(AF_INET, text, &four) == 1;
	if (!*v4)
		return inet_pton(AF_INET6, text, to) == 1;
	*to = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	memcpy(to->s6_addr + 12, &four, sizeof four);
	return true;
}

bool ip_is_loopback(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

bool host_is_loopback(struct slice host)
{
	struct in6_addr ip;
	bool v4;

	if (slice_starts(host, S("[")) && slice_ends(host, S("]")))
		host = (struct slice){ host.at + 1, host.len - 2 };
	return slice_same_nocase(host, S("localhost")) || (ip_read(host, &ip, &v4) && ip_is_loopback(&ip));
}

bool ip_plain(const struct sockaddr_storage *from, uint16_t port, struct sockaddr_storage *to)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)from;

	memset(to, 0, sizeof *to);
	to->ss_family = from->ss_family;
	if (from->ss_family == AF_INET) {
		((struct sockaddr_in *)to)->sin_port = htons(port);
		((struct sockaddr_in *)to)->sin_addr = four->sin_addr;
	} else if (from->ss_family == AF_INET6) {
		((struct sockaddr_in6 *)to)->sin6_port = htons(port);
		((struct sockaddr_in6 *)to)->sin6_addr = six->sin6_addr;
		((struct sockaddr_in6 *)to)->sin6_scope_id = six->sin6_scope_id;
	}
	return from->ss_family == AF_INET || from->ss_family == AF_INET6;
}
