/* strip.h -- what of a message's fields ends here. Part of request's door. */
#pragma once
#include "request/headers.h"

struct request;

/* Of requests and of answers ends here what belongs to one hop alone (RFC 9110 section 7.6.1): fields of the
 * kinds CONNECTION and HOP (base/header.h), and what Connection names. It cannot name away fields of the
 * kinds CREDENTIAL, FRAMING and FORWARDED, nor X-Forwarded-* and Sallyport-*. */

/* Marks as dropped the request fields that must not reach an upstream as the client sent them:
 *  - those of one hop, and Trailer where no trailers can follow;
 *  - those of header_is_ours, and Proxy, which CGI would take for a setting (CVE-2016-5385);
 *  - X-Forwarded-For and Forwarded always (r->forwarded_for is what of them is to be continued); the other
 *    X-Forwarded-* and X-Real-IP unless the peer is a trusted proxy;
 *  - overrides (header_override) unless the peer is a trusted proxy or the route passes them, those in
 *    another spelling always. Each is counted.
 * Called once, after request_address, before the proxy's own fields are set. Where r->upgrade_websocket is to
 * be honoured, whoever sends the head writes Connection and Upgrade again. */
void request_strip(struct request *r);
/* Will request_strip leave this field of the request as it is? Nothing is counted. */
bool request_field_goes_on(const struct request *r, const struct header *f);

/* Marks as dropped the fields of an upstream's answer, final or interim, that must not reach the client:
 * those of one hop, Content-Length (http/ says the length), Sallyport-* in any spelling, and Trailer where
 * HTTP/1.0 has none. Of 426, Upgrade stays for a client of HTTP/1.1: it says what to change to. */
void request_strip_answer(const struct request *r, struct headers *h, unsigned status);

/* Is the name ours alone, or another spelling of a name that the proxy vouches for? Sallyport-* in any case
 * and with any byte that is neither letter nor digit for a '-'; X-Forwarded-* and every name of headers.def
 * but the overrides with another such byte for a '-'. CGI and its kin cannot tell these from the real one. */
bool header_is_ours(struct slice name);

/* The override of headers.def that the name is, or reads as; HEADER_OTHER where it is none. */
enum header_id header_override(struct slice name);
/* Is the trailer an override? It is never sent on; it is counted. */
bool trailer_overrides(struct slice name);

/* Does some recipient take the name of a field, trailer or cookie for this one? In any case; with any other
 * byte for one that is neither letter nor digit; with escapes, blanks and quotes around it; as the name of an
 * array, which PHP cuts at the '['. */
bool name_passes_for(struct slice name, struct slice other);
/* Such a name of one of the fields that the route takes tokens from. */
bool request_has_carrier(const struct request *r, struct slice name);

/* Does a recipient take the field for the word of a proxy? Those of header_is_ours, X-Forwarded-* and
 * X-Real-IP in any spelling, and other spellings of what header_is_trailer bars. In a trailer section nobody
 * vouches for them. */
bool header_is_vouched(struct slice name);

/* Letters, digits, '-', '_' and '.' alone: what http.field_names: plain lets pass. */
bool header_is_plain(struct slice name);

/* May a field of this name stand in a trailer section? Not framing, routing, authentication, request
 * modifiers or content format (RFC 9110 section 6.5.1). */
bool header_is_trailer(struct slice name);
