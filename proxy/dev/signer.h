/* signer.h -- a key that signs tokens, for the local issuer and for tests. Private to dev/. */
#pragma once
#include "base/slice.h"

struct signer; /* an RSA-2048 key with its kid */
struct signer *signer_make(void);
struct signer *signer_read(const char *pem_path);
bool signer_write(const struct signer *s, const char *pem_path); /* mode 0600 */
void signer_free(struct signer *s);
/* {"keys":[...]}; a compact RS256 JWS of a JSON payload. Owned by the caller (free). NULL: OpenSSL refused.
 */
char *signer_jwks(const struct signer *s);
char *signer_sign(const struct signer *s, const char *payload_json);
