/* The PROXY protocol. */
#include "connection/connection.h"
#include "pieces.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = { (const char *)data, size };
	struct proxy_header whole, part;
	struct pieces p = pieces_of(all);
	enum proxy_result result = proxy_read(all, PROXY_V1 | PROXY_V2, &whole), in_parts = PROXY_MORE;

	for (size_t n = 0; in_parts == PROXY_MORE; n += pieces_next(&p, size - n)) {
		in_parts = proxy_read(slice_head(all, n), PROXY_V1 | PROXY_V2, &part);
		if (n == size)
			break;
	}
	check(result == in_parts);
	check(result != PROXY_MORE || size < 16 + 4096);
	if (result != PROXY_DONE)
		return 0;
	check(whole.len == part.len && whole.len > 0 && whole.len <= size);
	check(memcmp(&whole.source, &part.source, sizeof whole.source) == 0 && whole.local == part.local);
	check(proxy_read(slice_head(all, whole.len - 1), PROXY_V1 | PROXY_V2, &part) == PROXY_MORE);
	return 0;
}
