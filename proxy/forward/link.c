/* link.c -- connections to endpoints: begun, made secure, kept newest first, closed. */
#include "forward/inside.h"
#include "base/check.h"
#include "metrics/metrics.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Nothing is to be read but what TLS keeps to itself (session tickets). */
static bool is_quiet(struct wire *w)
{
	char byte;

	return !w->failed && !w->write_failed && !w->hung_up &&
	       (!wire_is_readable(w) || wire_read(w, &byte, 1) == WIRE_LATER);
}

static void on_ready(struct wire *w)
{
	struct link *l = w->owner;

	if (l->request)
		request_wake(l->request);
	else if (!is_quiet(w))
		link_close(l); /* it said goodbye, or something nobody asked for */
}

/* Of descriptors, memory or local ports it is we who have none left; the endpoint is not to blame. */
static enum link_result why_no_socket(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
		return LINK_FULL;
	case ECONNREFUSED:
	case ENOENT: /* a Unix socket that is not there */
		return LINK_REFUSED;
	default:
		return LINK_FAILED;
	}
}

static enum link_result begin(struct endpoint *e, struct request *r, struct link **to)
{
	struct sockaddr_storage address;
	socklen_t len;
	struct link *l;

	if (e->open_len >= e->upstream->config->connections_max)
		return LINK_FULL;
	if (!endpoint_next_address(e, &address, &len))
		return LINK_NO_ADDRESS;
	int fd = address_dial(&address, len);
	if (fd < 0)
		return why_no_socket(errno);
	l = calloc(1, sizeof *l);
	check(l);
	l->wire = wire_open(e->upstream->forward->loop, fd, address.ss_family != AF_UNIX);
	if (!l->wire) {
		free(l);
		return LINK_FAILED;
	}
	l->wire->owner = l;
	l->wire->on_ready = on_ready;
	l->endpoint = e;
	l->request = r;
	l->secure = e->url.scheme == ENDPOINT_HTTPS;
	list_init(&l->idle_link);
	e->open_len++;
	*to = l;
	return link_progress(l);
}

/* Whether those kept lately are still there: of a reset right behind the answer nothing else tells. */
static void look_at_newest(struct endpoint *e)
{
	struct wire *unsure[WIRES_LOOKED_AT];
	size_t len = 0;

	for (struct list *n = e->idle.prev; n != &e->idle && len < WIRES_LOOKED_AT; n = n->prev) {
		struct wire *w = list_entry(n, struct link, idle_link)->wire;
		if (!wire_is_unsure(w))
			break;
		unsure[len++] = w;
	}
	if (len)
		wires_look(unsure, len);
}

/* Newest first: the coldest ones die. NULL: there is none that is any good. */
static struct link *newest(struct endpoint *e)
{
	while (!list_is_empty(&e->idle)) {
		struct link *l = list_entry(e->idle.prev, struct link, idle_link);
		look_at_newest(e);
		if (is_quiet(l->wire))
			return l;
		link_close(l);
	}
	return NULL;
}

enum link_result link_take(struct endpoint *e, struct request *r, bool fresh, struct link **to)
{
	struct link *l = fresh ? NULL : newest(e);

	if (!l)
		return begin(e, r, to);
	list_remove(&l->idle_link);
	e->idle_len--;
	l->request = r;
	l->reused = true;
	metrics_add(e->upstream->series_reused, 1);
	*to = l;
	return LINK_READY;
}

enum link_result link_progress(struct link *l)
{
	struct endpoint *e = l->endpoint;

	if (l->ready)
		return LINK_READY;
	if (l->wire->failed)
		return l->wire->layer ? LINK_TLS : l->wire->error == ECONNREFUSED ? LINK_REFUSED : LINK_FAILED;
	if (l->wire->connecting)
		return LINK_WAIT;
	if (l->secure && !l->wire->layer && !tls_connect(l->wire, e->upstream->tls, slice_of(e->host)))
		return LINK_TLS;
	if (l->secure) {
		enum tls_step step = tls_handshake(l->wire);
		if (step != TLS_READY)
			return step == TLS_WAIT ? LINK_WAIT : LINK_TLS;
	}
	l->ready = true;
	balance_accepted(e);
	metrics_add(e->upstream->series_connect[CONNECT_OK], 1);
	return LINK_READY;
}

static size_t lately(const struct endpoint *e)
{
	return e->busiest > e->peak ? e->busiest : e->peak;
}

/* With `idle` beside it, would this one be one too many? */
static bool is_surplus(const struct endpoint *e, size_t idle)
{
	uint64_t keep = e->upstream->config->keep;

	return idle >= keep && (keep == 0 || e->open_len > lately(e));
}

void link_keep(struct link *l)
{
	struct endpoint *e = l->endpoint;

	if (is_surplus(e, e->idle_len) || e->upstream->forward->draining || wire_backlog(l->wire) ||
	    !is_quiet(l->wire)) {
		link_close(l);
		return;
	}
	l->request = NULL;
	l->idle_since_ns = e->upstream->forward->loop->now_ns;
	list_push(&e->idle, &l->idle_link);
	e->idle_len++;
}

void link_close(struct link *l)
{
	struct endpoint *e = l->endpoint;

	if (!list_is_empty(&l->idle_link)) {
		list_remove(&l->idle_link);
		e->idle_len--;
	}
	e->open_len--;
	if (wire_backlog(l->wire)) /* it takes nothing, and what the kernel has for it is of no use to anybody */
		wire_abandon(l->wire);
	else if (l->ready && !l->wire->failed)
		wire_shut(l->wire);
	wire_close(l->wire);
	free(l);
}

/* A peak is forgotten by a sixteenth a second; one that comes again each second is not. */
static void forget_peak(struct endpoint *e)
{
	size_t left = e->peak - (e->peak + 15) / 16;

	e->peak = e->busiest > left ? e->busiest : left;
	e->busiest = e->in_flight;
}

void links_age(struct endpoint *e)
{
	uint64_t now = e->upstream->forward->loop->now_ns;

	forget_peak(e);
	while (!list_is_empty(&e->idle)) {
		struct link *oldest = list_entry(e->idle.next, struct link, idle_link);
		if (now - oldest->idle_since_ns < e->upstream->config->keep_idle && !is_surplus(e, e->idle_len - 1))
			return;
		link_close(oldest);
	}
}
