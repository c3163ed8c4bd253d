/* verify.h -- is the credential real, and may it pass here? (RFC 6750, 7515, 7517, 7518, 7519, 8725, 9068)
 *
 * Worker's side: the token from Authorization: Bearer is judged against the keys that the keeper published;
 * signatures are remembered in a verdict cache keyed by SHA-256 of token, issuer, key and key generation.
 * Time, audience, azp, scopes are judged per request and route, never cached. Where the keys lack the token's
 * kid the keeper is asked (one fetch per machine) and the request WAITs at most verification.wait. A token
 * that is no JWT goes to the issuer, where that is configured (RFC 7662 or userinfo): the keeper asks once
 * per token and machine, and publishes what is said.
 * Keeper's side: fetches discovery and key sets through a function given to it, keeps soft and hard ages,
 * backoff, jitter, snapshots in the state directory (HMAC), and publishes into memory that workers map
 * read-only.
 * An answer claims no more than is known: 401 proven invalid, 403 valid but not allowed, 503 cannot know. */
#pragma once
#include "verify/exchange.h"
#include "verify/login.h"

/* ---- what the keeper publishes ---- */
struct verify_published; /* per issuer name: two copies of the key set (JWKS text), an index flipped last */
size_t verify_published_memory(void);        /* 32 issuers of 64 KiB key sets, 4,096 opaque tokens */
/* `memory` is aligned to 64 bytes and zeroed before its first attach, which writes the layout id: the first
 * is made by a process that may write. NULL: it was laid out by another version; take new memory. */
struct verify_published *verify_published_attach(void *memory);
/* Moves with every change: whoever watches it knows when to kick sleeping workers. */
uint64_t verify_published_moved(const struct verify_published *p);

/* ---- the worker's side ---- */
struct verify;
struct verify_ask { /* to the keeper; false: the ring is full or the keeper silent ("cannot know") */
	bool (*key_unknown)(void *with, struct slice issuer, struct slice kid, uint64_t token_iat_s);
	void *with;
	bool (*token_unknown)(void *with, struct slice issuer, struct slice token); /* one that is no JWT */
};
struct verify *verify_open(const struct config *c, const struct verify_published *p, struct verify_ask ask);
void verify_close(struct verify *v);
/* GO_ON with r->identity; ANSWER with a TOKEN_* fault or ISSUER_UNKNOWN; WAIT while the keeper is asked.
 * wall_s: seconds since 1970. */
enum pace verify_enter(struct verify *v, struct request *r, uint64_t now_ns, uint64_t wall_s);
void verify_leave(struct verify *v, struct request *r);
/* It has waited long enough: entered again, it does not say WAIT. */
void verify_hurry(struct request *r);
/* The published generation moved, or the keeper answered: wakes those who wait. Called once per turn; cheap.
 */
void verify_turn(struct verify *v);
/* Moves with every revocation: then open tunnels are to be judged again. */
uint64_t verify_revocations_moved(const struct verify *v);
bool verify_is_revoked(const struct verify *v, const struct request *r, uint64_t wall_s);

