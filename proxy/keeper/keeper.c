/* The keeper: it alone fetches keys, probes endpoints and resolves names; it serves the admin socket,
 * probes and metrics. What it finds out it publishes into memory that workers only read. Two keepers
 * never publish at once: one that is told to go closes that part first, and stays only to tell operators
 * how their reload went. */
#include "base/log.h"
#include "keeper/chains.h"
#include "keeper/inside.h"
#include <errno.h>
#include <unistd.h>

#define TICKETS_S (12 * 3600)           /* as ticket_keys_make counts periods */
#define SETTLED_NS (1500 * NS_PER_MS)   /* names that take longer are not waited for */
#define CONFIRM_LOOK_NS (5 * NS_PER_MS) /* between two looks at who has confirmed */
#define COUNT_NS (1 * NS_PER_S)         /* between two looks at how full the table of limits is */
#define ASKS_A_TURN 1024                /* of one worker: one that never stops asking holds nobody up */
#define FAREWELL_NS (1 * NS_PER_S)      /* for the last answers to be taken */

/* ---- what workers see ---- */

static void renew_tickets(struct keeper *k, bool at_open)
{
	struct published *p = k->shared->published;
	uint64_t wall_s = clock_wall_ns() / NS_PER_S, made_s = atomic_load(&p->tickets_made_s);
	bool shared_by_fleet = k->config->root.secrets.fleet.len > 0;

	/* random ones outlive a keeper; those of the fleet follow the configuration */
	if (made_s && made_s / TICKETS_S == wall_s / TICKETS_S && !(at_open && shared_by_fleet))
		return;
	ticket_keys_make(&p->tickets, k->config, wall_s);
	atomic_store(&p->tickets_made_s, wall_s);
}

static void notify_workers(struct keeper *k)
{
	for (unsigned i = SEAT_WORKERS; i < k->shared->seats_len; i++)
		if (atomic_load(&k->shared->seats[i].pid))
			shared_notify(k->shared->notify_fds[i]);
}

/* Sleeping workers are woken only for what they may be waiting for. */
static void tell_workers(struct keeper *k)
{
	uint64_t endpoints = atomic_load(&k->shared->published->endpoints.generation);

	if (k->keys_moved || endpoints != k->endpoints_moved)
		notify_workers(k);
	k->keys_moved = false;
	k->endpoints_moved = endpoints;
}

static void answer(struct keeper *k, const struct keeper_question *ask)
{
	if (ask->kind == ASK_REFUSED)
		forward_keeper_refused(k->forward, ask->issuer, ask->what);
	else if (ask->kind == ASK_ABSENCE)
		keeper_hear_absence(k, ask->what);
	else if (ask->kind == ASK_TOKEN)
		issuer_keeper_token(k->verify, ask->issuer, ask->what);
	else
		issuer_keeper_unknown(k->verify, ask->issuer, ask->what, ask->token_iat_s);
}

static void hear_workers(struct keeper *k)
{
	char room[ASK_MAX];
	struct keeper_question ask;

	for (unsigned i = SEAT_WORKERS; i < k->shared->seats_len; i++) {
		unsigned heard = 0;
		while (heard < ASKS_A_TURN && keeper_queue_take(shared_asks(k->shared, i), room, &ask)) {
			answer(k, &ask);
			heard++;
		}
		if (heard == ASKS_A_TURN) /* the rest in the next turn */
			shared_notify(k->shared->keeper_notify_fd);
	}
}

/* One process counts for all; a look costs less than a millisecond. */
static void count_buckets(struct keeper *k)
{
	if (k->loop->now_ns < k->count_ns)
		return;
	k->count_ns = k->loop->now_ns + COUNT_NS;
	metrics_set(metrics_lone(METRIC_limit_table_used),
	            (int64_t)buckets_used(k->shared->limits, k->loop->now_ns));
}

/* ---- its turn ---- */

static void retire(struct keeper *k)
{
	k->retired = true;
	metrics_clear(k->post->seat); /* its successor's figures count from now on */
	if (k->admin)
		admin_pause(k->admin);
	keeper_fleet_close(k);
	keeper_resets_close(k);
	keeper_close_guard(k);
	if (k->verify) /* before the fetcher, whose end is no failure of any issuer */
		issuer_keeper_close(k->verify);
	fetcher_close(k->fetcher); /* its last calls still find the other keeper */
	resolver_close(k->resolver);
	if (k->forward)
		forward_keeper_close(k->forward);
	dialler_close(k->dialler);
	if (k->redis && atomic_load(&k->shared->head->phase) >= PHASE_LEAVING)
		redis_keeper_leave(k->redis);
	redis_keeper_close(k->redis);
	keeper_forget_calls(k);
	k->fetcher = NULL;
	k->resolver = NULL;
	k->dialler = NULL;
	k->verify = NULL;
	k->forward = NULL;
	k->redis = NULL;
	shared_report(k->shared, k->post->seat, SEAT_DRAINING);
}

