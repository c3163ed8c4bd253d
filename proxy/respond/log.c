/* log.c -- the access log line. No printf: it is made for every request. The keys and their bounds are
 * documented in conf/ACCESS-LOG.md; the bounds add up to less than RESPOND_LOG_MAX. */
#include "respond/respond.h"
#include "base/check.h"
#include "base/random.h"
#include "base/siphash.h"
#include "base/stamp.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

static struct siphash_key subject_key; /* of this process; set before the first line */
static bool subject_key_is_set;

void respond_log_key(struct siphash_key key)
{
	subject_key = key;
	subject_key_is_set = true;
}

/* ---- pieces: `key` is written with its comma, quotes and colon ---- */

static inline void put(struct text *t, struct slice key, struct slice value, size_t most)
{
	if (!value.len)
		return;
	text_add(t, key);
	text_json_most(t, value, most);
	text_char(t, '"');
}

/* A word of our own, or one held to a plain alphabet when it came: nothing in it can need escaping. */
static inline void put_word(struct text *t, struct slice key, struct slice value)
{
	if (!value.len)
		return;
	text_add(t, key);
	text_add(t, value);
	text_char(t, '"');
}

static void put_number(struct text *t, struct slice key, uint64_t n)
{
	text_add(t, key);
	text_u64(t, n);
}

static void put_address(struct text *t, struct slice key, const struct in6_addr *address)
{
	char to[46];

	text_add(t, key);
	text_add(t, address_text(address, to));
	text_char(t, '"');
}

/* Milliseconds to the microsecond: 12.345. */
static void put_ms(struct text *t, struct slice key, uint64_t ns)
{
	uint64_t us = ns / NS_PER_US;
	unsigned part = (unsigned)(us % 1000);

	text_add(t, key);
	if (us == 0) { /* what ended within its turn of the loop, as most stations do */
		text_add(t, S("0.000"));
		return;
	}
	text_u64(t, us / 1000);
	char rest[4] = { '.', (char)('0' + part / 100), (char)('0' + part / 10 % 10), (char)('0' + part % 10) };
	text_add(t, (struct slice){ rest, sizeof rest });
}

/* ---- the query: names, and values only where they are allow-listed ---- */

/* One parameter. Without '=' nobody knows whether it is a name or a secret: it is written as a value. */
static void put_parameter(struct text *t, const struct config *c, struct slice p)
{
	struct slice name = slice_cut(&p, '=');
	bool valued = name.len < (size_t)(p.at - name.at);

	if (!valued && !texts_have(&c->root.log.query_allow, name)) {
		text_add(t, name.len ? S("-") : S(""));
		return;
	}
	text_add(t, name);
	if (!valued)
		return;
	text_char(t, '=');
	text_add(t, texts_have(&c->root.log.query_allow, name) ? p : S("-"));
}

#define QUERY_MAX 320

static void put_query(struct text *t, const struct request *r)
{
	char store[2048]; /* what is cut here is cut below as well */
	struct text shown = TEXT(store);
	struct slice rest = r->query;

	while (rest.len && !shown.cut && shown.len <= QUERY_MAX) {
		size_t amp = slice_find(rest, '&'), semicolon = slice_find(rest, ';');
		size_t at = amp < semicolon ? amp : semicolon;
		size_t from = shown.len;
		put_parameter(&shown, r->config, slice_head(rest, at));
		text_add(&shown, slice_head(slice_from(rest, at), 1));
		rest = slice_from(rest, at + 1);
		if (shown.cut) { /* a very long name: the mark stands for it */
			shown.cut = false;
			shown.len = from;
			text_add(&shown, S("\xE2\x80\xA6"));
			rest = S("");
		}
	}
	put(t, S(",\"url.query\":\""), text_slice(&shown), QUERY_MAX);
}

/* ---- parts of the line ---- */

static void put_http(struct text *t, const struct request *r)
{
	struct slice target = r->target;

	put(t, S(",\"http.request.method\":\""), r->method, 32);
	/* in HTTP/2 the client's own word, where that is what is wrong */
	put(t, S(",\"url.scheme\":\""), r->scheme, 8);
	/* a target that was never understood is shown as it came, without its query */
	put(t, S(",\"url.path\":\""), r->path.len ? r->path : slice_cut(&target, '?'), 768);
	if (r->query.len)
		put_query(t, r);
	if (r->status)
		put_number(t, S(",\"http.response.status_code\":"), r->status);
	put_number(t, S(",\"http.request.body.size\":"), r->body_in);
	put_number(t, S(",\"http.response.body.size\":"), r->body_out);
	put(t, S(",\"server.address\":\""), r->host, 255);
	const struct header *agent = headers_find(&r->headers, HEADER_USER_AGENT);
	if (agent)
		put(t, S(",\"user_agent.original\":\""), agent->value, 256);
	put_word(t, S(",\"network.protocol.version\":\""),
	         r->version == 20   ? S("2")
	         : r->version == 10 ? S("1.0")
	                            : S("1.1"));
}

static void put_visitor(struct text *t, const struct request *r)
{
	const struct client_facts *v = r->client_facts;

	put_address(t, S(",\"client.address\":\""), &r->address);
	put_address(t, S(",\"network.peer.address\":\""), &v->peer);
	put_number(t, S(",\"network.peer.port\":"), v->peer_port);
	put_number(t, S(",\"server.port\":"), v->local_port);
	if (!v->tls)
		return;
	put(t, S(",\"tls.protocol.version\":\""), v->tls_version, 8);
	text_add(t, v->resumed ? S(",\"tls.resumed\":true") : S(",\"tls.resumed\":false"));
	if (!slice_same(v->server_name, r->host))
		put(t, S(",\"sallyport.sni\":\""), v->server_name, 128);
	put(t, S(",\"tls.client.subject\":\""), v->certificate, 128);
	put_word(t, S(",\"sallyport.ja4\":\""), slice_of(v->ja4));
}

