/* decision.c -- requests that another proxy holds and asks about: may this one pass? They are known by their
 * path alone, before any host is looked at: nginx and Caddy ask with their client's Host. The described
 * request walks the same stations as one that came itself, under the same routes; where it would be forwarded
 * the answer is 200 with what an upstream would be told. conf/decision/ has the other proxies' side. */
#include "journey/inside.h"

static bool may_ask(const struct request *r)
{
	return cidrs_have(&r->config->root.trusted_proxies, &r->client_facts->peer);
}

enum ext_auth_kind decision_ext_auth(const struct journey *j, struct slice target)
{
	struct slice rest;
	const struct route_facts *door = routes_door(j->routes, target, j->env.loop->scratch_head, &rest);

	return door ? (enum ext_auth_kind)door->route->check : EXT_AUTH_NONE;
}

uint8_t decision_on_unborn(void *with, struct slice target)
{
	return (uint8_t)decision_ext_auth(with, target);
}

struct route_facts *decision_door(struct request *r, struct slice *rest)
{
	struct route_facts *door = routes_door(r->journey->routes, r->target, r->loop->scratch_head, rest);

	if (door)
		request_asked(r, (enum ext_auth_kind)door->route->check);
	return door;
}

struct route_facts *decision_judge(struct request *r, struct slice rest, enum fault *why,
                                   struct route_facts **denied)
{
	*denied = NULL;
	*why = may_ask(r) ? request_described(r, rest) : FAULT_ASKER;
	return *why == FAULT_NONE ? routes_find(r->journey->routes, r, why, denied) : NULL;
}

struct route_facts *decision_route(struct request *r, enum fault *why, struct route_facts **denied)
{
	struct route_facts *found = routes_find(r->journey->routes, r, why, denied);

	if (!found || !found->route->decide)
		return found;
	*why = FAULT_NO_ROUTE; /* it is there for those who ask alone */
	return NULL;
}

/* Every field is said, empty or not, so that the other proxy overwrites what its client sent under the same
 * name. */
enum step_result decision_allow(struct request *r)
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
