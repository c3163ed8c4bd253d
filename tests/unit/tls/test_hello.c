#include "build_hello.h"
#include "tls/ja4.h"
#include "tls/tls.h"
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The example of the specification of JA4, as it came over the wire, with GREASE. */
static const uint16_t ciphers[] = { 0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
	                                0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035 };
static const uint16_t extensions[] = {
	0x3a3a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d,
	0x0005, 0x0023, 0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0xdada, 0x0015
};
static const uint16_t algorithms[] = { 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601 };

#define LEN(a) (sizeof(a) / sizeof(a)[0])

static struct building message, bytes;
static struct hello hello;

static void build(const uint16_t *wished, size_t len)
{
	begin_hello(&message);
	put_list(&message, ciphers, LEN(ciphers));
	put(&message, 0x0100, 2); /* no compression */
	begin_vector(&message, 2);
	for (size_t i = 0; i < len; i++)
		put_extension(&message, wished[i], algorithms, LEN(algorithms));
	end_vector(&message);
	end_vector(&message);
}

static enum hello_result read(size_t record)
{
	return hello_read(in_records(&message, record, &bytes), &hello);
}

static void the_published_example_has_its_published_fingerprint(void **state)
{
	(void)state;
	build(extensions, LEN(extensions));
	assert_int_equal(read(16384), HELLO_DONE);
	assert_string_equal(hello.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
	assert_string_equal(hello.server_name_lower, "a.example");
	assert_true(slice_same(hello.server_name, S("a.example")));
	assert_true(hello.offers_h2 && hello.offers_h1 && hello.offers_tls13);
	assert_false(hello.has_ticket); /* the extension is empty: it asks for one */
}

static void a_browsers_hello_has_the_fingerprint_that_others_give_it(void **state)
{
	static const uint16_t newer[] = { 0x2d, 0x33, 0x10,   0xfe0d, 0x17, 0x44cd, 0x00, 0x0b,
		                              0x0a, 0x2b, 0xff01, 0x23,   0x12, 0x05,   0x0d, 0x1b };

	(void)state;
	build(newer, LEN(newer));
	assert_int_equal(read(16384), HELLO_DONE);
	assert_string_equal(hello.ja4, "t13d1516h2_8daaf6152771_d8a2da3f94cd");
}

static void without_algorithms_or_lists_the_fingerprint_is_as_published(void **state)
{
	struct ja4_facts f = { .version = 0x0303 };
	char ja4[37], key[37];

	(void)state;
	ja4_write(&f, ja4, key);
	assert_string_equal(ja4, "t12i000000_000000000000_000000000000");
	for (size_t i = 0; i < LEN(extensions); i++)
		if (!is_grease(extensions[i]))
			f.extensions[f.extensions_len++] = extensions[i];
	f.has_name = true;
	ja4_write(&f, ja4, key);
	assert_string_equal(ja4, "t12d001600_000000000000_6d807ffa2a79");
	assert_memory_equal(key, "t12d0014", 8); /* without padding and session_ticket */
}

static void the_protocol_is_named_by_its_ends_or_their_digits(void **state)
{
	static const struct {
		struct slice protocol;
		const char *named;
	} cases[] = {
		{ { "h2", 2 }, "h2" },
		{ { "http/1.1", 8 }, "h1" },
		{ { "x", 1 }, "xx" },
		{ { "\xab", 1 }, "ab" },
		{ { "\xab\xcd", 2 }, "ad" },
		{ { "\x30\xab", 2 }, "3b" },
		{ { "\x30\x31\xab\xcd", 4 }, "3d" },
		{ { "\x30\xab\xcd\x31", 4 }, "01" },
	};
	char ja4[37], key[37];

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct ja4_facts f = { .version = 0x0304, .protocol = cases[i].protocol };
		ja4_write(&f, ja4, key);
		assert_memory_equal(ja4 + 8, cases[i].named, 2);
	}
}

static void the_key_does_not_change_on_resumption(void **state)
{
	static const uint16_t first[] = { 0, 10, 11, 13, 16, 23, 43, 45, 51 };
	static const uint16_t again[] = { 21, 35, 42, 44, 0, 10, 11, 13, 16, 23, 43, 45, 51, 41 };
	char ja4[37];

	(void)state;
	build(first, LEN(first));
	assert_int_equal(read(16384), HELLO_DONE);
	assert_string_equal(hello.ja4, hello.ja4_key);
	assert_false(hello.has_ticket);
	memcpy(ja4, hello.ja4, sizeof ja4);
	build(again, LEN(again));
	assert_int_equal(read(16384), HELLO_DONE);
	assert_string_equal(hello.ja4_key, ja4);
	assert_string_not_equal(hello.ja4, ja4);
	assert_true(hello.has_ticket);
}

