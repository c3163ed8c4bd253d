/* exchange.h -- one request at a time for each authorization code and refresh token. Part of login's door.
 *
 * A code that is used twice is denied, and what its first use brought may be revoked (RFC 6749 section
 * 4.1.2); so it goes with a rotated refresh token (RFC 9700 section 4.14.2). A client that repeats a slow
 * exchange would lose its session, and so would a browser whose tabs renew their tokens at once. So while
 * one is under way its twins, on whatever worker, are told to come back (503); one that succeeded is
 * remembered for 30 s, in which its twins get 409 and the issuer hears nothing of them: nobody ever gets
 * another's answer. Where an exchange failed the issuer itself says what has become of the credential.
 *
 * A fixed table in memory that the workers share, of single 64-bit words: a keyed hash of the credential,
 * whether it was used, and when the word ends by itself, should its worker die. Nothing of the credential
 * lies in it. Where it is full, exchanges pass unclaimed. What a fleet's machines tell each other of it
 * goes by other names, under a key of the fleet; who carries it is no matter of this room. */
#pragma once
#include "base/siphash.h"
#include "request/request.h"

struct exchanges;
/* The first bytes are written by the first attach alone and may be closed to writing after it. */
#define EXCHANGES_HEAD ((size_t)4096)
size_t exchanges_memory(void);
/* `memory` is zeroed before its first attach, which draws the key of the hash. */
struct exchanges *exchanges_attach(void *memory);

/* On a route with exchange: true, once the stash holds what there is of the body: GO_ON, with a claim where
 * there is a credential; ANSWER EXCHANGE_BUSY where another request has it, EXCHANGE_USED where one had. */
enum step_result exchange_enter(struct exchanges *t, struct request *r, uint64_t now_ns);
/* Every end of a request that may hold a claim. r->status: of 2xx, the credential was used. */
void exchange_settle(struct exchanges *t, struct request *r, uint64_t now_ns);

/* ---- for a fleet ---- */
#define EXCHANGE_NAME 32    /* hex digits */
#define EXCHANGE_MACHINE 16 /* hex digits */
struct exchange_key {
	struct siphash_key half[2];
}; /* FLEET_KEY_EXCHANGES */
/* The same on every machine of the fleet for the same credential. False: r has none. */
bool exchange_name(const struct exchange_key *key, const struct request *r, char to[EXCHANGE_NAME])
    __attribute__((warn_unused_result));
/* The same for all who use the table, and for nobody else. */
void exchange_machine(const struct exchanges *t, char to[EXCHANGE_MACHINE]);
