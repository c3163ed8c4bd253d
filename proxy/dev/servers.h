/* servers.h -- the issuer and the echo upstream of a local Sallyport. Private to dev/. */
#pragma once
#include "miniserver/miniserver.h"
#include "dev/signer.h"

/* An issuer of tokens on a listening socket: discovery, JWKS, POST /oauth/token with client_credentials
 * (RFC 6749 section 4.4, errors of section 5.2). Any client gets any scope, so it refuses (NULL, *why a full
 * sentence) to listen on anything but a loopback address or to serve `environment` production. `key`,
 * `issuer` and `loop` must outlive it. */
struct dev_issuer;
struct dev_issuer *issuer_open(struct loop *loop, int listen_fd, const struct signer *key,
                               struct slice issuer, struct slice environment, const char **why);
void issuer_close(struct dev_issuer *i);

/* An upstream that tells what it got. `.../bytes?n=N` streams N bytes; `.../status/NNN` answers that status;
 * a path under /login gives a page; anything else JSON with method, path, query, fields and the body's
 * length. Credentials are told by their length only. Bodies of any length are taken. NULL: out of memory. */
struct miniserver *echo_open(struct loop *loop, int listen_fd);
