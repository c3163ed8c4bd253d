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
