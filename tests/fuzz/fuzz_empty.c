/* fuzz_empty.c -- bodies of upstreams, as watch_empty looks at them. */
#include "base/check.h"
#include "guard/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > GUARD_BODY)
		return 0;
	struct slice body = { (const char *)data, size };
	enum holding holds = body_holds(body, true);
	check(body_holds(body, false) == HOLDS_SOMETHING);
	check(holds <= HOLDS_UNREADABLE && (body.len || holds == HOLDS_NOTHING));
	return 0;
}
