#include "base/check.h"
#include "buckets/inside.h"
#include "count.h"
#include "metrics/metrics.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 4096

static const char yaml[] =
    "environment: dev\n"
    "status: {address: \"127.0.0.1:9180\"}\n"
    "listeners:\n"
    "  - {address: \"127.0.0.1:8080\"}\n"
    "issuers:\n"
    "  bench: {issuer: \"https://issuer.bench/\", audiences: [bench], jwks: \"https://issuer.bench/keys\"}\n"
    "upstreams:\n"
    "  app: {endpoints: [\"http://127.0.0.1:9000\"]}\n"
    "limits:\n"
    "  per-address: {key: [address], rate: 1000000/s, burst: 1000000}\n"
    "  per-key: {key: [\"header:X-Key\"], rate: 1000000/s, burst: 1000000}\n"
    "  per-subject: {key: [subject], rate: 1000000/s, burst: 1000000}\n"
    "routes:\n"
    "  - name: api\n"
    "    path: /api/*\n"
    "    upstream: app\n"
    "    verify: {issuer: bench, scopes: [read]}\n"
    "    limits: [per-address, per-key, per-subject]\n"
    "  - {name: clusters, path: /clusters/*, upstream: app, verify: {issuer: bench}, reconcile: true}\n";

/* As a browser of today sends it, with a token. */
static const char head_text[] =
    "GET /api/v1/deployments/42?page=3&per_page=100 HTTP/1.1\r\n"
    "Host: cloud.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "X-Key: 0123456789abcdef0123456789abcdef\r\n"
    "Referer: https://cloud.example.com/deployments\r\n"
    "Cookie: session=c2Vzc2lvbi1vZi10aGUtYmVuY2g; theme=dark\r\n"
    "Authorization: Bearer %s\r\n"
    "\r\n";

static void *zeroed(size_t len)
{
	void *p = aligned_alloc(64, (len + 63) / 64 * 64);

	check(p);
	return memset(p, 0, (len + 63) / 64 * 64);
}

/* ---- the issuer: keys that a fetch brings at once ---- */

struct issuer {
	char *keys;
};

static void fetch(void *with, const struct issuer_request *ask,
                  void (*done)(void *, int, struct slice, uint64_t, const char *), void *for_whom)
{
	struct issuer *i = with;

	(void)ask;
	done(for_whom, 200, slice_of(i->keys), UINT64_MAX, NULL);
}

static uint64_t now_of(void *with)
{
	(void)with;
	return COUNT_NOW_NS;
}

static uint64_t wall_of(void *with)
{
	(void)with;
	return COUNT_WALL_NS / NS_PER_S;
}

static void publish(struct world *w, struct bundle *b, struct published_issuers *keys, struct signer *signer)
{
	static const char secret[32] = "a secret of the bench alone";
	struct issuer issuer = { signer_jwks(signer) };
	struct issuer_env world = { .with = &issuer, .fetch = fetch, .now_ns = now_of, .wall_s = wall_of };
	struct issuer_keeper *k =
	    issuer_keeper_open(w->config, b, keys, world, (struct slice){ secret, sizeof secret });

	check(k);
	issuer_keeper_tick(k);
	issuer_keeper_close(k);
	free(issuer.keys);
}

static bool nobody(void *with, struct slice issuer, struct slice kid, uint64_t iat_s)
{
	(void)with;
	(void)issuer;
	(void)kid;
	(void)iat_s;
	return false;
}

/* ---- the request ---- */

static void on_wake(struct request *r)
{
	(void)r;
}

struct request *world_request(struct world *w, struct slice bytes)
{
	const struct head_bounds bounds = { 32768, 8192, 100 };
	struct request *r = http_request_take(&w->http, &w->client_facts);
	size_t seen = 0, len = 0;
	enum fault why = FAULT_NONE;

	check(r);
	check(head_read_request(bytes, &bounds, &seen, r, &len, &why) == HEAD_DONE);
	check(request_check(r) == FAULT_NONE && request_address(r) == FAULT_NONE);
	return r;
}

