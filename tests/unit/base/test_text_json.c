#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define MARK "\xE2\x80\xA6"

static const char *json(struct slice s, size_t most)
{
	static char out[1024];
	struct text t = TEXT(out);

	if (most)
		text_json_most(&t, s, most);
	else
		text_json(&t, s);
	assert_true(text_end(&t));
	return out;
}

static void what_is_plain_stays(void **state)
{
	(void)state;
	assert_string_equal(json(S("abcdefghijklmnopqrstuvwxyz 0123456789~"), 0),
	                    "abcdefghijklmnopqrstuvwxyz 0123456789~");
	assert_string_equal(json(S("\xE2\x82\xAC"), 0), "\xE2\x82\xAC");
}

/* Each byte at each place of a word, since eight are looked at together. */
static void every_byte_is_escaped_where_it_must_be_wherever_it_stands(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 17; at++) {
			char s[17], want[64], *w = want;
			for (size_t i = 0; i < sizeof s; i++) {
				bool plain = i != at || (c >= 0x20 && c < 0x7F && c != '"' && c != '\\');
				s[i] = i == at ? (char)c : 'x';
				if (plain) {
					*w++ = s[i];
				} else if (c == '"' || c == '\\') {
					*w++ = '\\';
					*w++ = (char)c;
				} else {
					memcpy(w, "\\u00", 4);
					w[4] = "0123456789abcdef"[c >> 4];
					w[5] = "0123456789abcdef"[c & 15];
					w += 6;
				}
			}
			*w = '\0';
			assert_string_equal(json((struct slice){ s, sizeof s }, 0), want);
			assert_string_equal(json((struct slice){ s, sizeof s }, 100), want);
		}
}

static void terminal_controls_in_utf8_are_escaped(void **state)
{
	(void)state;
	assert_string_equal(json(S("\xC2\x80\xC2\x9B\xC2\x9F\xC2\xA0"), 0), "\\u0080\\u009b\\u009f\xC2\xA0");
}

static void what_is_too_long_ends_in_a_mark_and_in_no_half_character(void **state)
{
	(void)state;
	assert_string_equal(json(S("abcdef"), 6), "abcdef");
	assert_string_equal(json(S("abcdefg"), 6), "abc" MARK);
	assert_string_equal(json(S("abcdefg"), 3), MARK);
	assert_string_equal(json(S("ab\x01"), 8), "ab\\u0001");
	assert_string_equal(json(S("ab\x01"), 7), "ab" MARK);
	assert_string_equal(json(S("ab\x01z"), 8), "ab" MARK);
	assert_string_equal(json(S("ab\xE2\x82\xAC"
	                           "cdef"),
	                         7),
	                    "ab" MARK);
	assert_string_equal(json(S("ab\xE2\x82\xAC"
	                           "cdef"),
	                         8),
	                    "ab\xE2\x82\xAC" MARK);
	assert_string_equal(json(S(""), 3), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_plain_stays),
		cmocka_unit_test(every_byte_is_escaped_where_it_must_be_wherever_it_stands),
		cmocka_unit_test(terminal_controls_in_utf8_are_escaped),
		cmocka_unit_test(what_is_too_long_ends_in_a_mark_and_in_no_half_character),
	};

	return cmocka_run_group_tests_name("JSON text", tests, NULL, NULL);
}
