/* A worker: the data plane of one slot. It accepts on its slot's sockets and on those of slots without a
 * worker. */
#include "worker/worker.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "journey/journey.h"
#include "redis/redis.h"
#include "respond/respond.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct worker_listener {
	struct worker *worker;
	size_t index; /* in the configuration */
	unsigned slot;
	int fd;
	struct listener *listener; /* NULL: another worker accepts there */
};

struct worker {
	struct child_context *post;
	const struct config *config;
	struct shared *shared;
	struct loop *loop;
	struct redis *redis; /* NULL: none is configured */
	struct journey *journey;
	struct event *notified;
	struct worker_listener *listeners;
	size_t listeners_len;
	uint64_t slots_seen, asked_ns, cut_ns;
	uint64_t unlogged; /* lines since the last one that found room */
	enum order order;  /* the last one obeyed */
};

/* ---- what journey/ is given ---- */

/* The line with the number of those that were left out before it; the line itself where that does not fit. */
static struct slice with_count(struct slice line, uint64_t unlogged, char *room, size_t cap)
{
	struct text t = { .at = room, .cap = cap };

	text_add(&t, slice_head(line, line.len - 2)); /* without "}\n" */
	text_printf(&t, ",\"sallyport.unlogged\":%llu}\n", (unsigned long long)unlogged);
	return t.cut ? line : text_slice(&t);
}

static void on_log(void *with, struct slice line, bool valued)
{
	static char room[RESPOND_LOG_MAX + 64]; /* too large for the stack of a turn */
	struct worker *w = with;

	if (w->unlogged)
		line = with_count(line, w->unlogged, room, sizeof room);
	if (shared_log(w->shared, w->post->seat, line, valued))
		w->unlogged = 0;
	else
		w->unlogged++;
}

/* Proxies that speak for many are never blamed for one of them. */
static bool is_proxy(const struct config *c, const struct in6_addr *address)
{
	if (cidrs_have(&c->root.trusted_proxies, address))
		return true;
	for (size_t i = 0; i < c->root.listeners_len; i++)
		if (c->root.listeners[i].proxy_protocol &&
		    cidrs_have(&c->root.listeners[i].proxy_protocol->from, address))
			return true;
	return false;
}

static bool is_barred(void *with, const struct in6_addr *address)
{
	struct worker *w = with;

	return blocked_has(&w->shared->head->barred, address, w->loop->now_ns) && !is_proxy(w->config, address);
}

static void suspect(void *with, const struct in6_addr *address)
{
	struct worker *w = with;
	bool may_be = address && !is_proxy(w->config, address);

	suspect_name(shared_suspect(w->shared, w->post->seat), may_be ? address : NULL);
}

static bool put_question(struct worker *w, const struct keeper_question *ask)
{
	if (!keeper_queue_put(shared_asks(w->shared, w->post->seat), ask))
		return false;
	shared_notify(w->shared->keeper_notify_fd);
	return true;
}

static bool ask_for_key(void *with, struct slice issuer, struct slice kid, uint64_t token_iat_s)
{
	return put_question(with, &(struct keeper_question){ ASK_KEY, issuer, kid, token_iat_s });
}

static bool ask_for_token(void *with, struct slice issuer, struct slice token)
{
	return put_question(with, &(struct keeper_question){ ASK_TOKEN, issuer, token, 0 });
}

static void tell_refused(void *with, struct slice upstream, struct slice endpoint)
{
	put_question(with, &(struct keeper_question){ ASK_REFUSED, upstream, endpoint, 0 });
}

static bool tell_absence(void *with, const struct guard_news *news)
{
	struct slice what = { (const char *)news, sizeof *news };

	return put_question(with, &(struct keeper_question){ ASK_ABSENCE, S(""), what, 0 });
}

/* ---- listeners ---- */

static void on_accept(void *with, int fd, const struct sockaddr_storage *peer)
{
	struct worker_listener *l = with;

	journey_accept(l->worker->journey, l->index, fd, peer);
}

static void listen_where_due(struct worker *w)
{
	uint64_t version = atomic_load(&w->shared->head->slots_version);

	w->slots_seen = version;
	for (size_t i = 0; i < w->listeners_len; i++) {
		struct worker_listener *l = &w->listeners[i];
		bool due =
		    l->slot == w->post->slot || atomic_load(&w->shared->head->adopters[l->slot]) == w->post->slot;
		if (due && !l->listener) {
			l->listener = listener_open(w->loop, l->fd, on_accept, l);
		} else if (!due && l->listener) {
			listener_close(l->listener);
			l->listener = NULL;
		}
	}
}

