/* A connection as bytes in and out, whatever carries them. */
#include "connection/connection.h"
#include "base/check.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void on_event(evutil_socket_t fd, short what, void *with)
{
	struct wire *w = with;

	(void)fd;
	if (what & EV_CLOSED)
		w->hung_up = true;
	if (what & (EV_READ | EV_CLOSED))
		w->readable = true;
	if (what & EV_WRITE)
		w->writable = true;
	wire_nudge(w);
}

struct wire *wire_open(struct loop *l, int fd, bool connecting)
{
	struct wire *w = calloc(1, sizeof *w);
	short what = EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST;

	if (!w || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
	    event_assign(&w->event, l->base, fd, what, on_event, w) || event_add(&w->event, NULL)) {
		free(w);
		close(fd);
		return NULL;
	}
	w->loop = l;
	w->fd = fd;
	w->connecting = connecting;
	w->writable = !connecting;
	w->moved_ns = l->now_ns;
	list_init(&w->ready_link);
	list_init(&w->unsure_link);
	return w;
}

void wire_nudge(struct wire *w)
{
	if (!w->closed && list_is_empty(&w->ready_link))
		list_push(&w->loop->ready, &w->ready_link);
}

void wires_look(struct wire *const *at, size_t len)
{
	struct pollfd look[WIRES_LOOKED_AT];

	check(len <= WIRES_LOOKED_AT);
	for (size_t i = 0; i < len; i++) {
		look[i] = (struct pollfd){ .fd = at[i]->fd, .events = POLLIN };
		list_remove(&at[i]->unsure_link);
	}
	if (poll(look, len, 0) <= 0)
		return;
	for (size_t i = 0; i < len; i++) {
		at[i]->readable |= look[i].revents != 0;
		at[i]->hung_up |= (look[i].revents & (POLLERR | POLLHUP)) != 0;
	}
}

static void become_unsure(struct wire *w)
{
	struct loop *l = w->loop;

	if (wire_is_unsure(w))
		return;
	if (list_is_empty(&l->unsure))
		deadline_set(&l->brief, &l->unsure_due, l->now_ns + WIRE_UNSURE_NS);
	list_push(&l->unsure, &w->unsure_link);
}

/* What moved meanwhile, either way, was alive then: it stays for another while. */
static void look_at_quiet(struct loop *l, struct list *all)
{
	struct wire *quiet[WIRES_LOOKED_AT];
	struct list *node;
	size_t len = 0;

	while (len < WIRES_LOOKED_AT && (node = list_shift(all))) {
		struct wire *w = list_entry(node, struct wire, unsure_link);
		if (l->now_ns - w->moved_ns < WIRE_UNSURE_NS)
			list_push(&l->unsure, &w->unsure_link);
		else
			quiet[len++] = w;
	}
	wires_look(quiet, len);
	for (size_t i = 0; i < len; i++)
		if (quiet[i]->readable)
			wire_nudge(quiet[i]);
}

void wires_on_unsure(struct deadline *d)
{
	struct loop *l = list_entry(d, struct loop, unsure_due);
	struct list all, *node;

	list_init(&all);
	while ((node = list_shift(&l->unsure)))
		list_push(&all, node);
	while (!list_is_empty(&all))
		look_at_quiet(l, &all);
	if (!list_is_empty(&l->unsure))
		deadline_set(&l->brief, &l->unsure_due, l->now_ns + WIRE_UNSURE_NS);
}

static void fail(struct wire *w, int error)
{
	if (w->failed)
		return;
	w->failed = true;
	if (!w->write_failed)
		w->error = error;
	wire_nudge(w);
}

