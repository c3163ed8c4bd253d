/* arrival.c -- the life of a connection before its first request: ACCEPT, HELLO, HANDSHAKE, then http/ SERVEs
 * it. The ClientHello is judged on raw bytes before an SSL object exists; handshakes are taken a few steps
 * per turn, so that a flood of them does not starve the requests in hand. */
#include "journey/inside.h"
#include "base/check.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include <stdlib.h>
#include <unistd.h>

enum { PROXY, HELLO, HANDSHAKE, SERVE, LEAVE, GONE };

#define HANDSHAKE_STEPS 8 /* per turn */
#define LEAVE_NS NS_PER_S
#define LEAVE_BYTES (64 * 1024)

static void count_shaking(struct client_connection *g, bool begins)
{
	struct journey *j = g->journey;
	struct sharer *h = g->client_facts.sharer;

	begins ? j->shaking++ : j->shaking--;
	if (h)
		(begins ? shares_take : shares_drop)(&j->shares, h, PLACE_HANDSHAKE);
}

static void move(struct client_connection *g, unsigned to)
{
	static const uint8_t legal[] = {
		[PROXY] = 1 << HELLO | 1 << SERVE | 1 << GONE,
		[HELLO] = 1 << HANDSHAKE | 1 << SERVE | 1 << LEAVE | 1 << GONE,
		[HANDSHAKE] = 1 << SERVE | 1 << LEAVE | 1 << GONE,
		[SERVE] = 1 << GONE,
		[LEAVE] = 1 << GONE,
		[GONE] = 0,
	};

	check(legal[g->state] & 1 << to);
	if (g->state == HANDSHAKE || to == HANDSHAKE)
		count_shaking(g, to == HANDSHAKE);
	g->state = (uint8_t)to;
}

static const struct config_listener *listener_of(const struct client_connection *g)
{
	return &g->journey->env.config->root.listeners[g->listener];
}

static void gone(struct client_connection *g)
{
	struct journey *j = g->journey;

	move(g, GONE);
	list_remove(&g->link);
	list_remove(&g->handshake_link);
	list_remove(&g->waiting_link);
	deadline_clear(&j->env.loop->wheel, &g->deadline);
	if (g->wire)
		wire_close(g->wire);
	j->connections--;
	if (g->client_facts.sharer)
		shares_drop(&j->shares, g->client_facts.sharer, PLACE_CONNECTION);
	free(g->server_name);
	free(g->certificate);
	free(g->thumbprint);
	free(g);
}

void arrival_refused(const char *why)
{
	metrics_add(metrics_series(METRIC_connections_refused_total, slice_of(why), S(""), S(""), S("")), 1);
}

/* Our last word is on its way; what the client still sends is discarded, so that it is not lost to a reset.
 */
static void leave(struct client_connection *g)
{
	struct loop *l = g->journey->env.loop;

	move(g, LEAVE);
	list_remove(&g->handshake_link);
	share_waits(g, WAITS_HANDSHAKE);
	wire_shut(g->wire);
	deadline_set(&l->wheel, &g->deadline, l->now_ns + LEAVE_NS);
	wire_nudge(g->wire);
}

static void discard(struct client_connection *g)
{
	char *to = g->journey->env.loop->scratch_in;
	ssize_t got = WIRE_END;

	while (g->discarded <= LEAVE_BYTES && (got = wire_raw_read(g->wire, to, SCRATCH_SIZE)) > 0)
		g->discarded += (size_t)got;
	if (got != WIRE_LATER)
		gone(g);
}

static void serve(struct client_connection *g)
{
	struct journey *j = g->journey;
	struct wire *w = g->wire;

	move(g, SERVE);
	list_remove(&g->link);
	list_remove(&g->handshake_link);
	deadline_clear(&j->env.loop->wheel, &g->deadline);
	g->wire = NULL;
	share_waits(g, WAITS_UNPROVEN);
	g->served = http_serve(&j->http, w, &g->client_facts);
}

