/* proxy.c -- the PROXY protocol (haproxy.org, doc/proxy-protocol.txt, sections 2.1 and 2.2). */
#include "connection/connection.h"
#include "base/ip.h"

#define V1_MAX 107  /* bytes of the longest line, with CR LF */
#define V2_HEAD 16  /* bytes before the addresses */
#define V2_MAX 4096 /* bytes of addresses and TLVs that are waited for */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* How `bytes` begin: PROXY_DONE as `with`, PROXY_MORE so far. */
static enum proxy_result begins(struct slice bytes, struct slice with)
{
	if (!slice_starts(with, slice_head(bytes, with.len)))
		return PROXY_BAD;
	return bytes.len < with.len ? PROXY_MORE : PROXY_DONE;
}

/* ---- version 1: a line of text ---- */

static bool parse_ip(struct slice text, bool six, struct in6_addr *to)
{
	bool v4;

	return ip_read(text, to, &v4) && v4 != six;
}

static bool parse_port(struct slice text, uint16_t *to)
{
	uint64_t port;

	if (text.len > 5 || (text.len > 1 && text.at[0] == '0') || !slice_u64(text, &port) || port > 65535)
		return false;
	*to = (uint16_t)port;
	return true;
}

static enum proxy_result read_line(struct slice line, struct proxy_header *to)
{
	struct slice family = slice_cut(&line, ' ');
	bool six = slice_same(family, S("TCP6"));

	if (slice_same(family, S("UNKNOWN"))) {
		to->local = true;
		return PROXY_DONE;
	}
	if (!six && !slice_same(family, S("TCP4")))
		return PROXY_BAD;
	bool sound = parse_ip(slice_cut(&line, ' '), six, &to->source) &&
	             parse_ip(slice_cut(&line, ' '), six, &to->destination) &&
	             parse_port(slice_cut(&line, ' '), &to->source_port) && line.len &&
	             parse_port(line, &to->destination_port);
	return sound ? PROXY_DONE : PROXY_BAD;
}

static enum proxy_result read_v1(struct slice bytes, struct proxy_header *to)
{
	enum proxy_result result = begins(bytes, S("PROXY "));
	struct slice window = slice_head(bytes, V1_MAX);
	size_t lf = slice_find(window, '\n');

	if (result != PROXY_DONE)
		return result;
	if (lf == window.len)
		return window.len == V1_MAX ? PROXY_BAD : PROXY_MORE;
	struct slice line = slice_from(slice_head(window, lf), 6);
	if (!slice_ends(line, S("\r")) || slice_find(line, '\r') != line.len - 1)
		return PROXY_BAD;
	to->len = lf + 1;
	return read_line(slice_head(line, line.len - 1), to);
}

/* ---- version 2: binary ---- */

static uint16_t two(const char *at)
{
	return (uint16_t)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

static void take_four(const char *at, struct in6_addr *to)
{
	memset(to, 0, sizeof *to);
	to->s6_addr[10] = to->s6_addr[11] = 0xFF;
	memcpy(to->s6_addr + 12, at, 4);
}

#define TLV_CRC32C 3

/* CRC-32C (RFC 9260 appendix A) of the header with zeros for the four bytes at `hole`. */
static uint32_t crc32c(struct slice header, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < header.len; i++) {
		crc ^= i - hole < 4 ? 0 : (unsigned char)header.at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
	}
	return ~crc;
}

/* Of what stands behind the addresses, from `at` on, only the checksum is looked at: is it right? */
static bool is_intact(struct slice header, size_t at)
{
	while (at < header.len) {
		size_t len = header.len - at < 3 ? 0 : two(header.at + at + 1);
		const unsigned char *value = (const unsigned char *)header.at + at + 3;
		if (header.len - at < 3 || len > header.len - at - 3)
			return true;
		if (header.at[at] == TLV_CRC32C) {
			if (len != 4)
				return false;
			uint32_t said =
			    (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 | value[3];
			if (crc32c(header, at + 3) != said)
				return false;
		}
		at += 3 + len;
	}
	return true;
}

static size_t addresses_len(unsigned family)
{
	return family == 0x11 ? 12 : family == 0x21 ? 36 : family == 0x31 ? 216 : 0;
}

static enum proxy_result read_addresses(unsigned family, struct slice from, struct proxy_header *to)
{
	size_t need = addresses_len(family);

	if (from.len < need || (need == 0 && family != 0))
		return PROXY_BAD;
	if (family == 0x11) {
		take_four(from.at, &to->source);
		take_four(from.at + 4, &to->destination);
	} else if (family == 0x21) {
		memcpy(&to->source, from.at, 16);
		memcpy(&to->destination, from.at + 16, 16);
	} else { /* AF_UNSPEC, or a Unix socket: no address that we could use */
		to->local = true;
		return PROXY_DONE;
	}
	to->source_port = two(from.at + need - 4);
	to->destination_port = two(from.at + need - 2);
	return PROXY_DONE;
}

static enum proxy_result read_v2(struct slice bytes, struct proxy_header *to)
{
	enum proxy_result result = begins(bytes, (struct slice){ signature, sizeof signature });

	if (result != PROXY_DONE)
		return result;
	if (bytes.len > 12 && bytes.at[12] != 0x20 && bytes.at[12] != 0x21)
		return PROXY_BAD;
	if (bytes.len < V2_HEAD)
		return PROXY_MORE;
	size_t len = two(bytes.at + 14);
	if (len > V2_MAX)
		return PROXY_BAD;
	if (bytes.len < V2_HEAD + len)
		return PROXY_MORE;
	to->len = V2_HEAD + len;
	unsigned family = (unsigned char)bytes.at[13];
	size_t behind = V2_HEAD + addresses_len(family);
	to->local = bytes.at[12] == 0x20;
	if (!is_intact(slice_head(bytes, to->len), behind))
		return PROXY_BAD;
	if (to->local)
		return PROXY_DONE;
	return read_addresses(family, slice_head(slice_from(bytes, V2_HEAD), len), to);
}

enum proxy_result proxy_read(struct slice bytes, int accept, struct proxy_header *to)
{
	*to = (struct proxy_header){ 0 };
	if (bytes.len == 0)
		return PROXY_MORE;
	if (bytes.at[0] == 'P' && accept & PROXY_V1)
		return read_v1(bytes, to);
	if (bytes.at[0] == '\r' && accept & PROXY_V2)
		return read_v2(bytes, to);
	return PROXY_BAD;
}
