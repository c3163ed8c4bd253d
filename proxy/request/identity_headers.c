/* identity_headers.c -- what an upstream is told of who asks. */
#include "request/request.h"

static const struct slice verdicts[] = { { "none", 4 }, { "valid", 5 }, { "invalid", 7 }, { "unknown", 7 } };

struct slice request_certificate(const struct request *r)
{
	return r->ext_auth ? S("") : r->client_facts->certificate;
}

size_t request_told(const struct request *r, struct header to[static TOLD_MAX])
{
	const struct identity *i = &r->identity;
	size_t len = 0;

	to[len++] = (struct header){ .name = S("Sallyport-Subject"), .value = i->subject };
	to[len++] = (struct header){ .name = S("Sallyport-Client"), .value = i->client };
	to[len++] = (struct header){ .name = S("Sallyport-Tenant"), .value = i->tenant };
	to[len++] = (struct header){ .name = S("Sallyport-Scope"), .value = i->scope };
	to[len++] = (struct header){ .name = S("Sallyport-Certificate"), .value = request_certificate(r) };
	to[len++] = (struct header){ .name = S("Sallyport-Verdict"), .value = verdicts[i->verdict] };
	to[len++] = (struct header){ .name = S("Sallyport-Class"), .value = class_names[r->class] };
	to[len++] = (struct header){ .name = S("Sallyport-Request-Id"), .value = slice_of(r->id) };
	return len;
}