/* A copy of its own length, since there are many idle connections. False: out of memory. */
static bool keep(struct slice from, char **to, struct slice *view)
{
	if (!from.len)
		return true;
	*to = malloc(from.len);
	if (!*to)
		return false;
	memcpy(*to, from.at, from.len);
	*view = (struct slice){ *to, from.len };
	return true;
}

static void count_handshake(const struct tls_facts *f)
{
	metrics_add(
	    metrics_series(METRIC_handshakes_total, f->version, f->resumed ? S("yes") : S("no"), S(""), S("")),
	    1);
}

static void handshake(struct client_connection *g)
{
	struct tls_facts facts;
	struct slice why;

	switch (tls_handshake(g->wire)) {
	case TLS_WAIT:
		return;
	case TLS_FAILED:
		metrics_add(metrics_series(METRIC_handshakes_failed_total, slice_of(tls_failure(g->wire, &why)),
		                           S(""), S(""), S("")),
		            1);
		log_debug("TLS handshake failed: %.*s", SLICE(why));
		leave(g);
		return;
	case TLS_READY:
		break;
	}
	tls_facts(g->wire, &facts);
	count_handshake(&facts);
	g->client_facts.tls_version = facts.version;
	g->client_facts.resumed = facts.resumed;
	g->client_facts.http2 = facts.h2;
	g->client_facts.policy = facts.policy;
	if (!keep(facts.certificate, &g->certificate, &g->client_facts.certificate) ||
	    !keep(facts.thumbprint, &g->thumbprint, &g->client_facts.thumbprint)) {
		arrival_refused("memory");
		gone(g);
		return;
	}
	serve(g);
}

static void refuse_hello(struct client_connection *g, const char *why, enum tls_alert alert)
{
	arrival_refused(why);
	tls_refuse(g->wire, alert);
	leave(g);
}

static void admit(struct client_connection *g, const struct hello *hello)
{
	struct journey *j = g->journey;
	struct slice name = slice_of(hello->server_name_lower);

	if (!share_admits(j, g->client_facts.sharer, PLACE_HANDSHAKE, j->shaking)) {
		refuse_hello(g, "client-share", TLS_ALERT_INTERNAL_ERROR);
		return;
	}
	memcpy(g->client_facts.ja4, hello->ja4, sizeof g->client_facts.ja4);
	memcpy(g->client_facts.ja4_key, hello->ja4_key, sizeof g->client_facts.ja4_key);
	if (!keep(name, &g->server_name, &g->client_facts.server_name) ||
	    !tls_accept(g->wire, j->tls[g->listener], hello)) {
		arrival_refused("memory");
		gone(g);
		return;
	}
	move(g, HANDSHAKE);
	list_push(&j->handshakes, &g->handshake_link);
}

/* A method, as far as it is there (RFC 9110 section 9.1; those that anybody uses are capital letters). */
static bool looks_like_http(struct slice bytes)
{
	size_t i = 0;

	while (i < bytes.len && i < 20 && bytes.at[i] >= 'A' && bytes.at[i] <= 'Z')
		i++;
	return i > 0 && (i == bytes.len || bytes.at[i] == ' ');
}

/* Whoever forgot the s of https is told so, in plain HTTP. */
static void not_tls(struct client_connection *g, struct slice bytes)
{
	if (!looks_like_http(bytes)) {
		refuse_hello(g, "not-tls", TLS_ALERT_DECODE_ERROR);
		return;
	}
	arrival_refused("plain-http");
	g->client_facts.tls = false;
	g->client_facts.expected_tls = true;
	serve(g);
}