static void keep(struct keeper *k)
{
	hear_workers(k);
	k->verify_due_ns = issuer_keeper_tick(k->verify);
	k->forward_due_ns = forward_keeper_tick(k->forward);
	k->resets_due_ns = keeper_resets_tick(k);
	k->guard_due_ns = keeper_guard_tick(k);
	renew_tickets(k, false);
	tell_workers(k);
	count_buckets(k);
	if (k->serving)
		return;
	/* what is published for the first time is whole once every name has been looked up */
	if (resolver_pending(k->resolver) == 0 || k->loop->now_ns - k->opened_ns > SETTLED_NS) {
		k->serving = true;
		shared_report(k->shared, k->post->seat, SEAT_SERVING);
	}
}

static void on_turn(void *with)
{
	struct keeper *k = with;

	if (k->redis)
		redis_keeper_sweep(k->redis);
	if (!k->retired)
		keep(k);
	if (k->redis)
		redis_keeper_flush(k->redis);
	keeper_answer_waiting(k, false);
	keeper_confirm(k, false);
}

static void on_rung(evutil_socket_t fd, short what, void *with)
{
	(void)what;
	(void)with;
	shared_drain((int)fd); /* the turn that follows looks at everything */
}

static const char *unready(void *with)
{
	const struct keeper *k = with;

	if (atomic_load(&k->shared->head->phase) != PHASE_SERVING)
		return "it is not serving";
	bool ask = k->config->root.status.ready == READY_UPSTREAMS && k->forward;
	return ask && forward_keeper_is_cut_off(k->forward) ? "no endpoint of any upstream can be used" : NULL;
}

static bool is_started(void *with)
{
	const struct keeper *k = with;

	return atomic_load(&k->shared->head->phase) != PHASE_STARTING;
}

/* ---- opening and closing ---- */

static bool confine(struct keeper *k)
{
	struct shared *s = k->shared;
	int keep_fds[SEATS_MAX + 7];
	size_t len = 0;

	if (!shared_narrow(s, ROLE_KEEPER, k->post->seat))
		return false;
	keep_fds[len++] = s->notify_fd;
	keep_fds[len++] = s->keeper_notify_fd;
	for (unsigned i = 0; i < s->seats_len; i++)
		keep_fds[len++] = s->notify_fds[i];
	keep_fds[len++] = k->post->admin_fd;
	keep_fds[len++] = k->post->status_fd;
	keep_fds[len++] = k->post->floor_fd;
	keep_fds[len++] = k->post->machine_fd;
	keep_fds[len++] = k->post->generation->sealed.keeper;
	confine_descriptors(keep_fds, len);
	return confine_identity(k->post->account);
}

static bool listen_to(struct keeper *k, struct event **event, int fd)
{
	*event = event_new(k->loop->base, fd, EV_READ | EV_PERSIST, on_rung, k);
	return *event && event_add(*event, NULL) == 0;
}

static bool open_doors(struct keeper *k)
{
	const struct probes_env probes = { unready, is_started, k };
	const struct admin_env admin = { k->post->started_by, keeper_on_ask, keeper_on_gone, k };

	if (k->post->status_fd >= 0 && !(k->probes = probes_open(k->loop, k->post->status_fd, &probes)))
		return false;
	if (k->post->admin_fd >= 0 && !(k->admin = admin_open(k->loop, k->post->admin_fd, &admin)))
		return false;
	return listen_to(k, &k->notified, k->shared->notify_fds[k->post->seat]) &&
	       listen_to(k, &k->rung, k->shared->keeper_notify_fd);
}

static bool open_keepers(struct keeper *k)
{
	struct published *p = k->shared->published;

	keeper_name_member(k);
	k->fetcher = fetcher_open(k->loop->base);
	if (!k->fetcher)
		return false;
	k->verify = issuer_keeper_open(
	    k->config, k->post->generation->bundle, published_attach(p->keys), keeper_verify_env(k),
	    (struct slice){ (const char *)k->machine_secret, sizeof k->machine_secret });
	k->forward = forward_keeper_open(k->config, &p->endpoints, keeper_forward_env(k));
	k->limits = limits_open(k->config, k->shared->limits, NULL);
	return k->verify && k->forward && k->limits && keeper_open_redis(k) && keeper_open_guard(k);
}

/* The configuration with the secrets that workers do not get, from the memory file that is the keeper's
 * alone. False: said to the log. */
