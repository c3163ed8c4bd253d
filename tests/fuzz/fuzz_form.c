/* fuzz_form.c -- the parameters of a token request: the first byte chooses form or JSON. */
#include "base/check.h"
#include "dev/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct form form;

	if (size < 1 || size > MINISERVER_BODY)
		return 0;
	struct slice body = { (const char *)data + 1, size - 1 };
	struct slice type = data[0] & 1 ? S("application/json") : S("application/x-www-form-urlencoded");
	if (!form_read(&form, type, body))
		return 0;
	check(form.len <= FORM_MAX);
	for (size_t i = 0; i < form.len; i++)
		for (size_t j = 0; j < i; j++)
			check(!slice_same(form.at[i].name, form.at[j].name));
	return 0;
}