static void hello(struct client_connection *g)
{
	struct hello hello;
	int state;
	struct slice bytes = wire_peek(g->wire, &state);

	if (state == WIRE_END || state == WIRE_FAILED) {
		arrival_refused(bytes.len ? "hello-cut" : "no-hello");
		gone(g);
		return;
	}
	switch (hello_read(bytes, &hello)) {
	case HELLO_MORE:
		if (bytes.len == BLOCK_SIZE)
			refuse_hello(g, "hello-too-long", TLS_ALERT_DECODE_ERROR);
		break;
	case HELLO_BAD:
		refuse_hello(g, "hello-malformed", TLS_ALERT_DECODE_ERROR);
		break;
	case HELLO_NOT_TLS:
		not_tls(g, bytes);
		break;
	case HELLO_DONE:
		admit(g, &hello);
		break;
	}
}

static void greet(struct client_connection *g)
{
	if (!g->journey->tls[g->listener]) {
		serve(g);
		return;
	}
	move(g, HELLO);
	hello(g);
}

static bool is_barred(const struct journey *j, const struct in6_addr *address)
{
	return j->env.is_barred && j->env.is_barred(j->env.barred_with, address);
}

/* Whose connection it is, is known now. */
static bool takes_place(struct client_connection *g)
{
	struct journey *j = g->journey;
	struct sharer *h = share_of(j, &g->client_facts.peer);

	if (!share_admits(j, h, PLACE_CONNECTION, j->connections - 1))
		return false;
	g->client_facts.sharer = h;
	if (h)
		shares_take(&j->shares, h, PLACE_CONNECTION);
	return true;
}

static void proxy_header(struct client_connection *g)
{
	static const int accepted[] = {
		[PROXY_ACCEPT_V1] = PROXY_V1, [PROXY_ACCEPT_V2] = PROXY_V2, [PROXY_ACCEPT_ANY] = PROXY_V1 | PROXY_V2
	};
	struct proxy_header h;
	int state;
	struct slice bytes = wire_peek(g->wire, &state);
	enum proxy_result result = proxy_read(bytes, accepted[listener_of(g)->proxy_protocol->accept], &h);

	if (result == PROXY_MORE && state != WIRE_END && state != WIRE_FAILED && bytes.len < BLOCK_SIZE)
		return;
	if (result != PROXY_DONE) {
		arrival_refused(bytes.len ? "proxy-header-malformed" : "no-proxy-header");
		gone(g);
		return;
	}
	wire_skip(g->wire, h.len);
	if (!h.local) {
		g->client_facts.peer = h.source;
		g->client_facts.peer_port = h.source_port;
		g->client_facts.local_port = h.destination_port;
	}
	bool barred = is_barred(g->journey, &g->client_facts.peer);
	if (barred || !takes_place(g)) {
		arrival_refused(barred ? "barred" : "client-share");
		gone(g);
		return;
	}
	share_waits(g, WAITS_HANDSHAKE);
	greet(g);
}

static void on_ready(struct wire *w)
{
	struct client_connection *g = w->owner;

	arrival_on_touch(g->journey, &g->client_facts);
	switch (g->state) {
	case PROXY:
		proxy_header(g);
		break;
	case HELLO:
		hello(g);
		break;
	case HANDSHAKE:
		if (list_is_empty(&g->handshake_link))
			list_push(&g->journey->handshakes, &g->handshake_link);
		break;
	case LEAVE:
		discard(g);
		break;
	default:
		break;
	}
}

static void on_due(struct deadline *d)
{
	struct client_connection *g = list_entry(d, struct client_connection, deadline);

	if (g->state != LEAVE)
		arrival_refused("handshake-timeout");
	gone(g);
}

void arrival_turn(struct journey *j)
{
	struct list *node;

	for (int step = 0; step < HANDSHAKE_STEPS && (node = list_shift(&j->handshakes)); step++) {
		struct client_connection *g = list_entry(node, struct client_connection, handshake_link);
		arrival_on_touch(j, &g->client_facts);
		handshake(g);
	}
}

void arrival_kill(struct journey *j)
{
	while (!list_is_empty(&j->arriving))
		gone(list_entry(j->arriving.next, struct client_connection, link));
}

