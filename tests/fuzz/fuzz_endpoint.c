/* The endpoint's URL, as an operator may write it. */
#include "forward/endpoint.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct sockaddr_storage at;
	struct endpoint_url e;
	socklen_t len;

	if (!endpoint_parse(text, &e))
		return 0;
	check(e.host.len <= text.len && e.path.len <= text.len);
	check((e.scheme == ENDPOINT_UNIX) == (e.port == 0));
	check(endpoint_address(&e, &at, &len) == (e.literal || e.scheme == ENDPOINT_UNIX));
	return 0;
}