static void open_request(struct world *w, struct signer *signer)
{
	static char store[8192];
	char *token = signer_sign(
	    signer,
	    "{\"iss\":\"https://issuer.bench/\",\"sub\":\"user-1\",\"aud\":\"bench\",\"azp\":\"client-1\","
	    "\"scope\":\"read write\",\"iat\":1799999000,\"exp\":1800003600}");
	int len = snprintf(store, sizeof store, head_text, token);

	check(token && len > 0 && (size_t)len < sizeof store);
	free(token);
	w->head = (struct slice){ store, (size_t)len };
	w->request = world_request(w, w->head);
	w->request->route = &w->config->root.routes[0];
	w->request->upstream = S("app");
	w->request->endpoint = S("http://127.0.0.1:9000");
	w->request->status = 200;
	for (int i = 0; i < MARKS; i++)
		w->request->marks_ns[i] = COUNT_NOW_NS + (uint64_t)i * 150 * NS_PER_US;
	/* most requests wait in none of these */
	w->request->marks_ns[MARK_SCREENED] = w->request->marks_ns[MARK_LIMITED_LATE] =
	    w->request->marks_ns[MARK_GATHERED] = w->request->marks_ns[MARK_VERIFIED];
	/* the first time a signature is verified, and remembered */
	check(verify_enter(w->verify, w->request, COUNT_NOW_NS, COUNT_WALL_NS / NS_PER_S) == GO_ON);
	check(w->request->identity.verdict == VERDICT_VALID);
}

static void open_visitor(struct client_facts *v)
{
	*v = (struct client_facts){ .peer_port = 50000,
		                        .local_port = 443,
		                        .tls = true,
		                        .listener = S("127.0.0.1:8080"),
		                        .server_name = S("cloud.example.com"),
		                        .tls_version = S("1.3"),
		                        .ja4 = "t13d1516h2_8daaf6152771_e5627efa2ab1",
		                        .ja4_key = "t13d1516h2_8daaf6152771_e5627efa2ab1" };
	check(inet_pton(AF_INET6, "::ffff:203.0.113.57", &v->peer) == 1);
}

static void open_rooms(struct world *w, struct signer *signer)
{
	struct config_errors errors = { 0 };
	struct bundle *b = bundle_record();
	struct published_issuers *keys = published_attach(zeroed(published_memory()));

	bundle_put(b, "bench.yaml", slice_of(yaml));
	w->config = config_load(b, "bench.yaml", &errors);
	if (!w->config)
		fprintf(stderr, "%s", errors.text);
	check(w->config);
	http_server_init(&w->http, w->loop, w->config);
	w->classify = classify_open(w->config, b, &errors);
	struct buckets *table = buckets_attach(zeroed(buckets_memory(SLOTS)), SLOTS);
	table->key = (struct siphash_key){ 1, 2 }; /* so that every run finds the same places */
	w->limits = limits_open(w->config, table, NULL);
	w->verify = verify_open(w->config, keys, (struct verify_ask){ .key_unknown = nobody });
	struct guard_table *guarded = guard_attach(zeroed(guard_memory(SLOTS)), SLOTS);
	w->guard = guard_open(w->config, guarded, (struct siphash_key){ 3, 4 }, (struct guard_teller){ 0 });
	check(w->classify && w->limits && w->guard);
	publish(w, b, keys, signer);
	verify_turn(w->verify);
}

void world_open(struct world *w)
{
	struct signer *signer = signer_make();
	void *metrics = zeroed(metrics_memory(2));

	check(signer && metrics_attach(metrics, 2));
	metrics_sit(0);
	request_on_wake = on_wake;
	w->loop = loop_open();
	check(w->loop);
	w->loop->now_ns = COUNT_NOW_NS;
	w->loop->wall_ns = COUNT_WALL_NS;
	open_visitor(&w->client_facts);
	open_rooms(w, signer);
	open_request(w, signer);
	signer_free(signer);
}

void world_close(struct world *w)
{
	http_request_give(&w->http, w->request);
	verify_close(w->verify);
	guard_close(w->guard);
	limits_close(w->limits);
	classify_close(w->classify);
	http_server_free(&w->http);
	loop_close(w->loop);
}