static void fragments_of_any_size_give_the_same_and_no_part_of_them_is_done(void **state)
{
	static const size_t sizes[] = { 7, 100, 321 };

	(void)state;
	build(extensions, LEN(extensions));
	for (size_t s = 0; s < LEN(sizes); s++) {
		assert_int_equal(read(sizes[s]), HELLO_DONE);
		assert_string_equal(hello.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
		assert_ptr_equal(hello.server_name.at, hello.server_name_lower);
		struct slice all = { (const char *)bytes.at, bytes.len };
		for (size_t i = 0; i < all.len; i++)
			assert_int_equal(hello_read(slice_head(all, i), &hello), HELLO_MORE);
	}
	assert_int_equal(read(2), HELLO_BAD); /* over 64 records */
}

static void what_is_not_tls_is_said_at_once(void **state)
{
	(void)state;
	assert_int_equal(hello_read(S("G"), &hello), HELLO_NOT_TLS);
	assert_int_equal(hello_read(S("\x16\x02"), &hello), HELLO_NOT_TLS);
	assert_int_equal(hello_read(S("\x80\x2e\x01\x03\x01"), &hello), HELLO_NOT_TLS); /* SSL 2's */
	assert_int_equal(hello_read(S(""), &hello), HELLO_MORE);
	assert_int_equal(hello_read(S("\x16\x03\x01\x00\x05\x02"), &hello), HELLO_BAD); /* another message */
	assert_int_equal(hello_read(S("\x16\x03\x01\x00\x00"), &hello), HELLO_BAD);
	assert_int_equal(hello_read(S("\x16\x03\x01\x40\x01"), &hello), HELLO_BAD);
	assert_int_equal(hello_read(S("\x16\x03\x01\x40\x00\x01\x00\x40\x01"), &hello),
	                 HELLO_BAD); /* over 16 KiB */
}

static void bytes_behind_the_message_are_no_part_of_it_and_not_of_its_record(void **state)
{
	(void)state;
	build(extensions, LEN(extensions));
	in_records(&message, 16384, &bytes);
	put_bytes(&bytes, "\x14\x03\x03\x00\x01\x01", 6); /* another record may follow */
	assert_int_equal(hello_read((struct slice){ (const char *)bytes.at, bytes.len }, &hello), HELLO_DONE);
	put(&message, 0, 1);
	assert_int_equal(read(16384), HELLO_BAD);
	assert_int_equal(read(100), HELLO_BAD);
}

/* The example with one extension more, of that type and body. */
static enum hello_result with_extension(uint16_t type, struct slice body)
{
	static const uint16_t few[] = { 10, 11 };

	begin_hello(&message);
	put_list(&message, ciphers, LEN(ciphers));
	put(&message, 0x0100, 2);
	begin_vector(&message, 2);
	put_extension(&message, few[0], NULL, 0);
	put(&message, type, 2);
	begin_vector(&message, 2);
	put_bytes(&message, body.at, body.len);
	end_vector(&message);
	put_extension(&message, few[1], NULL, 0);
	end_vector(&message);
	end_vector(&message);
	return read(16384);
}

static void malformed_extensions_are_refused(void **state)
{
	(void)state;
	assert_int_equal(with_extension(0, S("\0\7\0\0\4a.bc")), HELLO_DONE);
	assert_string_equal(hello.server_name_lower, "a.bc");
	assert_int_equal(with_extension(0, S("\0\7\0\0\4abc.")), HELLO_DONE);
	assert_string_equal(hello.server_name_lower, "abc");
	static const struct {
		uint16_t type;
		struct slice body;
	} wrong[] = {
		{ 0, { "", 0 } },
		{ 0, { "\0\0", 2 } },
		{ 0, { "\0\3\0\0\0", 5 } },
		{ 0, { "\0\7\0\0\4a..b", 9 } },
		{ 0, { "\0\7\0\0\4.abc", 9 } },
		{ 0, { "\0\7\0\0\4a\0bc", 9 } },
		{ 0, { "\0\7\0\0\4a bc", 9 } },
		{ 0, { "\0\7\0\0\4a\nbc", 9 } },
		{ 0, { "\0\7\0\0\5a.bc", 9 } },
		{ 0, { "\0\7\1\0\4a.bc", 9 } },
		{ 0, { "\0\x8\0\0\1a\0\0\1b", 10 } },
		{ 0, { "\0\7\0\0\4a.bcd", 10 } },
		{ 0, { "\0\x4\0\0\1.", 6 } },
		{ 13, { "", 0 } },
		{ 13, { "\0\0", 2 } },
		{ 13, { "\0\3\4\3\4", 5 } },
		{ 13, { "\0\2\4\3\4", 5 } },
		{ 16, { "\0\0", 2 } },
		{ 16, { "\0\1\0", 3 } },
		{ 16, { "\0\3\3h2", 5 } },
		{ 16, { "\0\3\2h2x", 6 } },
		{ 43, { "\0", 1 } },
		{ 43, { "\3\3\4\3", 4 } },
		{ 43, { "\2\3\4\3", 4 } },
		{ 43, { "", 0 } },
		{ 10, { "", 0 } }, /* twice */
		{ 41, { "", 0 } }, /* not the last */
	};
	for (size_t i = 0; i < LEN(wrong); i++)
		assert_int_equal(with_extension(wrong[i].type, wrong[i].body), HELLO_BAD);
	assert_string_equal(hello.ja4, "");
}

static void every_cut_of_the_message_is_refused(void **state)
{
	(void)state;
	build(extensions, LEN(extensions));
	for (size_t len = message.len - 1; len > 4; len--) { /* a shorter message that says so itself */
		message.len = len;
		message.at[2] = (unsigned char)((len - 4) >> 8);
		message.at[3] = (unsigned char)(len - 4);
		enum hello_result result = read(16384);
		if (len != 4 + 2 + 32 + 1 + 2 + sizeof ciphers + 2) /* there it has no extensions, which is allowed */
			assert_int_equal(result, HELLO_BAD);
		else
			assert_int_equal(result, HELLO_DONE);
	}
}

static void lists_longer_than_any_clients_are_refused(void **state)
{
	static uint16_t many[CIPHERS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < LEN(many); i++)
		many[i] = (uint16_t)(LEN(many) - i);
	for (size_t len = CIPHERS_MAX; len <= CIPHERS_MAX + 1; len++) {
		begin_hello(&message);
		put_list(&message, many, len);
		put(&message, 0x0100, 2);
		end_vector(&message);
		assert_int_equal(read(16384), len == CIPHERS_MAX ? HELLO_DONE : HELLO_BAD);
	}
	for (size_t len = EXTENSIONS_MAX; len <= EXTENSIONS_MAX + 1; len++) {
		for (size_t i = 0; i < len; i++)
			many[i] = (uint16_t)(1000 + i);
		build(many, len);
		assert_int_equal(read(16384), len == EXTENSIONS_MAX ? HELLO_DONE : HELLO_BAD);
	}
	assert_memory_equal(hello.ja4, "", 1);
}

static void a_hello_of_openssl_is_read_as_it_was_configured(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char *at;

	(void)state;
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_set_cipher_list(ssl, "ECDHE-RSA-AES128-GCM-SHA256");
	SSL_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384");
	SSL_set_tlsext_host_name(ssl, "Mixed.Example");
	SSL_set_alpn_protos(ssl, (const unsigned char *)"\x08http/1.1", 9);
	assert_int_equal(SSL_do_handshake(ssl), -1);
	long len = BIO_get_mem_data(out, &at);
	assert_int_equal(hello_read((struct slice){ at, (size_t)len }, &hello), HELLO_DONE);
	assert_string_equal(hello.server_name_lower, "mixed.example");
	assert_true(hello.offers_h1 && hello.offers_tls13);
	assert_false(hello.offers_h2 || hello.has_ticket);
	/* TLS_EMPTY_RENEGOTIATION_INFO_SCSV among its ciphers or not is its version's choice; RFC 8446 4.1.2 */
	size_t session = 5 + 4 + 2 + 32, offered = session + 1 + (unsigned char)at[session];
	assert_memory_equal(hello.ja4, "t13d0", 5);
	assert_in_range(at[offered + 1] / 2, 3, 4);
	assert_int_equal(hello.ja4[5], '0' + at[offered + 1] / 2);
	assert_memory_equal(hello.ja4 + 8, "h1_", 3);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_example_has_its_published_fingerprint),
		cmocka_unit_test(a_browsers_hello_has_the_fingerprint_that_others_give_it),
		cmocka_unit_test(without_algorithms_or_lists_the_fingerprint_is_as_published),
		cmocka_unit_test(the_protocol_is_named_by_its_ends_or_their_digits),
		cmocka_unit_test(the_key_does_not_change_on_resumption),
		cmocka_unit_test(fragments_of_any_size_give_the_same_and_no_part_of_them_is_done),
		cmocka_unit_test(what_is_not_tls_is_said_at_once),
		cmocka_unit_test(bytes_behind_the_message_are_no_part_of_it_and_not_of_its_record),
		cmocka_unit_test(malformed_extensions_are_refused),
		cmocka_unit_test(every_cut_of_the_message_is_refused),
		cmocka_unit_test(lists_longer_than_any_clients_are_refused),
		cmocka_unit_test(a_hello_of_openssl_is_read_as_it_was_configured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
