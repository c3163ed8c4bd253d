/* Drives libcurl from the event loop. */
#include "base/check.h"
#include "base/clock.h"
#include "fetch/transfer.h"

#define FLYING_MAX 64
#define WAITING_MAX 4096

struct fetcher {
	struct event_base *base;
	CURLM *multi;
	struct event *timer; /* curl's */
	struct event *start; /* those that wait may fly, those that cannot are answered */
	struct list waiting, flying;
	unsigned waiting_len, flying_len;
};

static void land(struct flight *f, const struct fetch_answer *a)
{
	f->done(f->with, a);
	flight_free(f);
}

static void fail(struct flight *f, const char *why)
{
	land(f, &(struct fetch_answer){ .max_age_s = UINT64_MAX, .failure = why });
}

static void start_later(struct fetcher *f)
{
	event_active(f->start, EV_TIMEOUT, 0);
}

static void answer(struct flight *f, CURLcode result)
{
	struct fetch_answer a = { .max_age_s = f->max_age_s };
	long status = 0;
	curl_off_t took_us = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(f->easy, CURLINFO_TOTAL_TIME_T, &took_us);
	a.took_ns = (uint64_t)took_us * NS_PER_US;
	if (result == CURLE_OK || f->cut)
		a.status = (int)status;
	if (f->cut && f->body_max)
		a.failure = "the body is too long";
	else if (a.status)
		a.body = (struct slice){ f->body, f->body_max ? f->len : 0 };
	else if (result != CURLE_OK)
		a.failure = f->said[0] ? f->said : curl_easy_strerror(result);
	if (!a.status && !a.failure)
		a.failure = "no status";
	land(f, &a);
}

static void collect(struct fetcher *f)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(f->multi, &left))) {
		struct flight *flight = NULL;
		CURLcode result = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&flight);
		curl_multi_remove_handle(f->multi, flight->easy); /* message is gone from here on */
		list_remove(&flight->link);
		f->flying_len--;
		answer(flight, result);
	}
	if (f->waiting_len)
		start_later(f);
}

static void on_ready(evutil_socket_t fd, short what, void *with)
{
	struct fetcher *f = with;
	int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(f->multi, fd, flags, &running);
	collect(f);
}

static void on_timer(evutil_socket_t fd, short what, void *with)
{
	struct fetcher *f = with;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(f->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(f);
}

static void on_start(evutil_socket_t fd, short what, void *with)
{
	struct fetcher *f = with;

	(void)fd;
	(void)what;
	while (f->waiting_len && f->flying_len < FLYING_MAX) {
		struct flight *flight = list_entry(list_shift(&f->waiting), struct flight, link);
		f->waiting_len--;
		if (flight->failure) {
			fail(flight, flight->failure);
		} else if (curl_multi_add_handle(f->multi, flight->easy) != CURLM_OK) {
			fail(flight, "curl did not take it");
		} else {
			list_push(&f->flying, &flight->link);
			f->flying_len++;
		}
	}
}

/* curl says what it wants to know of a socket; `held` is the event that watches it. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *with, void *held)
{
	struct fetcher *f = with;
	short flags = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));

	(void)easy;
	if (held)
		event_free(held);
	struct event *event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(f->base, fd, (short)(flags | EV_PERSIST), on_ready, f);
		if (event)
			event_add(event, NULL);
	}
	curl_multi_assign(f->multi, fd, event);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *with)
{
	struct fetcher *f = with;
	struct timeval in = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)multi;
	if (ms < 0)
		evtimer_del(f->timer);
	else
		evtimer_add(f->timer, &in);
	return 0;
}

struct fetcher *fetcher_open(struct event_base *base)
{
	struct fetcher *f = calloc(1, sizeof *f);

	check(f && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	f->base = base;
	list_init(&f->waiting);
	list_init(&f->flying);
	f->multi = curl_multi_init();
	f->timer = evtimer_new(base, on_timer, f);
	f->start = evtimer_new(base, on_start, f);
	check(f->multi && f->timer && f->start);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, 256L);
	return f;
}

void fetcher_close(struct fetcher *f)
{
	struct list *node;

	if (!f)
		return;
	while ((node = list_shift(&f->flying))) {
		struct flight *flight = list_entry(node, struct flight, link);
		curl_multi_remove_handle(f->multi, flight->easy);
		fail(flight, "the fetcher was closed");
	}
	while ((node = list_shift(&f->waiting)))
		fail(list_entry(node, struct flight, link), "the fetcher was closed");
	curl_multi_cleanup(f->multi);
	event_free(f->timer);
	event_free(f->start);
	free(f);
	curl_global_cleanup();
}

void fetch(struct fetcher *f, const struct fetch_ask *ask,
           void (*done)(void *with, const struct fetch_answer *a), void *with)
{
	struct flight *flight = f->waiting_len < WAITING_MAX ? flight_make(ask) : NULL;

	if (!flight) {
		done(with, &(struct fetch_answer){ .max_age_s = UINT64_MAX, .failure = "too many at once" });
		return;
	}
	flight->done = done;
	flight->with = with;
	list_push(&f->waiting, &flight->link);
	f->waiting_len++;
	start_later(f);
}