static bool learn_secrets(struct keeper *k)
{
	struct child_context *p = k->post;
	struct config_errors errors = { 0 };

	k->own = *p->generation;
	k->own.bundle = bundle_open(p->generation->sealed.keeper);
	k->own.config = k->own.bundle ? config_load(k->own.bundle, p->config_path, &errors) : NULL;
	bool ok = k->own.config && machine_secret_read(p->machine_fd, k->machine_secret);
	if (!ok)
		log_error("the keeper's memory files cannot be read: %s",
		          errors.text ? errors.text : strerror(errno));
	config_errors_free(&errors);
	if (!ok)
		return false;
	close(p->generation->sealed.keeper);
	close(p->machine_fd);
	p->generation = &k->own;
	k->config = k->own.config;
	return true;
}

static bool open_keeper(struct keeper *k)
{
	k->loop = loop_open();
	if (!k->loop)
		return false;
	list_init(&k->gettings);
	k->opened_ns = k->loop->now_ns = clock_ns();
	k->loop->on_turn = on_turn;
	k->loop->with = k;
	/* it forks, hence before libcurl and OpenSSL, and before there is any secret here */
	k->resolver = resolver_open(k->loop, k->shared);
	if (!k->resolver || !learn_secrets(k))
		return false;
	k->dialler = dialler_open(k->loop);
	if (!open_keepers(k) || !open_doors(k))
		return false;
	renew_tickets(k, true);
	chains_report(k->config, k->post->generation->bundle);
	return true;
}

static void close_keeper(struct keeper *k)
{
	if (!k->retired && k->fetcher)
		retire(k);
	admin_close(k->admin);
	probes_close(k->probes);
	keeper_files_close(k);
	limits_close(k->limits);
	if (k->notified)
		event_free(k->notified);
	if (k->rung)
		event_free(k->rung);
	loop_close(k->loop);
	if (k->own.config)
		config_free(k->own.config);
	bundle_close(k->own.bundle);
	secret_wipe(k->machine_secret, sizeof k->machine_secret);
	libevent_global_shutdown();
}

/* Orders of a keeper: DRAIN stops publishing, STOP ends. */
static bool goes_on(struct keeper *k)
{
	uint64_t now_ns = k->loop->now_ns;
	enum order order = child_order(k->post, now_ns, &k->asked_ns);

	if (order >= ORDER_DRAIN && !k->retired)
		retire(k);
	if (!k->retired && resolver_is_dead(k->resolver)) { /* another one would inherit what we know by now */
		log_warn("the resolver died: the keeper ends and is started again with another one");
		return false;
	}
	bool orphan = order >= ORDER_DRAIN && getppid() != k->post->supervisor;
	if (order < ORDER_STOP && !orphan)
		return true;
	if (!k->leave_ns) {
		k->leave_ns = now_ns + FAREWELL_NS;
		keeper_answer_waiting(k, true);
		keeper_confirm(k, true);
	}
	bool idle = probes_drain(k->probes);
	idle &= !k->admin || admin_is_idle(k->admin);
	return now_ns < k->leave_ns && !idle;
}

static uint64_t rest_ns(const struct keeper *k)
{
	uint64_t now_ns = k->loop->now_ns;
	uint64_t due_ns = k->verify_due_ns < k->forward_due_ns ? k->verify_due_ns : k->forward_due_ns;

	if (k->retired || k->leave_ns)
		return 50 * NS_PER_MS;
	due_ns = k->resets_due_ns < due_ns ? k->resets_due_ns : due_ns;
	due_ns = k->guard_due_ns < due_ns ? k->guard_due_ns : due_ns;
	if (k->redis && redis_keeper_due_ns(k->redis) < due_ns)
		due_ns = redis_keeper_due_ns(k->redis);
	if (k->confirming && due_ns > now_ns + CONFIRM_LOOK_NS)
		return CONFIRM_LOOK_NS;
	return due_ns <= now_ns ? 0 : due_ns - now_ns < BEAT_NS ? due_ns - now_ns : BEAT_NS;
}

int keeper_main(struct child_context *p)
{
	struct keeper k = { .post = p, .config = p->generation->config, .shared = p->shared };
	int status = 1;

	child_speak(p);
	if (!confine(&k)) {
		log_error("the keeper cannot be set up: %s", strerror(errno));
	} else if (!open_keeper(&k)) {
		log_error("the keeper cannot be opened");
	} else if (!confine_calls(MAY_WRITE | MAY_FORK | MAY_RESOLVE)) {
		log_error("the system call filter cannot be set: %s", strerror(errno));
	} else {
		do {
			loop_turn(k.loop, rest_ns(&k));
			child_beat(p);
		} while (goes_on(&k));
		status = 0;
	}
	close_keeper(&k);
	return status;
}
