/* apply.c -- whom a limit is for, and whom it only watches. */
#include "base/check.h"
#include "limit/inside.h"

bool plan_applies(const struct plan *plan, const struct request *r)
{
	const struct config_limit *limit = plan->limit;

	return plan->classes >> r->class & 1 && (!limit->methods.len || texts_have(&limit->methods, r->method)) &&
	       (limit->networks.len == 0 || cidrs_have(&limit->networks, &r->address)) &&
	       !cidrs_have(&limit->except, &r->address);
}

bool plan_is_shadow(const struct plan *plan, uint64_t tag)
{
	return tag % 100 < plan->shadow;
}

bool plan_wants_body(const struct plan *plan, const struct request *r)
{
	return plan->reads_body && r->has_body && !r->stash_ended && r->stash.len < BODY_FIELD_MAX;
}

void classes_read(struct plan *plan)
{
	const struct config_texts *named = &plan->limit->classes;

	plan->classes = named->len ? 0 : (1u << CLASSES) - 1;
	for (size_t i = 0; i < named->len; i++) {
		unsigned c = 0;
		while (c < CLASSES && !slice_same(named->at[i], class_names[c]))
			c++;
		check(c < CLASSES);
		plan->classes |= 1u << c;
	}
}
