/* cors.c -- what scripts of other origins may do (fetch.spec.whatwg.org, section 3.2). */
#include "respond/answer.h"

struct cors_grant cors_grant(const struct request *r)
{
	const struct config_cors *cors = r->route ? r->route->cors : NULL;
	const struct header *origin = cors ? headers_find(&r->headers, HEADER_ORIGIN) : NULL;

	if (!origin)
		return (struct cors_grant){ .vary = cors };
	if (texts_have(&cors->origins, origin->value))
		return (struct cors_grant){ origin->value, cors->credentials, true };
	if (texts_have(&cors->origins, S("*"))) /* never with credentials: that would be every site's */
		return (struct cors_grant){ S("*"), false, true };
	return (struct cors_grant){ .vary = true };
}