/* Takes what queues: nobody else will, where the address goes or all of us do. */
static void accept_rest(struct worker_listener *l)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	int fd;

	while ((fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		journey_accept(l->worker->journey, l->index, fd, &peer);
		len = sizeof peer;
	}
}

/* While another generation accepts from the same sockets, what queues there is theirs. */
static bool has_heirs(const struct worker *w)
{
	return atomic_load(&w->shared->head->phase) == PHASE_SERVING && getppid() == w->post->supervisor;
}

static void stop_listening(struct worker *w)
{
	bool heirs = has_heirs(w);

	for (size_t i = 0; i < w->listeners_len; i++) {
		struct worker_listener *l = &w->listeners[i];
		if (l->listener)
			listener_close(l->listener);
		bool gone = l->index < GONE_MAX && atomic_load(&w->shared->head->gone[l->index]);
		if (l->listener && (!heirs || gone))
			accept_rest(l);
		close(l->fd);
	}
	w->listeners_len = 0;
}

static void add_listener(struct worker *w, size_t index, unsigned slot)
{
	int fd = sockets_find(w->post->sockets, w->config->root.listeners[index].address, slot);

	if (fd >= 0)
		w->listeners[w->listeners_len++] = (struct worker_listener){ w, index, slot, fd, NULL };
}

static bool find_listeners(struct worker *w)
{
	unsigned slots = sockets_slots(w->post->sockets);

	w->listeners = calloc(w->config->root.listeners_len * slots + 1, sizeof *w->listeners);
	if (!w->listeners)
		return false;
	for (size_t i = 0; i < w->config->root.listeners_len; i++)
		for (unsigned slot = 0; slot < slots; slot++)
			add_listener(w, i, slot);
	return true;
}

/* ---- its life ---- */

static void on_notified(evutil_socket_t fd, short what, void *with)
{
	(void)what;
	(void)with;
	shared_drain((int)fd); /* the turn that follows looks at everything */
}

static void on_turn(void *with)
{
	struct worker *w = with;

	if (w->redis)
		redis_sweep(w->redis);
	journey_turn(w->journey);
	if (w->redis)
		redis_flush(w->redis);
}

static bool is_idle(void *with)
{
	struct worker *w = with;

	return journey_is_idle(w->journey);
}

static bool confine(struct worker *w)
{
	struct shared *s = w->shared;
	int *keep = calloc(w->listeners_len + 4, sizeof *keep);
	size_t len = 0;

	if (!keep || !shared_narrow(s, ROLE_WORKER, w->post->seat)) {
		free(keep);
		return false;
	}
	keep[len++] = s->notify_fd;
	keep[len++] = s->keeper_notify_fd;
	keep[len++] = s->notify_fds[w->post->seat];
	keep[len++] = s->notify_fds[SEAT_WRITER];
	for (size_t i = 0; i < w->listeners_len; i++)
		keep[len++] = w->listeners[i].fd;
	confine_descriptors(keep, len);
	free(keep);
	return confine_identity(w->post->account);
}

static bool open_redis(struct worker *w)
{
	struct config_errors errors = { 0 };
	char name[32];
	const struct redis_env env = { .config = w->config,
		                           .bundle = w->post->generation->bundle,
		                           .loop = w->loop,
		                           .names = &w->shared->published->redis.names,
		                           .name = { name, (size_t)snprintf(name, sizeof name, "worker-%u",
		                                                            w->post->slot) } };

	w->redis = redis_open(&env, &errors);
	bool ok = errors.count == 0;
	if (!ok)
		log_error("Redis cannot be used: %s", errors.text ? errors.text : "out of memory");
	config_errors_free(&errors);
	return ok;
}

static bool open_journey(struct worker *w)
{
	struct config_errors errors = { 0 };
	const struct journey_env env = {
		.config = w->config,
		.bundle = w->post->generation->bundle,
		.loop = w->loop,
		.limits = w->shared->limits,
		.hot = shared_hot(w->shared, w->post->seat),
		.resets = &w->shared->published->resets,
		.exchanges = w->shared->exchanges,
		.logins = w->shared->logins,
		.keys = shared_keys(w->shared),
		.endpoints = &w->shared->published->endpoints,
		.tickets = &w->shared->published->tickets,
		.ask = { ask_for_key, w, ask_for_token },
		.news = { tell_refused, w },
		.guard = w->shared->guard,
		.guard_key = child_guard_key(w->post),
		.guard_teller = { tell_absence, w },
		.log = w->config->root.log.access.len ? on_log : NULL,
		.log_with = w,
		.redis = w->redis,
		.fleet = &w->shared->published->redis.fleet,
		.is_barred = is_barred,
		.suspect = suspect,
		.barred_with = w,
		.descriptors = confine_descriptors_max(),
	};

	w->journey = journey_open(&env, &errors);
	if (!w->journey)
		log_error("the configuration cannot be loaded: %s", errors.text ? errors.text : "out of memory");
	config_errors_free(&errors);
	return w->journey != NULL;
}