/* A subject is a person: under a keyed hash lines can be told apart, and nobody is named. */
static void put_subject(struct text *t, struct slice subject)
{
	if (!subject.len)
		return;
	if (!subject_key_is_set) {
		random_bytes(&subject_key, sizeof subject_key);
		subject_key_is_set = true;
	}
	uint64_t hash = siphash(subject_key, subject);
	text_add(t, S(",\"user.hash\":\""));
	text_hex(t, &hash, sizeof hash);
	text_char(t, '"');
}

static void put_identity(struct text *t, const struct identity *i)
{
	static const struct slice verdicts[] = {
		{ "none", 4 }, { "valid", 5 }, { "invalid", 7 }, { "unknown", 7 }
	};

	put_word(t, S(",\"sallyport.verdict\":\""), verdicts[i->verdict]);
	if (i->verdict == VERDICT_NONE)
		return;
	put(t, S(",\"sallyport.issuer\":\""), i->issuer, 64);
	put(t, S(",\"sallyport.client\":\""), i->client, 96);
	put(t, S(",\"sallyport.tenant\":\""), i->tenant, 96);
	put_subject(t, i->subject);
}

static const struct slice absences[] = {
	[ABSENCE_HELD] = { "held", 4 },
	[ABSENCE_DELIVERED] = { "delivered", 9 },
	[ABSENCE_ATTESTED] = { "attested", 8 },
};

static void put_decisions(struct text *t, const struct request *r)
{
	if (r->route)
		put(t, S(",\"sallyport.route\":\""), r->route->name, 64);
	if (r->route && r->route->reconcile)
		text_add(t, S(",\"sallyport.reconcile\":true"));
	if (r->absence) {
		put_word(t, S(",\"sallyport.absence\":\""), absences[r->absence]);
		put_number(t, S(",\"sallyport.absence_status\":"), r->absence_status);
	}
	put_word(t, S(",\"sallyport.reason\":\""), respond_reason(r));
	put_word(t, S(",\"sallyport.detail\":\""), r->detail);
	put_identity(t, &r->identity);
	put_word(t, S(",\"sallyport.class\":\""), class_names[r->class]);
	put(t, S(",\"sallyport.rule\":\""), r->rule, 64);
	if (r->refusal.limit)
		put(t, S(",\"sallyport.limit\":\""), r->refusal.limit->id, 64);
	if (r->ext_auth != EXT_AUTH_NONE)
		put_word(t, S(",\"sallyport.asker\":\""), ext_auth_kind_words[r->ext_auth]);
	put(t, S(",\"sallyport.upstream\":\""), r->upstream, 64);
	put(t, S(",\"sallyport.endpoint\":\""), r->endpoint, 128);
	if (r->retried)
		text_add(t, S(",\"sallyport.retried\":true"));
}

/* Time up to each mark since the last one that was reached; a station that was not entered is absent, and one
 * that is brief where few ever wait in it and this one did not. */
static void put_times(struct text *t, const struct request *r, uint64_t now_ns)
{
	static const struct {
		enum mark mark;
		bool brief;
		struct slice key;
	} steps[] = {
		{ MARK_ROUTED, false, { ",\"sallyport.ms.route\":", 22 } },
		{ MARK_LIMITED, false, { ",\"sallyport.ms.limit\":", 22 } },
		{ MARK_VERIFIED, false, { ",\"sallyport.ms.verify\":", 23 } },
		{ MARK_SCREENED, true, { ",\"sallyport.ms.screen\":", 23 } },
		{ MARK_LIMITED_LATE, true, { ",\"sallyport.ms.limit_identity\":", 31 } },
		{ MARK_GATHERED, true, { ",\"sallyport.ms.body\":", 21 } },
		{ MARK_SENT, false, { ",\"sallyport.ms.send\":", 21 } },
		{ MARK_HEAD, false, { ",\"sallyport.ms.upstream_head\":", 30 } },
	};
	const uint64_t *at = r->marks_ns;
	uint64_t last = at[MARK_BEGAN], end = at[MARK_ENDED] ? at[MARK_ENDED] : now_ns;

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		uint64_t reached = at[steps[i].mark];
		if (!reached || (steps[i].brief && reached <= last))
			continue;
		put_ms(t, steps[i].key, reached > last ? reached - last : 0);
		last = reached > last ? reached : last;
	}
	put_ms(t, S(",\"sallyport.ms.answer\":"), end > last ? end - last : 0);
	put_ms(t, S(",\"sallyport.ms.total\":"), end > at[MARK_BEGAN] ? end - at[MARK_BEGAN] : 0);
}

void respond_log(const struct request *r, uint64_t wall_ns, uint64_t now_ns, struct text *to)
{
	check(to->cap - to->len >= RESPOND_LOG_MAX);
	text_add(to, S("{\"timestamp\":\""));
	stamp_rfc3339(to, wall_ns);
	text_char(to, '"');
	put_word(to, S(",\"trace_id\":\""), (struct slice){ r->id, sizeof r->id - 1 });
	put_word(to, S(",\"span_id\":\""), (struct slice){ r->span, sizeof r->span - 1 });
	put_http(to, r);
	put_visitor(to, r);
	put_decisions(to, r);
	put_times(to, r, now_ns);
	text_char(to, '}');
	check(!to->cut);
}