/* ---- the keeper's side ---- */
struct verify_keeper;
struct verify_fetch { /* a GET; a POST where there is a form */
	struct slice url, ca;         /* ca: PEM file or empty */
	struct slice proxy, address;  /* HTTP proxy to go through, local address to go from; or empty */
	bool alone;                   /* on a connection that is not shared with other ways out */
	uint64_t patience_ns;
	struct slice form;            /* urlencoded; or empty */
	struct slice user, password;  /* HTTP Basic, as they are sent; or empty */
	struct slice bearer;          /* a token; or empty */
	struct slice accept;          /* an Accept field, NUL-terminated behind its end; or empty */
};
struct verify_world {           /* given by process/: time, fetching, disk */
	void *with;
	/* Starts one; done is called exactly once, also after verify_keeper_close. */
	void (*fetch)(void *with, const struct verify_fetch *ask,
		void (*done)(void *for_whom, int status, struct slice body, uint64_t max_age_s, const char *failure),
		void *for_whom);
	uint64_t (*now_ns)(void *with);
	uint64_t (*wall_s)(void *with);
	/* Published memory moved: kick the workers, who may sleep. May be NULL. */
	void (*moved)(void *with);
	/* A small file outside the state directory (kept.h): whole pieces, written through to the disk. May be
	 * NULL. */
	bool (*floor_read)(void *with, void *to, size_t len, uint64_t at);
	bool (*floor_write)(void *with, const void *from, size_t len, uint64_t at);
	/* The fleet's memory (Redis); NULL where there is none. Keys and values are sealed before (seal.h). get:
	 * false: it cannot be asked now; else done is called exactly once, not from inside, with at == NULL where
	 * nothing was got. put: ttl_ms 0 deletes. */
	bool (*fleet_get)(void *with, struct slice key, void (*done)(void *for_whom, struct slice value),
		void *for_whom);
	void (*fleet_put)(void *with, struct slice key, struct slice value, uint64_t ttl_ms);
	/* One command to the fleet's Redis; words[1] is a key without its keyspace. False: not now, and done is
	 * not called; else later, at most once. texts: those of the answer, in order. NULL: no Redis. */
	bool (*redis)(void *with, const struct slice *words, size_t len,
		void (*done)(void *for_whom, bool answered, const struct slice *texts, size_t texts_len),
		void *for_whom);
	uint64_t (*redis_ms)(void *with, struct slice key); /* its clock, since 1970 */
	struct slice machine; /* "id name": what this machine is called in the fleet's heartbeats */
};
struct verify_keeper *verify_keeper_open(const struct config *c, struct bundle *b, struct verify_published *p,
	struct verify_world world, struct slice machine_secret);
void verify_keeper_close(struct verify_keeper *k);
/* Does what is due; returns when it wants to be called next (ns, monotonic). */
uint64_t verify_keeper_tick(struct verify_keeper *k);
/* A worker met a token that only its issuer can read. */
void verify_keeper_token(struct verify_keeper *k, struct slice issuer, struct slice token);
/* A worker met a kid that the keys lack. */
void verify_keeper_unknown(struct verify_keeper *k, struct slice issuer, struct slice kid, uint64_t iat_s);
/* Pretends for a while: kind is unreachable, stale, degraded, blind, or none, which ends it. NULL, or a
 * sentence part. It outlives the keeper, not this Sallyport. */
const char *verify_keeper_drill(struct verify_keeper *k, struct slice issuer, struct slice kind,
	uint64_t for_s);
/* Revocations (revoke.h). Each NULL, or a sentence part. *kept: it will outlive this Sallyport. */
struct verify_revocation {
	struct slice issuer, kind, value;
	uint64_t until_s, before_s; /* wall clock; 0: not said */
};
const char *verify_keeper_revoke(struct verify_keeper *k, const struct verify_revocation *what, bool *kept);
const char *verify_keeper_unrevoke(struct verify_keeper *k, const struct verify_revocation *what, bool *kept);
/* JSON objects separated by commas; and NULL, or why some may be lost. */
void verify_keeper_tell_revoked(const struct verify_keeper *k, void (*write)(void *with, struct slice piece),
	void *with);
const char *verify_keeper_revoked_lost(const struct verify_keeper *k);
/* Do the other machines have the means to know of every revocation given here? */
enum verify_fleet { VERIFY_ALONE, VERIFY_FLEET_UNTOLD, VERIFY_FLEET_TOLD };
enum verify_fleet verify_keeper_fleet_knows(const struct verify_keeper *k);
/* Until then the other machines are asked whether they have read what was revoked here; and whether all have,
 * which is so where there is no fleet. */
void verify_keeper_ask_machines(struct verify_keeper *k, uint64_t until_ns);
bool verify_keeper_machines_know(const struct verify_keeper *k);
struct text;
/* "machines":{"confirmed":["name (id)",...],"unconfirmed":[...]} */
void verify_keeper_write_machines(const struct verify_keeper *k, struct text *t);
/* One line per issuer for `status`: name, state, age, last failure; JSON objects separated by commas. */
void verify_keeper_tell(const struct verify_keeper *k, void (*write)(void *with, struct slice piece),
                        void *with);
