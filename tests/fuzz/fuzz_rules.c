/* A file of rules, and then a decision by what was loaded. */
#include "base/check.h"
#include "classify/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rules_file file = { "fuzz.rules", { (const char *)data, size } };
	struct config_errors errors = { 0 };
	struct header field = { S("user-agent"), { (const char *)data, size }, HEADER_USER_AGENT, false };
	struct request r = { .method = S("GET"), .path = S("/"), .headers = { &field, 1, 1 } };
	struct classify *c = classify_load(&file, 1, &errors);

	check((c == NULL) == (errors.count > 0));
	for (int i = 0; c && i < 2; i++) {
		classify_enter(c, &r);
		classify_identified(c, &r);
		check(r.class < CLASSES);
	}
	classify_close(c);
	config_errors_free(&errors);
	return 0;
}
