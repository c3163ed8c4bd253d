/* Reads and writes networks, addresses and URLs. */
#include "config/parse.h"
#include <arpa/inet.h>

bool cidrs_have(const struct config_cidrs *nets, const struct in6_addr *address)
{
	for (size_t i = 0; i < nets->len; i++) {
		const struct cidr *n = &nets->at[i];
		size_t whole = n->bits / 8;
		unsigned part = n->bits % 8;
		if (memcmp(n->net.s6_addr, address->s6_addr, whole) != 0)
			continue;
		if (part == 0 || (n->net.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - part) == 0)
			return true;
	}
	return false;
}

bool prefix_bits(struct slice part, struct prefix_bits *to)
{
	struct slice first, second = slice_from(part, 7);
	uint64_t n, m;

	*to = (struct prefix_bits){ 24, 64 };
	if (slice_same(part, S("prefix")))
		return true;
	if (slice_same(part, S("prefix48")))
		to->v6 = 48;
	if (!slice_starts(part, S("prefix:")))
		return to->v6 == 48;
	bool both = slice_find(second, '/') < second.len;
	first = slice_cut(&second, '/');
	if (!slice_u64(first, &n) || (both && !slice_u64(second, &m)))
		return false;
	if (!both)
		m = n > 32 ? n : 64, n = n > 32 ? 24 : n;
	if (n < 8 || n > 32 || m < 16 || m > 128)
		return false;
	*to = (struct prefix_bits){ (uint8_t)n, (uint8_t)m };
	return true;
}

/* Clears what lies behind the first `bits`; true where something was set there. */
static bool mask(struct in6_addr *a, unsigned bits)
{
	bool changed = false;

	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
		uint8_t masked = a->s6_addr[i];
		if (keep < 8)
			masked = (uint8_t)(a->s6_addr[i] & (0xff00u >> keep));
		changed |= masked != a->s6_addr[i];
		a->s6_addr[i] = masked;
	}
	return changed;
}

bool parse_cidr(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	struct cidr net;
	struct slice rest = from;
	struct slice ip = slice_cut(&rest, '/');
	uint64_t bits;
	bool v4;

	(void)w;
	if (!ip_read(ip, &net.net, &v4))
		return false;
	if (ip.len == from.len)
		bits = v4 ? 32 : 128;
	else if (!slice_u64(rest, &bits) || bits > (v4 ? 32 : 128))
		return *why = v4 ? "the prefix length is 0 to 32" : "the prefix length is 0 to 128", false;
	net.bits = (uint8_t)(bits + (v4 ? 96 : 0));
	if (mask(&net.net, net.bits))
		return *why = "it has bits set behind its prefix length; write the network's first address", false;
	*(struct cidr *)to = net;
	return true;
}

void format_cidr(const void *value, struct text *to)
{
	const struct cidr *net = value;
	char ip[INET6_ADDRSTRLEN];
	bool v4 = IN6_IS_ADDR_V4MAPPED(&net->net) && net->bits >= 96;

	if (v4)
		inet_ntop(AF_INET, net->net.s6_addr + 12, ip, sizeof ip);
	else
		inet_ntop(AF_INET6, &net->net, ip, sizeof ip);
	text_add(to, slice_of(ip));
	text_printf(to, "/%u", v4 ? net->bits - 96u : net->bits);
}

static bool port_read(struct slice from, uint64_t *port, const char **why)
{
	if (from.len > 5 || !slice_u64(from, port) || *port == 0 || *port > 65535)
		return *why = "a port is a number from 1 to 65535", false;
	return true;
}

bool address_split(struct slice from, struct address *to, const char **why)
{
	bool v4, v6 = slice_starts(from, S("["));
	size_t end = v6 ? slice_find(from, ']') : slice_find(from, ':');
	struct slice ip = v6 ? slice_from(slice_head(from, end), 1) : slice_head(from, end);
	struct slice port = slice_from(from, end + v6);
	uint64_t number;

	if (!ip_read(ip, &to->ip, &v4) || v4 == v6 || !slice_starts(port, S(":")))
		return false;
	if (!port_read(slice_from(port, 1), &number, why))
		return false;
	to->port = (uint16_t)number;
	return true;
}

bool parse_address(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	struct address parts;

	(void)w;
	if (!address_split(from, &parts, why))
		return false;
	*(struct slice *)to = from;
	return true;
}

/* Cuts the host, and its port, out of "host:port/rest". */
static bool authority(struct slice from, struct url *to, const char **why)
{
	size_t end = 0;
	struct in6_addr ip;
	bool v4;

	while (end < from.len && !strchr("/?#", from.at[end]))
		end++;
	to->rest = slice_from(from, end);
	struct slice all = slice_head(from, end);
	bool v6 = slice_starts(all, S("["));
	size_t host = v6 ? slice_find(all, ']') : slice_find(all, ':');
	if (v6 && host == all.len)
		return *why = "its [ has no ]", false;
	to->host = v6 ? slice_from(slice_head(all, host), 1) : slice_head(all, host);
	struct slice port = slice_from(all, host + v6);
	if (slice_find(all, '@') < all.len)
		return *why = "a URL may not carry a user name or password here", false;
	if (v6 ? !ip_read(to->host, &ip, &v4) || v4 : !host_is_name(to->host))
		return *why = "its host is neither a name nor an IP address", false;
	if (port.len == 0)
		return true;
	return slice_starts(port, S(":")) && port_read(slice_from(port, 1), &to->port, why);
}

bool url_split(struct slice from, struct url *to, const char **why)
{
	*to = (struct url){ .https = slice_starts(from, S("https://")) };
	if (!to->https && !slice_starts(from, S("http://")))
		return *why = "a URL begins with https:// or http://", false;
	for (size_t i = 0; i < from.len; i++)
		if ((unsigned char)from.at[i] <= 0x20 || (unsigned char)from.at[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", from.at[i]))
			return *why = "a character of it may not stand in a URL", false;
	if (slice_find(from, '#') < from.len)
		return *why = "a URL may not have a fragment (#) here", false;
	return authority(slice_from(from, to->https ? 8 : 7), to, why);
}

bool parse_url(const struct parse_with *w, struct slice from, void *to, const char **why)
{
	struct url parts;

	(void)w;
	if (!url_split(from, &parts, why))
		return false;
	*(struct slice *)to = from;
	return true;
}
