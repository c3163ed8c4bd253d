/* jwks.h -- what the keeper makes of documents that issuers send: discovery and key sets. */
#pragma once
#include "jose/jose.h"

#define JWKS_URI_MAX 1024 /* bytes, with the NUL */

/* https, or http to a loopback address; no user part, no control characters. */
bool jwks_is_safe_url(struct slice url);

/* issuer without its last slash, then /.well-known/openid-configuration (OpenID Connect Discovery 1.0,
 * section 4.1). False: too long, or not a URL that may be fetched. */
bool jwks_discovery_url(struct slice issuer, char *to, size_t cap);
/* jwks_uri out of a discovery document that speaks of exactly this issuer. NULL, or what is wrong. */
const char *jwks_discovery(struct slice document, struct slice issuer, char *to, size_t cap);

/* Does it say that introspection answers can be had signed (RFC 9701 section 7)? */
bool jwks_signs_introspection(struct slice document);

/* The usable keys of a key set, each reduced to the members that matter here: a new array. NULL: *why. */
json_t *jwks_keys(struct slice jwks, const char **why) __attribute__((warn_unused_result));

/* Entries for signatures that name a kid and cannot be used: {kid: why}, a new object. A kid under which a
 * usable key stands is not among them. */
json_t *jwks_unreadable(struct slice jwks) __attribute__((warn_unused_result));

/* What is in force after a fetch: all of `latest`, and those of `old` that are missing in it for the first
 * time. *doubtful (an array or NULL; replaced) holds these from one fetch to the next. A new array. */
json_t *jwks_merge(const json_t *latest, const json_t *old, json_t **doubtful)
    __attribute__((warn_unused_result));

/* Those of `keys` that are not among `doubtful`: a new array. */
json_t *jwks_without(const json_t *keys, const json_t *doubtful) __attribute__((warn_unused_result));

/* {"keys":[...]} in one spelling for the same keys; free() it. NULL: over the bounds of a key set. */
char *jwks_text(const json_t *keys) __attribute__((warn_unused_result));
bool jwks_has_kid(const json_t *keys, struct slice kid);
