/* What issuers answer when asked for an opaque token. The first byte says how it was asked. */
#include "base/check.h"
#include "issuer/introspect_reply.h"

static struct config_opaque opaque;
static const struct config_issuer issuer = { .id = { "i", 1 },
	                                         .issuer = { "https://i/", 10 },
	                                         .opaque = &opaque };
static struct slice scopes[] = { { "read", 4 } };
static struct config_route_verify rule = { .scopes = { scopes, 1 }, .permissions = { scopes, 1 } };
static struct config_route route = { .verify = &rule };
static struct config config = { .root = { .routes = &route, .routes_len = 1 } };
static struct slice wanted[] = { { "org_id", 6 }, { "roles", 5 } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct reply_plan plan = {
		&issuer, { { "azp", 3 }, { "org_id", 6 }, { "https://i/", 10 } }, { wanted, 2 }, &config
	};
	const struct claims_plan reader = { &plan.names, 1, plan.wanted, true };
	char text[OPAQUE_TEXT_MAX], room[2 * OPAQUE_TEXT_MAX];
	const char *why = NULL;
	size_t len = 0, whose;
	struct claims claims;

	if (size == 0)
		return 0;
	opaque.by = data[0] & 1;
	struct slice body = { (const char *)data + 1, size - 1 };
	enum reply reply = reply_read(&plan, data[0] & 2 ? 401 : 200, body, text, &len, &why);
	if (reply == REPLY_MALFORMED || reply == REPLY_UNUSABLE)
		check(why);
	if (reply != REPLY_GOOD)
		return 0;
	check(len > 0 && len <= sizeof text);
	/* whatever was taken, a worker can read */
	check(claims_read((struct slice){ text, len }, &reader, room, sizeof room, &claims, &whose));
	check(claims_get(&claims, CLAIM_ISSUER).len > 0 || whose == 1);
	return 0;
}
