/* strip.h -- what of a message's fields ends here. Part of request's door. */
#pragma once
#include "request/headers.h"

struct request;

/* Marks as dropped what belongs to this hop alone (RFC 9110 section 7.6.1): Connection, Keep-Alive,
 * Proxy-Connection, TE, Transfer-Encoding, Upgrade, HTTP2-Settings, Proxy-Auth*, and what Connection names.
 * Authorization, Cookie, Host, Content-Length, Forwarded, X-Forwarded-* and Sallyport-* cannot be named away.
 * For requests and answers. */
void headers_drop_hop(struct headers *h);

/* Marks as dropped the request fields that must not reach an upstream as the client sent them:
 *  - those of headers_drop_hop, and Trailer where no trailers can follow;
 *  - those of header_is_ours, and Proxy, which CGI would take for a setting (CVE-2016-5385);
 *  - X-Forwarded-For and Forwarded always (r->forwarded_for is what of them is to be continued); the other
 *    X-Forwarded-* and X-Real-IP unless the peer is a trusted proxy;
 *  - overrides (header_override) unless the peer is a trusted proxy or the route passes them, those in
 *    another spelling always. Each is counted.
 * Called once, after request_address, before the proxy's own fields are set. Where r->upgrade_websocket is to
 * be honoured, whoever sends the head writes Connection and Upgrade anew. */
void request_strip(struct request *r);

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
