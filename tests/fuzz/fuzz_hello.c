/* The ClientHello: no input reads past its end; what is read is NUL-terminated and shaped like a fingerprint;
 * a shorter input is never more complete than a longer one. */
#include "base/check.h"
#include "tls/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shape(const char ja4[static 37])
{
	check(strlen(ja4) == 36 && ja4[0] == 't' && ja4[10] == '_' && ja4[23] == '_');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t empty[1];
	struct slice bytes = { (const char *)(size ? data : empty), size };
	struct hello hello, part;
	enum hello_result result = hello_read(bytes, &hello);

	if (size) {
		enum hello_result before = hello_read(slice_head(bytes, size / 2), &part);
		check(before == HELLO_MORE || before == result);
	}
	if (result != HELLO_DONE)
		return 0;
	check_shape(hello.ja4);
	check_shape(hello.ja4_key);
	check(strlen(hello.server_name_lower) == hello.server_name.len);
	check(!hello.server_name.len || hello.server_name.at == hello.server_name_lower);
	return 0;
}
