/* fetch.c -- libcurl's multi interface on libevent. */
#include "fetch/fetch.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/list.h"
#include <curl/curl.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#define UNDER_WAY_MAX 64
#define BODY_MAX (1 << 20)

struct fetcher {
	struct event_base *base;
	CURLM *multi;
	struct event timer;
	struct list under_way;
	unsigned len;
};

struct errand {                 /* one GET */
	struct list link;
	struct fetcher *fetcher;
	CURL *curl;
	struct curl_slist *fields, *connect_to;
	void (*done)(void *with, const struct fetch_answer *a);
	void *with;
	char *body;
	size_t body_len, body_max;
	uint64_t began_ns, max_age_s;
	char failure[CURL_ERROR_SIZE];
};

struct watch { struct event event; };

/* ---- what libcurl tells of a transfer ---- */

static size_t on_body(char *at, size_t size, size_t count, void *with)
{
	struct errand *e = with;
	size_t len = size * count;

	if (e->body_max == 0)
		return len;
	if (len > e->body_max - e->body_len)
		return 0; /* too long: the transfer fails */
	char *more = realloc(e->body, e->body_len + len + 1);
	if (!more)
		return 0;
	memcpy(more + e->body_len, at, len);
	e->body = more;
	e->body_len += len;
	e->body[e->body_len] = '\0';
	return len;
}

/* Cache-Control: max-age=N (RFC 9111 section 5.2). */
static size_t on_field(char *at, size_t size, size_t count, void *with)
{
	struct errand *e = with;
	struct slice value = { at, size * count };
	struct slice name = slice_cut(&value, ':');

	if (slice_same_nocase(name, S("cache-control"))) {
		while (value.len) {
			struct slice part = slice_cut(&value, ',');
			while (part.len && (unsigned char)part.at[part.len - 1] <= ' ')
				part.len--;
			part = slice_trim(part);
			struct slice word = slice_cut(&part, '=');
			uint64_t n;
			if (slice_same_nocase(word, S("max-age")) && slice_u64(part, &n))
				e->max_age_s = n;
		}
	}
	return size * count;
}

static void finish(struct errand *e, const struct fetch_answer *a)
{
	void (*done)(void *, const struct fetch_answer *) = e->done;

	list_remove(&e->link);
	e->fetcher->len--;
	curl_multi_remove_handle(e->fetcher->multi, e->curl);
	curl_easy_cleanup(e->curl);
	curl_slist_free_all(e->fields);
	curl_slist_free_all(e->connect_to);
	done(e->with, a);
	free(e->body);
	free(e);
}

static void collect(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct errand *e;
		long status = 0;
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode result = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&e);
		if (result == CURLE_OK)
			curl_easy_getinfo(e->curl, CURLINFO_RESPONSE_CODE, &status);
		const char *why = e->failure[0] ? e->failure : curl_easy_strerror(result);
		struct fetch_answer a = {.status = (int)status,
		                         .body = {e->body, e->body_len},
		                         .max_age_s = e->max_age_s,
		                         .took_ns = clock_ns() - e->began_ns,
		                         .failure = status ? NULL : why};
		finish(e, &a);
	}
}

/* ---- libcurl's sockets and timer on libevent ---- */

