/* fuzz_config.c -- a configuration of any bytes: refused with sentences, or loaded; what is loaded is
 * printed, and what is printed loads again as the same. */
#include "base/check.h"
#include "config/bundle.h"

static struct config *load(struct slice text, struct bundle **b)
{
	struct config_errors errors = { 0 };

	*b = bundle_empty();
	bundle_put(*b, "/c/cert.pem", S("c"));
	bundle_put(*b, "/c/fleet", S("0123456789abcdef0123456789abcdef\n"));
	bundle_put(*b, "/c/more.yaml", S("routes:\n  - {name: included, path: /included, deny: 403}\n"));
	bundle_put(*b, "/c/c.yaml", text);
	struct config *c = config_load(*b, "/c/c.yaml", &errors);
	check(!c == (errors.count > 0));
	check(!c == (errors.text != NULL));
	config_errors_free(&errors);
	return c;
}

static struct slice print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	check(to);
	config_print(to, c, true);
	fseek(to, 0, SEEK_SET);
	config_print(to, c, false);
	size_t end = (size_t)ftell(to);
	fclose(to);
	return (struct slice){ text, end };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct bundle *b, *b_again;

	if (size > BUNDLE_FILE_MAX)
		return 0;
	struct config *c = load(text, &b);
	if (c) {
		struct slice printed = print(c);
		if (!memmem(printed.at, printed.len, "***", 3)) {
			struct config *again = load(printed, &b_again);
			check(again);
			struct slice same = print(again);
			check(slice_same(printed, same));
			free((void *)(uintptr_t)same.at);
			config_free(again);
			bundle_close(b_again);
		}
		free((void *)(uintptr_t)printed.at);
	}
	config_free(c);
	bundle_close(b);
	return 0;
}