void arrival_ends(struct client_connection *g)
{
	gone(g);
}

void arrival_on_closed(void *with, struct client_facts *v)
{
	(void)with;
	gone((struct client_connection *)(void *)v);
}

void arrival_on_touch(void *with, const struct client_facts *v)
{
	struct journey *j = with;

	if (!j->env.suspect || (j->is_touched && IN6_ARE_ADDR_EQUAL(&j->touched, &v->peer)))
		return;
	j->touched = v->peer;
	j->is_touched = true;
	j->env.suspect(j->env.barred_with, &j->touched);
}

void arrival_let_go(struct journey *j)
{
	if (j->is_touched)
		j->env.suspect(j->env.barred_with, NULL);
	j->is_touched = false;
}

static uint16_t port_of(struct slice address)
{
	uint64_t port = 0;
	size_t digits = 0;

	while (digits < address.len && address.at[address.len - digits - 1] != ':')
		digits++;
	return slice_u64(slice_from(address, address.len - digits), &port) ? (uint16_t)port : 0;
}

static struct client_connection *new_connection(struct journey *j, size_t listener,
                                                const struct sockaddr_storage *peer)
{
	struct client_connection *g = calloc(1, sizeof *g);

	if (!g)
		return NULL;
	g->journey = j;
	g->listener = listener;
	g->client_facts.peer = address_of(peer, &g->client_facts.peer_port);
	g->client_facts.listener = listener_of(g)->address;
	g->client_facts.local_port = port_of(g->client_facts.listener);
	g->client_facts.tls = j->tls[listener] != NULL;
	g->client_facts.accepted_ns = j->env.loop->now_ns;
	list_init(&g->link);
	list_init(&g->handshake_link);
	list_init(&g->waiting_link);
	deadline_init(&g->deadline, on_due);
	return g;
}

static const char *why_not(const struct journey *j, const struct config_listener *l,
                           const struct sockaddr_storage *peer)
{
	uint16_t port;
	struct in6_addr address = address_of(peer, &port);

	if (is_barred(j, &address))
		return "barred";
	if (l->proxy_protocol && !cidrs_have(&l->proxy_protocol->from, &address))
		return "no-proxy-peer";
	return NULL;
}

/* It is counted already. Where the PROXY protocol is to say whose it is, everybody may make room. */
static const char *find_room(struct client_connection *g)
{
	struct journey *j = g->journey;

	if (!listener_of(g)->proxy_protocol && !takes_place(g))
		return "client-share";
	if (j->connections > j->connections_max && !share_makes_room(j, g->client_facts.sharer))
		return "too-many";
	return NULL;
}

static void open_wire(struct client_connection *g, int fd)
{
	struct loop *l = g->journey->env.loop;

	g->wire = wire_open(l, fd, false);
	if (!g->wire) {
		arrival_refused("memory");
		gone(g);
		return;
	}
	g->wire->owner = g;
	g->wire->on_ready = on_ready;
	deadline_set(&l->wheel, &g->deadline, l->now_ns + g->journey->env.config->root.timeouts.handshake);
	if (listener_of(g)->proxy_protocol)
		return;
	share_waits(g, WAITS_HANDSHAKE);
	if (g->client_facts.tls)
		move(g, HELLO);
	else
		serve(g);
}

void journey_accept(struct journey *j, size_t listener, int fd, const struct sockaddr_storage *peer)
{
	const char *why = why_not(j, &j->env.config->root.listeners[listener], peer);
	struct client_connection *g = why ? NULL : new_connection(j, listener, peer);

	metrics_add(j->accepted[listener], 1);
	if (!g) {
		arrival_refused(why ? why : "memory");
		close(fd);
		return;
	}
	j->connections++;
	list_push(&j->arriving, &g->link);
	why = find_room(g);
	if (why) {
		arrival_refused(why);
		gone(g);
		close(fd);
		return;
	}
	open_wire(g, fd);
}
