/* verify.h -- is the credential real, and may it pass here? (RFC 6750, 7515, 7517, 7518, 7519, 8725, 9068)
 *
 * The token from Authorization: Bearer is judged against the keys that the keeper published;
 * signatures are remembered in a verdict cache keyed by SHA-256 of token, issuer, key and key generation.
 * Time, audience, azp, scopes are judged per request and route, never cached. Where the keys lack the token's
 * kid the keeper is asked (one fetch per machine) and the request WAITs at most verification.wait. A token
 * that is no JWT goes to the issuer, where that is configured (RFC 7662 or userinfo): the keeper asks once
 * per token and machine, and publishes what is said.
 * An answer claims no more than is known: 401 proven invalid, 403 valid but not allowed, 503 cannot know. */
#pragma once
#include "published/published.h"
#include "request/request.h"

struct verify;
struct verify_ask { /* to the keeper; false: the ring is full or the keeper silent ("cannot know") */
	bool (*key_unknown)(void *with, struct slice issuer, struct slice kid, uint64_t token_iat_s);
	void *with;
	bool (*token_unknown)(void *with, struct slice issuer, struct slice token); /* one that is no JWT */
};
struct verify *verify_open(const struct config *c, const struct published_issuers *p, struct verify_ask ask);
void verify_close(struct verify *v);
/* GO_ON with r->identity; ANSWER with a TOKEN_* fault or ISSUER_UNKNOWN; WAIT while the keeper is asked.
 * wall_s: seconds since 1970. */
enum step_result verify_enter(struct verify *v, struct request *r, uint64_t now_ns, uint64_t wall_s);
void verify_leave(struct verify *v, struct request *r);
/* It has waited long enough: entered again, it does not say WAIT. */
void verify_stop_waiting(struct request *r);
/* The published generation moved, or the keeper answered: wakes those who wait. Called once per turn; cheap.
 */
void verify_turn(struct verify *v);
/* Moves with every revocation: then open tunnels are to be judged again. */
uint64_t verify_revocations_moved(const struct verify *v);
bool verify_is_revoked(const struct verify *v, const struct request *r, uint64_t wall_s);

struct verify_issuer {
	const struct config_issuer *config;
	const struct published_slot *slot;
	size_t at;                /* the slot's place */
	const unsigned char *who; /* SHA256_LEN bytes */
};
/* What is published of the issuer of that name, as of now. False: nothing is known of it. */
bool verify_issuer(struct verify *v, struct slice name, struct verify_issuer *to);
