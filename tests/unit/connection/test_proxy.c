#include "connection/connection.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define ANY (PROXY_V1 | PROXY_V2)
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct proxy_header h;

static void address_is(const struct in6_addr *got, const char *text)
{
	struct in6_addr wanted;

	assert_int_equal(inet_pton(AF_INET6, text, &wanted), 1);
	assert_memory_equal(got, &wanted, sizeof wanted);
}

/* Byte by byte it is incomplete to the end; then it is whole, also with more behind it. */
static void whole(struct slice header)
{
	char more[512];

	assert_true(header.len < sizeof more - 4);
	for (size_t n = 0; n < header.len; n++)
		assert_int_equal(proxy_read(slice_head(header, n), ANY, &h), PROXY_MORE);
	memcpy(more, header.at, header.len);
	memcpy(more + header.len, "\r\nX\n", 4);
	assert_int_equal(proxy_read((struct slice){ more, header.len + 4 }, ANY, &h), PROXY_DONE);
	assert_int_equal(proxy_read(header, ANY, &h), PROXY_DONE);
	assert_int_equal(h.len, header.len);
}

static void version_1_is_read(void **state)
{
	(void)state;
	whole(S("PROXY TCP4 192.0.2.1 255.255.255.255 56324 443\r\n"));
	address_is(&h.source, "::ffff:192.0.2.1");
	address_is(&h.destination, "::ffff:255.255.255.255");
	assert_int_equal(h.source_port, 56324);
	assert_int_equal(h.destination_port, 443);
	assert_false(h.local);
	whole(S("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ::1 65535 0\r\n"));
	address_is(&h.destination, "::1");
	whole(S("PROXY UNKNOWN\r\n"));
	assert_true(h.local);
	whole(S("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	        "65535 65535\r\n"));
	assert_true(h.local);
}

static void version_2_is_read(void **state)
{
	(void)state;
	whole(S(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb"));
	address_is(&h.source, "::ffff:192.0.2.1");
	address_is(&h.destination, "::ffff:192.0.2.2");
	assert_int_equal(h.source_port, 0x1234);
	assert_int_equal(h.destination_port, 443);
	assert_false(h.local);
	whole(S(SIGNATURE "\x21\x11\0\x0f\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb\4\0\0")); /* a TLV */
	whole(S(SIGNATURE "\x21\x21\0\x24"
	                  "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	                  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
	                  "\0\x50\1\xbb"));
	address_is(&h.source, "2001:db8::1");
	address_is(&h.destination, "::1");
	assert_int_equal(h.source_port, 80);
	whole(S(SIGNATURE "\x21\x11\0\x17\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb\4\0\1z"
	                  "\3\0\4\245\347\155\313")); /* a right checksum */
	whole(S(SIGNATURE "\x20\0\0\0"));
	assert_true(h.local);
	whole(S(SIGNATURE "\x20\x11\0\1x"));
	assert_true(h.local);
	whole(S(SIGNATURE "\x21\0\0\3abc"));
	assert_true(h.local);
}

static void a_unix_socket_has_no_address(void **state)
{
	char bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8";

	(void)state;
	whole((struct slice){ bytes, sizeof bytes });
	assert_true(h.local);
}

#define V1(text) \
	{ \
		text, sizeof(text) - 1 \
	}
static const struct slice bad[] = {
	V1("G"), V1("PROXYX"), V1("proxy TCP4 "), V1("\n"), V1("\0"), V1("\x16\x03\x01"),
};
static const struct slice bad_lines[] = {
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n"),
	V1("PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"),
	V1("PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n"),
	V1("PROXY TCP4 ::1 ::1 1 2\r\n"),
	V1("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
	V1("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"),
	V1("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"),
	V1("PROXY TCP 192.0.2.1 192.0.2.2 1 2\r\n"),
	V1("PROXY \r\n"),
	V1("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
	V1("PROXY UNKNOWNX\r\n"),
	V1("PROXY unknown\r\n"),
	V1("PROXY UNKNOWN \rX\r\n"),
	V1("PROXY TCP6 fe80::1%lo ::1 1 2\r\n"),
};
static const struct slice bad_binaries[] = {
	V1(SIGNATURE "\x11"),
	V1(SIGNATURE "\x22"),
	V1(SIGNATURE "\x01"),
	V1(SIGNATURE "\x21\x11\x10\x01"),
	V1(SIGNATURE "\x21\x11\xff\xff"),
	V1(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc0\0\2\2\x12\x34\x01"),
	V1(SIGNATURE "\x21\x21\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb"),
	V1(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb"),
	V1(SIGNATURE "\x21\x41\0\0"),
	V1(SIGNATURE "\x21\x11\0\x17\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb\4\0\1z"
	             "\3\0\4\245\347\155\312"),
	V1(SIGNATURE "\x21\x11\0\x13\xc0\0\2\1\xc0\0\2\2\x12\x34\x01\xbb\4\0\1z"
	             "\3\0\0"),
	V1(SIGNATURE "\x21\x31\0\0"),
	V1("\r\n\r\n\0\r\nQUIX"),
};

static void refused(const struct slice *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		enum proxy_result result = PROXY_MORE;
		for (size_t n = 0; n <= at[i].len && result == PROXY_MORE; n++)
			result = proxy_read(slice_head(at[i], n), ANY, &h);
		if (result != PROXY_BAD || proxy_read(at[i], ANY, &h) != PROXY_BAD)
			fail_msg("read: %.*s", SLICE(at[i]));
	}
}

static void malformed_headers_are_refused(void **state)
{
	(void)state;
	refused(bad, sizeof bad / sizeof bad[0]);
	refused(bad_lines, sizeof bad_lines / sizeof bad_lines[0]);
	refused(bad_binaries, sizeof bad_binaries / sizeof bad_binaries[0]);
}

static void a_line_has_at_most_107_bytes(void **state)
{
	char line[120];

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_read((struct slice){ line, 106 }, ANY, &h), PROXY_MORE);
	assert_int_equal(proxy_read((struct slice){ line, 107 }, ANY, &h), PROXY_BAD);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(proxy_read((struct slice){ line, 107 }, ANY, &h), PROXY_DONE);
	memcpy(line + 105, "x\r\n", 3);
	assert_int_equal(proxy_read((struct slice){ line, 108 }, ANY, &h), PROXY_BAD);
}

static void only_accepted_versions_are_read(void **state)
{
	(void)state;
	assert_int_equal(proxy_read(S("PROXY UNKNOWN\r\n"), PROXY_V2, &h), PROXY_BAD);
	assert_int_equal(proxy_read(S("P"), PROXY_V2, &h), PROXY_BAD);
	assert_int_equal(proxy_read(S(SIGNATURE "\x20\0\0\0"), PROXY_V1, &h), PROXY_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1_is_read),
		cmocka_unit_test(version_2_is_read),
		cmocka_unit_test(a_unix_socket_has_no_address),
		cmocka_unit_test(malformed_headers_are_refused),
		cmocka_unit_test(a_line_has_at_most_107_bytes),
		cmocka_unit_test(only_accepted_versions_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