static void on_event(evutil_socket_t fd, short what, void *with)
{
	struct fetcher *f = with;
	int running, flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

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

static int set_timer(CURLM *multi, long ms, void *with)
{
	struct fetcher *f = with;
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	(void)multi;
	if (ms < 0)
		event_del(&f->timer);
	else
		event_add(&f->timer, &tv);
	return 0;
}

static int watch_socket(CURL *curl, curl_socket_t fd, int what, void *with, void *known)
{
	struct fetcher *f = with;
	struct watch *w = known;

	(void)curl;
	if (w) {
		event_del(&w->event);
	} else if (what != CURL_POLL_REMOVE) {
		w = calloc(1, sizeof *w);
		check(w);
		curl_multi_assign(f->multi, fd, w);
	}
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(f->multi, fd, NULL);
		free(w);
		return 0;
	}
	short kind =
	    (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
	event_assign(&w->event, f->base, fd, kind, on_event, f);
	event_add(&w->event, NULL);
	return 0;
}

struct fetcher *fetcher_open(struct event_base *base)
{
	struct fetcher *f = calloc(1, sizeof *f);

	if (!f || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(f->multi = curl_multi_init())) {
		free(f);
		return NULL;
	}
	f->base = base;
	list_init(&f->under_way);
	event_assign(&f->timer, base, -1, 0, on_timer, f);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return f;
}

void fetcher_close(struct fetcher *f)
{
	static const struct fetch_answer cut = { .failure = "the keeper is ending", .max_age_s = UINT64_MAX };

	if (!f)
		return;
	while (!list_is_empty(&f->under_way))
		finish(list_entry(f->under_way.next, struct errand, link), &cut);
	curl_multi_cleanup(f->multi);
	event_del(&f->timer);
	free(f);
	curl_global_cleanup();
}

/* Another name to verify than that of the URL: the URL gets the name, the connection goes where the URL said.
 */
static bool rename_host(struct errand *e, const struct fetch_ask *ask)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, *url = NULL, line[600];
	bool ok = u && curl_url_set(u, CURLUPART_URL, ask->url, 0) == 0 &&
	          curl_url_get(u, CURLUPART_HOST, &host, 0) == 0 &&
	          curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == 0 &&
	          curl_url_set(u, CURLUPART_HOST, ask->server_name, 0) == 0 &&
	          curl_url_get(u, CURLUPART_URL, &url, 0) == 0;

	if (ok) {
		snprintf(line, sizeof line, "::%s:%s", host, port);
		e->connect_to = curl_slist_append(NULL, line);
		curl_easy_setopt(e->curl, CURLOPT_CONNECT_TO, e->connect_to);
		curl_easy_setopt(e->curl, CURLOPT_URL, url);
	}
	curl_free(host);
	curl_free(port);
	curl_free(url);
	curl_url_cleanup(u);
	return ok;
}

static void set_bounds(CURL *c, const struct fetch_ask *ask)
{
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_USERAGENT, "sallyport");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, ask->follow ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 3L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(ask->timeout_ns / NS_PER_MS + 1));
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	if (ask->ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, ask->ca);
	if (ask->unix_socket)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, ask->unix_socket);
}

static void name_host(struct errand *e, const struct fetch_ask *ask)
{
	char line[600];

	if (!ask->host)
		return;
	snprintf(line, sizeof line, "Host: %s", ask->host);
	e->fields = curl_slist_append(NULL, line);
	curl_easy_setopt(e->curl, CURLOPT_HTTPHEADER, e->fields);
}

void fetch(struct fetcher *f, const struct fetch_ask *ask,
           void (*done)(void *with, const struct fetch_answer *a), void *with)
{
	static const struct fetch_answer full = {.failure = "too many fetches are under way",
	                                         .max_age_s = UINT64_MAX};
	struct errand *e = f->len < UNDER_WAY_MAX ? calloc(1, sizeof *e) : NULL;

	if (!e || !(e->curl = curl_easy_init())) {
		free(e);
		done(with, &full);
		return;
	}
	e->fetcher = f;
	e->done = done;
	e->with = with;
	e->began_ns = clock_ns();
	e->max_age_s = UINT64_MAX;
	e->body_max = ask->body_max < BODY_MAX ? ask->body_max : BODY_MAX;
	set_bounds(e->curl, ask);
	name_host(e, ask);
	curl_easy_setopt(e->curl, CURLOPT_URL, ask->url);
	curl_easy_setopt(e->curl, CURLOPT_PRIVATE, e);
	curl_easy_setopt(e->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e->curl, CURLOPT_WRITEDATA, e);
	curl_easy_setopt(e->curl, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(e->curl, CURLOPT_HEADERDATA, e);
	curl_easy_setopt(e->curl, CURLOPT_ERRORBUFFER, e->failure);
	if (ask->server_name)
		rename_host(e, ask);
	list_push(&f->under_way, &e->link);
	f->len++;
	curl_multi_add_handle(f->multi, e->curl);
}