ssize_t wire_raw_read(struct wire *w, void *to, size_t cap)
{
	if (w->ahead) {
		struct block *b = w->ahead;
		size_t len = b->to - b->from < cap ? b->to - b->from : cap;
		memcpy(to, b->bytes + b->from, len);
		wire_skip(w, len);
		if (len)
			return (ssize_t)len;
	}
	if (w->failed)
		return WIRE_FAILED;
	if (w->ended)
		return WIRE_END;
	if (!w->readable)
		return WIRE_LATER;
	ssize_t got = recv(w->fd, to, cap, 0);
	if (got > 0) {
		w->bytes_in += (uint64_t)got;
		w->moved_ns = w->loop->now_ns;
		if ((size_t)got < cap && !w->hung_up) {
			w->readable = false;
			become_unsure(w);
		}
		return got;
	}
	list_remove(&w->unsure_link); /* the kernel has told all it knows */
	if (got == 0) {
		w->ended = true;
		return WIRE_END;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		w->readable = errno == EINTR;
		return WIRE_LATER;
	}
	fail(w, errno);
	return WIRE_FAILED;
}

static void ask_kernel(struct wire *w)
{
	int unsent;

	w->asked_ns = w->loop->now_ns;
	if (ioctl(w->fd, SIOCOUTQ, &unsent) != 0)
		return;
	if (unsent < w->unsent)
		w->moved_ns = w->loop->now_ns;
	w->unsent = unsent;
}

uint64_t wire_taken_ns(struct wire *w)
{
	if (w->out_len && w->loop->now_ns - w->asked_ns >= NS_PER_S / 4)
		ask_kernel(w);
	return w->moved_ns;
}

/* Its peer has reset it, or it was never a connection: what the kernel says of its queue is old. */
static bool is_over(const struct wire *w)
{
	struct tcp_info info;
	socklen_t len = sizeof info;

	return w->failed || w->write_failed ||
	       (getsockopt(w->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_CLOSE);
}

size_t wire_unsent(struct wire *w)
{
	if (is_over(w))
		return 0;
	ask_kernel(w);
	return w->out_len + (size_t)w->unsent;
}

/* The kernel's queue is full: what is left of it later tells whether the peer takes. */
static void is_full(struct wire *w)
{
	w->writable = false;
	w->unsent = 0;
	ask_kernel(w);
}

/* Sends what the kernel takes; -1 where the wire failed. */
static ssize_t send_some(struct wire *w, const void *from, size_t len)
{
	ssize_t sent = send(w->fd, from, len, MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS)) {
		is_full(w);
		return 0;
	}
	if (sent < 0) {
		w->write_failed = w->readable = true; /* its last words may still lie in the socket */
		w->error = errno;
		wire_nudge(w);
		return -1;
	}
	w->bytes_out += (uint64_t)sent;
	if (sent)
		w->moved_ns = w->loop->now_ns;
	if ((size_t)sent < len)
		is_full(w);
	return sent;
}

static void queue(struct wire *w, const char *from, size_t len)
{
	w->out_len += len;
	while (len) {
		struct block *b = w->out_last;
		if (!b || b->to == BLOCK_SIZE) {
			b = block_take(w->loop);
			if (w->out_last)
				w->out_last->next = b;
			else
				w->out = b;
			w->out_last = b;
		}
		size_t n = len < BLOCK_SIZE - b->to ? len : BLOCK_SIZE - b->to;
		memcpy(b->bytes + b->to, from, n);
		b->to += (uint32_t)n;
		from += n;
		len -= n;
	}
}

bool wire_raw_write(struct wire *w, const void *from, size_t len)
{
	if (w->failed || w->write_failed || w->closed)
		return false;
	if (w->out_len == 0 && w->writable) {
		ssize_t sent = send_some(w, from, len);
		if (sent < 0)
			return false;
		from = (const char *)from + sent;
		len -= (size_t)sent;
	}
	if (len)
		queue(w, from, len);
	return true;
}

