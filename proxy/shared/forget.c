/* Overwrites secrets that a worker inherited. */
#include "shared/forget.h"
#include "config/config.h"
#include <unistd.h>

#define VALUE_MAX 65536 /* bytes, as references.c has it */
#define STACK 65536

static const struct generation *const *all_of(const struct post *p, size_t *len)
{
	*len = p->generations ? GENERATIONS_MAX + 1 : 1;
	return p->generations ? (const struct generation *const *)p->generations : &p->generation;
}

/* Variables of the environment of which it is the value. */
static void forget_variables(struct slice value)
{
	for (char **at = environ; *at; at++) {
		char *sign = strchr(*at, '=');
		if (sign && slice_same(slice_of(sign + 1), value))
			secret_wipe(sign + 1, value.len);
	}
}

/* In all bundles, since generations may share it, and last where the configuration has it. */
static void forget_value(const struct post *p, struct slice value)
{
	static char copy[VALUE_MAX];
	size_t len;
	const struct generation *const *all = all_of(p, &len);

	if (!value.len || value.len > sizeof copy)
		return;
	memcpy(copy, value.at, value.len);
	struct slice is = { copy, value.len };
	forget_variables(is);
	for (size_t i = 0; i < len; i++)
		if (all[i] && all[i]->bundle)
			bundle_forget(all[i]->bundle, is);
	secret_wipe((void *)(uintptr_t)value.at, value.len);
	secret_wipe(copy, value.len);
}

static void forget_configuration(const struct post *p, const struct config_root *c)
{
	for (size_t i = 0; i < c->secrets.fleet.len; i++) {
		const struct secret *s = &c->secrets.fleet.at[i];
		forget_value(p, (struct slice){ (const char *)s->bytes, s->len });
	}
	for (size_t i = 0; i < c->issuers_len; i++)
		if (c->issuers[i].opaque)
			forget_value(p, c->issuers[i].opaque->client_secret);
	if (c->redis) {
		const struct secret *s = &c->redis->keeper.password;
		forget_value(p, (struct slice){ (const char *)s->bytes, s->len });
	}
}

/* What calls that are over have left below us. */
__attribute__((noinline)) static void forget_stack(void)
{
	char below[STACK];

	secret_wipe(below, sizeof below);
}

bool forget_secrets(struct post *p)
{
	size_t len;
	const struct generation *const *all = all_of(p, &len);

	for (size_t i = 0; i < len; i++)
		if (all[i] && all[i]->bundle && !bundle_own(all[i]->bundle))
			return false;
	for (size_t i = 0; i < len; i++)
		if (all[i] && all[i]->bundle)
			forget_configuration(p, &all[i]->config->root);
	if (p->machine_secret.len)
		secret_wipe((void *)(uintptr_t)p->machine_secret.at, p->machine_secret.len);
	forget_stack();
	return true;
}