/* Subjects stand in the access log as hashes that all workers, and machines of a fleet, make alike. */
static void key_log(const struct worker *w)
{
	struct siphash_key key = w->post->log_key;

	if (w->config->root.secrets.fleet.len && !fleet_key(w->config, FLEET_KEY_LOG, &key, sizeof key))
		log_error("the key of subjects in the log cannot be made of secrets.fleet");
	respond_log_key(key);
}

static bool open_worker(struct worker *w)
{
	w->loop = loop_open();
	if (!w->loop || !open_redis(w) || !open_journey(w))
		return false;
	w->loop->on_turn = on_turn;
	w->loop->is_idle = is_idle;
	w->loop->with = w;
	w->notified =
	    event_new(w->loop->base, w->shared->notify_fds[w->post->seat], EV_READ | EV_PERSIST, on_notified, w);
	if (!w->notified || event_add(w->notified, NULL) != 0)
		return false;
	suspect_name(shared_suspect(w->shared, w->post->seat), NULL); /* its predecessor's */
	key_log(w);
	return true;
}

static void begin_drain(struct worker *w)
{
	stop_listening(w);
	w->cut_ns = w->loop->now_ns + w->config->root.drain.timeout;
	journey_drain(w->journey);
	shared_report(w->shared, w->post->seat, SEAT_DRAINING);
}

static void obey(struct worker *w)
{
	enum order order = child_order(w->post, w->loop->now_ns, &w->asked_ns);

	if (order >= ORDER_SERVE && w->order < ORDER_SERVE && order < ORDER_DRAIN) {
		listen_where_due(w);
		shared_report(w->shared, w->post->seat, SEAT_SERVING);
	}
	if (order >= ORDER_DRAIN && w->order < ORDER_DRAIN)
		begin_drain(w);
	if (order == ORDER_STOP && w->order < ORDER_STOP)
		w->cut_ns = w->loop->now_ns;
	w->order = order;
	if (order == ORDER_SERVE && w->slots_seen != atomic_load(&w->shared->head->slots_version))
		listen_where_due(w);
}

/* Redis counts in milliseconds, the wheel of deadlines in slots. */
static uint64_t rest_ns(const struct worker *w)
{
	uint64_t now_ns = w->loop->now_ns, due_ns = w->redis ? redis_due_ns(w->redis) : UINT64_MAX;

	return due_ns <= now_ns ? 0 : due_ns - now_ns < BEAT_NS ? due_ns - now_ns : BEAT_NS;
}

static void run(struct worker *w)
{
	bool cut = false;

	shared_report(w->shared, w->post->seat, SEAT_LOADED);
	while (w->order < ORDER_DRAIN || !journey_is_drained(w->journey)) {
		loop_turn(w->loop, rest_ns(w));
		child_beat(w->post);
		obey(w);
		if (w->order < ORDER_DRAIN || w->loop->now_ns < w->cut_ns)
			continue;
		if (cut)
			break; /* it was killed a turn ago */
		journey_kill(w->journey);
		cut = true;
	}
}

static void close_worker(struct worker *w)
{
	stop_listening(w);
	if (w->notified)
		event_free(w->notified);
	if (w->journey)
		journey_close(w->journey);
	redis_close(w->redis);
	loop_close(w->loop);
	free(w->listeners);
}

int worker_main(struct child_context *p)
{
	struct worker w = { .post = p, .config = p->generation->config, .shared = p->shared };
	int status = 1;

	child_speak(p);
	if (!find_listeners(&w) || !confine(&w))
		log_error("the worker cannot be set up: %s", strerror(errno));
	else if (!open_worker(&w))
		log_error("the worker cannot be opened");
	else if (!confine_calls(MAY_NOTHING))
		log_error("the system call filter cannot be set: %s", strerror(errno));
	else
		status = 0;
	if (status == 0)
		run(&w);
	close_worker(&w);
	libevent_global_shutdown();
	return status;
}
