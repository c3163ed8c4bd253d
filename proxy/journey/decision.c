/* decision.c -- requests that another proxy holds and asks about: may this one pass? The described request
 * walks the same stations as one that came itself, under the same routes; where it would be forwarded the
 * answer is 200 with what an upstream would be told. conf/decision/ has the other proxies' side. */
#include "journey/inside.h"

static bool may_ask(const struct request *r)
{
	return cidrs_have(&r->config->root.trusted_proxies, &r->visitor->peer);
}

/* The path of a check route without its star: what Envoy writes before the described path. */
static struct slice prefix_of(const struct config_route *door)
{
	return slice_head(door->path, door->path.len - 1);
}

/* The route of the described request. A door does not open onto a door. */
static struct route_facts *route_of_described(struct request *r, struct route_facts *door, enum fault *why,
	struct route_facts **denied)
{
	const struct config_route *route = door->route;

	*denied = door;
	*why = may_ask(r) ? request_described(r, (enum asker)route->check, prefix_of(route)) : FAULT_ASKER;
	if (*why != FAULT_NONE)
		return NULL;
	struct route_facts *found = routes_find(r->journey->routes, r, why, denied);
	if (!found || found->route->check == ASKER_NONE)
		return found;
	*why = FAULT_NO_ROUTE;
	*denied = NULL;
	return NULL;
}

struct route_facts *decision_route(struct request *r, enum fault *why, struct route_facts **denied)
{
	struct route_facts *found = routes_find(r->journey->routes, r, why, denied);

	if (found && found->route->check != ASKER_NONE)
		return route_of_described(r, found, why, denied);
	if (!found || !found->route->decide)
		return found;
	*why = FAULT_NO_ROUTE; /* it is there for those who ask alone */
	return NULL;
}

/* Every field is said, empty or not, so that the other proxy overwrites what its client sent under the same
 * name. */
enum pace decision_allow(struct request *r)
{
	struct header told[TOLD_MAX];
	size_t len = request_told(r, told);

	r->answer.status = 200;
	for (size_t i = 0; i < len; i++)
		if (!slice_same(told[i].name, S("Sallyport-Request-Id")) && /* every answer has it */
			!answer_add(r, told[i].name, told[i].value))
			return request_fail(r, FAULT_HEAD_TOO_BIG);
	return ANSWER;
}