static void flush(struct wire *w)
{
	bool had = w->out_len > 0;

	while (w->out && w->writable && !w->failed && !w->write_failed) {
		struct block *b = w->out;
		ssize_t sent = send_some(w, b->bytes + b->from, b->to - b->from);
		if (sent <= 0)
			break;
		b->from += (uint32_t)sent;
		w->out_len -= (size_t)sent;
		if (b->from < b->to)
			continue;
		w->out = b->next;
		if (!w->out)
			w->out_last = NULL;
		block_give(w->loop, b);
	}
	w->drained = had && w->out_len == 0;
	if (w->drained && w->shut && !w->failed)
		shutdown(w->fd, SHUT_WR);
}

static void finish_connecting(struct wire *w)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (!w->writable && !w->hung_up)
		return;
	w->connecting = false;
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error)
		fail(w, error);
}

void wire_deliver(struct wire *w)
{
	if (w->connecting)
		finish_connecting(w);
	if (!w->connecting)
		flush(w);
	if (w->on_ready && !w->closed)
		w->on_ready(w);
	w->drained = false;
}

ssize_t wire_read(struct wire *w, void *to, size_t cap)
{
	return w->layer ? w->layer->read(w, to, cap) : wire_raw_read(w, to, cap);
}

bool wire_write(struct wire *w, struct slice bytes)
{
	if (bytes.len == 0)
		return !w->failed && !w->write_failed;
	return w->layer ? w->layer->write(w, bytes.at, bytes.len) : wire_raw_write(w, bytes.at, bytes.len);
}

bool wire_is_readable(const struct wire *w)
{
	return w->readable || w->ended || w->failed || w->ahead || (w->layer && w->layer->pending(w));
}

void wire_shut(struct wire *w)
{
	if (w->shut || w->closed)
		return;
	if (w->layer && !w->failed)
		w->layer->shut(w);
	w->shut = true;
	if (w->out_len == 0 && !w->failed && !w->connecting)
		shutdown(w->fd, SHUT_WR);
}

static void bury(struct grave *g)
{
	free(list_entry(g, struct wire, grave));
}

void wire_close(struct wire *w)
{
	if (w->closed)
		return;
	w->closed = true;
	w->on_ready = NULL;
	list_remove(&w->ready_link);
	list_remove(&w->unsure_link);
	if (w->layer)
		w->layer->free(w);
	event_del(&w->event);
	if (w->abandoned)
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	close(w->fd);
	while (w->out) {
		struct block *b = w->out;
		w->out = b->next;
		block_give(w->loop, b);
	}
	if (w->ahead)
		block_give(w->loop, w->ahead);
	w->ahead = NULL;
	loop_bury(w->loop, &w->grave, bury);
}

struct slice wire_peek(struct wire *w, int *state)
{
	struct block *b = w->ahead;

	if (!b) {
		/* nothing is held yet: read beside the queue of held bytes, so that an idle wire owns no block */
		b = block_take(w->loop);
		*state = (int)wire_raw_read(w, b->bytes, BLOCK_SIZE);
		if (*state <= 0) {
			block_give(w->loop, b);
			return (struct slice){ "", 0 };
		}
		b->to = (uint32_t)*state;
		w->ahead = b;
		*state = 1;
		return (struct slice){ b->bytes, b->to };
	}
	*state = WIRE_LATER;
	if (b->to < BLOCK_SIZE) {
		w->ahead = NULL; /* so that the socket is read, not the bytes held */
		*state = (int)wire_raw_read(w, b->bytes + b->to, BLOCK_SIZE - b->to);
		w->ahead = b;
		if (*state > 0) {
			b->to += (uint32_t)*state;
			*state = 1;
		}
	}
	return (struct slice){ b->bytes + b->from, b->to - b->from };
}

void wire_skip(struct wire *w, size_t len)
{
	struct block *b = w->ahead;

	check(b && len <= b->to - b->from);
	b->from += (uint32_t)len;
	if (b->from < b->to)
		return;
	w->ahead = NULL;
	block_give(w->loop, b);
}
