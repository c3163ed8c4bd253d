/* claims.h -- the access tokens of the dev issuer: claims of RFC 9068, as Auth0 names them. Private to dev/.
 */
#pragma once
#include "base/slice.h"
#include "dev/signer.h"

struct token_claims {
	struct slice issuer, subject, client, tenant, audience, scope; /* tenant may be empty */
	uint64_t issued_s, lasts_s;
};

/* A compact RS256 JWS with these claims and a random jti. Owned by the caller (free). NULL: not to be signed,
 * for a value that is no UTF-8 among others. */
char *claims_sign(const struct token_claims *c, const struct signer *key);
