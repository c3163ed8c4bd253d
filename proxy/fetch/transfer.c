/* One transfer: what libcurl is told, and what it brought. */
#include "fetch/transfer.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdlib.h>

#define CONNECT_MAX_MS 5000

void flight_cache_control(struct slice line, uint64_t *max_age_s)
{
	struct slice name = slice_cut(&line, ':');

	if (!slice_same_nocase(name, S("cache-control")))
		return;
	while (line.len) {
		struct slice value = slice_trim(slice_cut(&line, ','));
		struct slice word = slice_trim(slice_cut(&value, '='));
		uint64_t seconds;
		value = slice_trim(value);
		if (value.len > 1 && value.at[0] == '"')
			value = (struct slice){ value.at + 1, value.len - 2 };
		if (slice_same_nocase(word, S("no-store")) || slice_same_nocase(word, S("no-cache")))
			*max_age_s = 0;
		else if (slice_same_nocase(word, S("max-age")) && *max_age_s != 0 && slice_u64(value, &seconds))
			*max_age_s = seconds;
	}
}

static size_t on_field(char *bytes, size_t size, size_t count, void *with)
{
	struct flight *f = with;
	struct slice line = { bytes, size * count };

	if (slice_starts(line, S("HTTP/")))
		f->max_age_s = UINT64_MAX; /* of a redirect's answer: forgotten */
	while (line.len && (line.at[line.len - 1] == '\n' || line.at[line.len - 1] == '\r'))
		line.len--;
	flight_cache_control(line, &f->max_age_s);
	return size * count;
}

static bool grow(struct flight *f, size_t to)
{
	size_t room = f->room ? f->room : 4096;

	while (room < to)
		room *= 2;
	if (room == f->room)
		return true;
	char *body = realloc(f->body, room);
	if (!body)
		return false;
	f->body = body;
	f->room = room;
	return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *with)
{
	struct flight *f = with;
	size_t len = size * count, bound = f->body_max ? f->body_max : BODY_MAX;

	if (len > bound - f->len) {
		f->cut = true;
		return 0;
	}
	if (f->body_max) {
		if (!grow(f, f->len + len))
			return 0;
		memcpy(f->body + f->len, bytes, len);
	}
	f->len += len;
	return len;
}

static void set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
}

/* One field, name with its colon and blank; false where the value could end the line. */
static bool set_field(struct flight *f, const char *name, const char *value)
{
	char line[512];
	struct text t = TEXT(line);

	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	text_add(&t, slice_of(name));
	text_add(&t, slice_of(value));
	if (!text_end(&t))
		return false;
	struct curl_slist *fields = curl_slist_append(f->fields, line);
	f->fields = fields ? fields : f->fields;
	return fields;
}

static bool set_host(struct flight *f, const char *host)
{
	return !strchr(host, ' ') && set_field(f, "Host: ", host);
}

/* The URL's host becomes the name to verify; the connection goes to where the URL said. */
static bool rename_host(struct flight *f, const char *server_name, const char *host)
{
	char *to = NULL, *port = NULL, line[1024], original[600];
	struct text t = TEXT(line), o = TEXT(original);
	bool good = curl_url_get(f->url, CURLUPART_HOST, &to, 0) == CURLUE_OK &&
	            curl_url_get(f->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	            curl_url_set(f->url, CURLUPART_HOST, server_name, 0) == CURLUE_OK;

	if (good) {
		text_printf(&t, "%s:%s:%s:%s", server_name, port, to, port);
		text_printf(&o, "%s:%s", to, port);
		f->connect_to = text_end(&t) ? curl_slist_append(NULL, line) : NULL;
		good = f->connect_to && text_end(&o) && (host || set_host(f, original));
	}
	curl_free(to);
	curl_free(port);
	return good;
}

/* Says to curl that it is an address, never the name of an interface or host. */
static bool set_from(struct flight *f, const char *address)
{
	char line[80];
	struct text t = TEXT(line);

	text_add(&t, S("host!"));
	text_add(&t, slice_of(address));
	f->from = text_end(&t) ? strdup(line) : NULL;
	return f->from;
}

static const char *set_where(struct flight *f, const struct fetch_ask *ask)
{
	if (curl_url_set(f->url, CURLUPART_URL, ask->url, CURLU_PATH_AS_IS) != CURLUE_OK)
		return "its URL cannot be read";
	if (ask->server_name && !rename_host(f, ask->server_name, ask->host))
		return "its server name cannot be used";
	if (ask->address && !set_from(f, ask->address))
		return "its local address cannot be used";
	if (ask->host && !set_host(f, ask->host))
		return "its Host cannot be sent";
	if (ask->accept && !set_field(f, "Accept: ", ask->accept))
		return "its Accept cannot be sent";
	return NULL;
}

/* curl copies them. */
static void set_credentials(CURL *easy, const struct fetch_ask *ask)
{
	if (ask->form)
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, ask->form);
	if (ask->user && ask->password) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, ask->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, ask->password);
	} else if (ask->bearer) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, ask->bearer);
	}
}

static bool is_secret(const struct fetch_ask *ask)
{
	return ask->form || ask->password || ask->bearer;
}

static void set_how(struct flight *f, const struct fetch_ask *ask)
{
	CURL *easy = f->easy;
	long timeout_ms = (long)(ask->timeout_ns / NS_PER_MS + 1);

	set_protocols(easy);
	curl_easy_setopt(easy, CURLOPT_CURLU, f->url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->fields);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, f->connect_to);
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, ask->unix_socket);
	if (ask->ca && ask->ca[0]) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, ask->ca);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* that one alone is trusted */
	}
	curl_easy_setopt(easy, CURLOPT_SSLCERT, ask->chain);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, ask->key);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, ask->proxy ? ask->proxy : ""); /* not the environment's */
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, ask->alone ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, ask->alone ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_INTERFACE, f->from);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "sallyport");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, ask->follow && !is_secret(ask) ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 3L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
	                 timeout_ms < CONNECT_MAX_MS ? timeout_ms : (long)CONNECT_MAX_MS);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, f->said);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, f);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
}

struct flight *flight_make(const struct fetch_ask *ask)
{
	struct flight *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	list_init(&f->link);
	f->max_age_s = UINT64_MAX;
	f->body_max = ask->body_max < BODY_MAX ? ask->body_max : BODY_MAX;
	f->easy = curl_easy_init();
	f->url = curl_url();
	if (!f->easy || !f->url) {
		flight_free(f);
		return NULL;
	}
	f->failure = set_where(f, ask);
	set_how(f, ask);
	set_credentials(f->easy, ask);
	return f;
}

void flight_free(struct flight *f)
{
	curl_easy_cleanup(f->easy);
	curl_url_cleanup(f->url);
	curl_slist_free_all(f->fields);
	curl_slist_free_all(f->connect_to);
	free(f->body);
	free(f->from);
	free(f);
}
